//! A setting that may change while the server runs. Whoever reads it asks for it anew each time and never waits;
//! handles are clones of the same one. `serve` sets it when the settings are read again.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value that can be replaced under its readers.
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    /// Begins with this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The value of this moment; it stays as it is for whoever holds it.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces it for all that ask from now on.
    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Live<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: PartialEq> PartialEq for Live<T> {
    fn eq(&self, other: &Self) -> bool {
        *self.get() == *other.get()
    }
}

impl<T: Eq> Eq for Live<T> {}

impl<T: std::fmt::Debug> std::fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handle_sees_the_new_value_and_who_holds_the_old_one_keeps_it() {
        let one = Live::new(1);
        let (other, held) = (one.clone(), one.get());
        one.set(2);
        assert_eq!((*other.get(), *held), (2, 1));
        assert_eq!(one, other);
    }
}
