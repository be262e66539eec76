//! What a cid was used for: a keyed hash of the whole command, kept beside the cid by every back end in the same form, so
//! that rows can be taken from one back end to another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The hash of a whole command, keyed so that it tells nothing of the text to one who reads the file without the key.
pub(crate) type Fingerprint = [u8; 16];

/// Makes fingerprints.
#[derive(Clone)]
pub(crate) struct Hasher(Hmac<Sha256>);

impl Hasher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // A key of the length of a block is used as it is; the rest of a shorter one is zeros (RFC 2104).
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    /// What stands for the id of an erased person, so that it is known again and tells nothing. No id begins so.
    pub(crate) fn erased_id(&self, id: &str) -> String {
        let hash = self.fingerprint("erased", &[id.as_bytes()]);
        format!("\n{:032x}", u128::from_be_bytes(hash))
    }

    /// Each part goes in with its length, so that no two lists of parts look alike.
    pub(crate) fn fingerprint(&self, word: &str, parts: &[&[u8]]) -> Fingerprint {
        let mut mac = self.0.clone();
        for part in std::iter::once(&word.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let whole = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&whole[..16]);
        short
    }
}
