//! UTF-8 checked as it arrives, so that a long message with a broken byte is refused at that byte.
//!
//! Whole pieces go through simdutf8; only a character that is cut by the end of a piece is kept until the next one.

/// Up to three bytes of a character whose end has not arrived.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Utf8 {
    cut: [u8; 4],
    len: u8,
}

/// The bytes so far cannot be the beginning of UTF-8 text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Utf8 {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), Broken> {
        while self.len > 0 {
            let Some((&next, rest)) = piece.split_first() else { return Ok(()) };
            let len = usize::from(self.len);
            self.cut[len] = next;
            match std::str::from_utf8(&self.cut[..=len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(Broken),
                Err(_) => self.len += 1,
            }
            piece = rest;
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Broken);
        }
        let tail = &piece[error.valid_up_to()..];
        self.cut[..tail.len()].copy_from_slice(tail);
        self.len = tail.len() as u8;
        Ok(())
    }

    /// Whether the text may end here.
    pub(crate) fn is_whole(self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_cut_of_any_bytes_is_judged_as_the_whole(
            bytes in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..40),
            ],
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut utf8 = Utf8::default();
            let fine = cuts.windows(2).all(|cut| utf8.push(&bytes[cut[0]..cut[1]]).is_ok());
            prop_assert_eq!(fine && utf8.is_whole(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
