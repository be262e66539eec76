//! Fernet as Python's `cryptography` does it: AES-128-CBC, HMAC-SHA256, a time, URL-safe base64.
//!
//! [`Wire`](super::Wire) seals with the first key and opens with any. Own code over aws-lc-rs, since the Fernet crates
//! bring another provider of cryptography. Keys never show in `Debug`. Nothing here knows channels.

use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::error::{DecodeError, Error};

const VERSION: u8 = 0x80;
const TIME_BYTES: usize = 8;
const IV_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const HEAD_BYTES: usize = 1 + TIME_BYTES + IV_BYTES;

/// How far a peer's clock may be ahead, in seconds. The number is Python's.
const MAX_CLOCK_SKEW: u64 = 60;

/// The keys of `symmetric_encryption_keys`, of any length: the first seals, all of them open.
pub struct Fernet {
    keys: Vec<Key>,
}

struct Key {
    mac: hmac::Key,
    seals: PaddedBlockEncryptingKey,
    opens: PaddedBlockDecryptingKey,
}

impl Fernet {
    /// Keys from the texts that Django's settings hold: the SHA-256 of each is the Fernet key.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`] if there is no key, or the machine's cryptography refuses one.
    pub fn new<T: AsRef<[u8]>>(keys: &[T]) -> Result<Self, Error> {
        if keys.is_empty() {
            return Err(Error::InvalidOptions("encryption needs one key at least".to_owned()));
        }
        let refused =
            |_| Error::InvalidOptions("the encryption key was refused by aws-lc".to_owned());
        let keys = keys.iter().map(|text| Key::derive(text.as_ref()).map_err(refused));
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// The token of these bytes, made at this time in Unix seconds.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if the machine gives no random bytes.
    pub fn seal(&self, plain: &[u8], now: u64) -> Result<String, Error> {
        let iv = rand::random::<[u8; IV_BYTES]>();
        self.seal_with(plain, now, iv)
            .map_err(|_| Error::InvalidMessage("the message could not be encrypted".to_owned()))
    }

    fn seal_with(&self, plain: &[u8], now: u64, iv: [u8; IV_BYTES]) -> Result<String, Unspecified> {
        let key = self.keys.first().ok_or(Unspecified)?;
        let mut cipher = plain.to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        key.seals.less_safe_encrypt(&mut cipher, context)?;
        let mut raw = Vec::with_capacity(HEAD_BYTES + cipher.len() + MAC_BYTES);
        raw.push(VERSION);
        raw.extend_from_slice(&now.to_be_bytes());
        raw.extend_from_slice(&iv);
        raw.extend_from_slice(&cipher);
        let mac = hmac::sign(&key.mac, &raw);
        raw.extend_from_slice(mac.as_ref());
        Ok(URL_SAFE.encode(raw))
    }

    /// The bytes that a token holds. With `ttl` in seconds the token may be neither older nor from the future; Redis
    /// Pub/Sub uses none, as in `channels_redis`.
    ///
    /// # Errors
    /// [`DecodeError::InvalidToken`] or [`DecodeError::TokenExpired`].
    pub fn open(&self, token: &[u8], now: u64, ttl: Option<u64>) -> Result<Vec<u8>, DecodeError> {
        let raw = decode(token).ok_or(DecodeError::InvalidToken)?;
        if raw.len() < HEAD_BYTES + MAC_BYTES || raw.first() != Some(&VERSION) {
            return Err(DecodeError::InvalidToken);
        }
        let (signed, mac) = raw.split_at(raw.len() - MAC_BYTES);
        let key = self.keys.iter().find(|key| hmac::verify(&key.mac, signed, mac).is_ok());
        let key = key.ok_or(DecodeError::InvalidToken)?;
        let (time, rest) = signed[1..].split_at(TIME_BYTES);
        check_age(time, now, ttl)?;
        let (iv, cipher) = rest.split_at(IV_BYTES);
        key.decrypt(iv, cipher).map_err(|_| DecodeError::InvalidToken)
    }
}

/// Python passes over every character that is not of the alphabet, such as a line break.
fn decode(token: &[u8]) -> Option<Vec<u8>> {
    if let Ok(raw) = URL_SAFE.decode(token) {
        return Some(raw);
    }
    let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    URL_SAFE.decode(token.iter().copied().filter(is_known).collect::<Vec<u8>>()).ok()
}

fn check_age(time: &[u8], now: u64, ttl: Option<u64>) -> Result<(), DecodeError> {
    let Some(ttl) = ttl else { return Ok(()) };
    let time = time.try_into().map(u64::from_be_bytes).map_err(|_| DecodeError::InvalidToken)?;
    let is_fresh = time.saturating_add(ttl) >= now && time <= now.saturating_add(MAX_CLOCK_SKEW);
    if is_fresh { Ok(()) } else { Err(DecodeError::TokenExpired) }
}

impl Key {
    fn derive(text: &[u8]) -> Result<Self, Unspecified> {
        let digest = digest::digest(&digest::SHA256, text);
        let (mac, cipher) = digest.as_ref().split_at(16);
        let cipher = || UnboundCipherKey::new(&AES_128, cipher);
        Ok(Self {
            mac: hmac::Key::new(hmac::HMAC_SHA256, mac),
            seals: PaddedBlockEncryptingKey::cbc_pkcs7(cipher()?)?,
            opens: PaddedBlockDecryptingKey::cbc_pkcs7(cipher()?)?,
        })
    }

    fn decrypt(&self, iv: &[u8], cipher: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let iv: [u8; IV_BYTES] = iv.try_into().map_err(|_| Unspecified)?;
        let mut plain = cipher.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let length = self.opens.decrypt(&mut plain, context)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

impl std::fmt::Debug for Fernet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fernet({} keys)", self.keys.len())
    }
}

#[cfg(test)]
#[path = "fernet_tests.rs"]
mod tests;
