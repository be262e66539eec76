//! Passwords: argon2id on a bounded pool, so that fifty people who sign in at once do not stall the chat.
//! A name that nobody has costs the same work as one that exists, by the same code.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// Shorter ones are guessed.
pub const MIN_CHARS: usize = 8;

/// Longer ones only cost; nothing is ever cut off.
pub const MAX_CHARS: usize = 128;

/// Hashes that run at once. Each takes one core for about 16 ms and 19 MiB.
const AT_ONCE: usize = 2;

/// Sign-ins that may wait; at 16 ms each the last of them waits about half a second.
const WAITING: usize = 64;

/// How long one that waits is worth it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hashes and checks passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// The hash of a random text: what a name that nobody has is checked against.
    dummy: Arc<str>,
}

/// The pool is full, or the work could not be done; the person should try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many people sign in at once")]
pub struct Busy;

/// A password outside of 8 to 128 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A password has {MIN_CHARS} to {MAX_CHARS} characters.")]
pub struct BadLength;

impl Passwords {
    /// Makes the pool; costs one hash.
    pub async fn new() -> Result<Self, Busy> {
        let passwords = Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(WAITING)),
            dummy: "".into(),
        };
        let nobody = passwords.hash(format!("{:032x}", rand::random::<u128>())).await?;
        Ok(Self { dummy: nobody.into(), ..passwords })
    }

    /// Whether the length is allowed.
    pub fn check_length(password: &str) -> Result<(), BadLength> {
        let length = password.chars().count();
        if (MIN_CHARS..=MAX_CHARS).contains(&length) { Ok(()) } else { Err(BadLength) }
    }

    /// The hash of a new password, in PHC form.
    pub async fn hash(&self, password: String) -> Result<String, Busy> {
        self.run(move || {
            let hash = argon2id().and_then(|argon2| argon2.hash_password(password.as_bytes()));
            hash.map(|hash| hash.to_string()).ok()
        })
        .await?
        .ok_or(Busy)
    }

    /// Whether the password fits the hash. Without a hash the answer is no, after the same work.
    pub async fn fits(&self, password: String, hash: Option<String>) -> Result<bool, Busy> {
        let is_somebody = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.to_string());
        let fits = self
            .run(move || {
                let (Ok(argon2), Ok(hash)) = (argon2id(), PasswordHash::new(&hash)) else {
                    return false;
                };
                argon2.verify_password(password.as_bytes(), &hash).is_ok()
            })
            .await?;
        Ok(fits && is_somebody)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.queue.try_acquire().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| Busy)?;
        let turn = turn.map_err(|_| Busy)?;
        let work = move || {
            let done = work();
            drop(turn); // Given up by the work itself: a caller who went away frees no core.
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

/// OWASP's first choice: 19 MiB, two passes, one lane.
fn argon2id() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(19_456, 2, 1, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_and_no_other() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.fits("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.fits("wrong horse".into(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobodys_password_never_fits_and_costs_a_hash_of_the_same_strength() {
        let passwords = Passwords::new().await.unwrap();
        assert!(passwords.dummy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!passwords.fits("anything at all".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_broken_hash_fits_nothing() {
        let passwords = Passwords::new().await.unwrap();
        assert!(!passwords.fits(String::new(), Some("no hash".into())).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_pool_says_so_at_once() {
        let passwords = Passwords::new().await.unwrap();
        let _all = passwords.queue.acquire_many(WAITING as u32).await.unwrap();
        assert_eq!(passwords.hash("correct horse".into()).await, Err(Busy));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        for good in ["12345678", &"ü".repeat(8), &"x".repeat(128)] {
            assert!(Passwords::check_length(good).is_ok());
        }
        for bad in ["", "1234567", &"x".repeat(129)] {
            assert!(Passwords::check_length(bad).is_err());
        }
    }
}
