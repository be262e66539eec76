//! Tokens that Python's `cryptography` made, and every way to refuse one.

use super::*;

const PLAIN: &str = "82a474797065ac746573742e6d657373616765a474657874a548656c6c6f";
const TOKEN: &str = "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD12iXzgGhJjxgypcCFV75jO0Aghxq-iobe6AKtLNji4AX5q9cE6k4GpmrP5aXVDeWCFfS4xc3CnUenugDj5IrbI=";
const MADE: u64 = 1_700_000_000;

fn fernet(keys: &[&str]) -> Fernet {
    Fernet::new(keys).unwrap()
}

fn iv() -> [u8; IV_BYTES] {
    std::array::from_fn(|index| index as u8)
}

#[test]
fn tokens_are_sealed_as_python_seals_them() {
    let plain = hex::decode(PLAIN).unwrap();
    let json = br#"{"type": "test.message", "text": "Hello"}"#;
    let golden: [(&[u8], &str); 3] = [
        (&plain, TOKEN),
        (
            json,
            "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD0fBLJh25iFAmTOqOJ--hMFd826v0e3W2AuW_3-p-B7v9EYMGi0_1YKxM_88716-N3HtJzpw8-2fgO6ly7r_oaQ0Zqgqhbi1OvTtSP3GsEmz",
        ),
        (
            &[0x80],
            "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD9MjDw13S7SpcShSSd3ofTj8dYEesQeSfkO4DGyGIXlM5bTF1XaGOjqh7d6pKhZS6w==",
        ),
    ];
    let fernet = fernet(&["s3cret-key"]);
    for (plain, token) in golden {
        assert_eq!(fernet.seal_with(plain, MADE, iv()).unwrap(), token);
        assert_eq!(fernet.open(token.as_bytes(), MADE, Some(20)).unwrap(), plain);
    }
}

#[test]
fn any_of_the_keys_opens_and_the_first_seals() {
    let plain = hex::decode(PLAIN).unwrap();
    let rotated = fernet(&["clé", "s3cret-key"]);
    assert_eq!(rotated.open(TOKEN.as_bytes(), MADE, None).unwrap(), plain);
    let token = rotated.seal(&plain, MADE).unwrap();
    assert_eq!(fernet(&["clé"]).open(token.as_bytes(), MADE, None).unwrap(), plain);
    let refused = fernet(&["s3cret-key"]).open(token.as_bytes(), MADE, None);
    assert_eq!(refused, Err(DecodeError::InvalidToken));
}

#[test]
fn a_token_is_neither_too_old_nor_from_the_future() {
    let open = |now, ttl| fernet(&["s3cret-key"]).open(TOKEN.as_bytes(), now, ttl).map(|_| ());
    assert_eq!(open(MADE + 20, Some(20)), Ok(()));
    assert_eq!(open(MADE + 21, Some(20)), Err(DecodeError::TokenExpired));
    assert_eq!(open(MADE - 60, Some(20)), Ok(()));
    assert_eq!(open(MADE - 61, Some(20)), Err(DecodeError::TokenExpired));
    assert_eq!(open(MADE + 100_000, None), Ok(()), "Redis Pub/Sub checks no age");
    assert_eq!(open(0, None), Ok(()));
}

#[test]
fn a_token_changed_anywhere_is_refused() {
    let fernet = fernet(&["s3cret-key"]);
    let raw = URL_SAFE.decode(TOKEN).unwrap();
    for at in 0..raw.len() {
        let mut changed = raw.clone();
        changed[at] ^= 1;
        let token = URL_SAFE.encode(changed);
        assert_eq!(
            fernet.open(token.as_bytes(), MADE, None),
            Err(DecodeError::InvalidToken),
            "{at}"
        );
    }
    for token in ["", "gAAAA", "%%%%", &TOKEN[..40]] {
        assert_eq!(fernet.open(token.as_bytes(), MADE, None), Err(DecodeError::InvalidToken));
    }
}

#[test]
fn characters_outside_the_alphabet_are_passed_over_as_in_python() {
    let token = format!("{}\r\n {}", &TOKEN[..50], &TOKEN[50..]);
    assert_eq!(
        fernet(&["s3cret-key"]).open(token.as_bytes(), MADE, None).map(hex::encode),
        Ok(PLAIN.to_owned())
    );
}

#[test]
fn no_key_is_no_encryption_and_keys_are_not_printed() {
    assert!(Fernet::new::<&str>(&[]).is_err());
    assert_eq!(format!("{:?}", fernet(&["hunter2"])), "Fernet(1 keys)");
}
