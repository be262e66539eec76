//! Tokens of the application: JWT, HS256 with one shared secret (RFC 7519, RFC 8725).
//! `Authenticator` and `moorline token mint` call this. It knows no clock, no store and no person.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moorline_protocol::api::TokenClaims;

/// A token longer than this is not looked at: one with 200 rooms has half of it.
const MAX_BYTES: usize = 16 * 1024;

/// Clocks of two machines may differ by so many seconds.
pub const LEEWAY_SECS: u64 = 30;

/// Who a token is for, where it says: this service.
const AUDIENCE: &str = "moorline";

/// Why a token is not good. For the log; the client learns only that it was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Over 16 KiB.
    #[error("it is longer than 16 KiB")]
    TooLong,
    /// Not three parts of base64 with JSON inside.
    #[error("it is no well-formed JWT")]
    Malformed,
    /// Another algorithm than HS256, or none.
    #[error("its algorithm is not HS256")]
    Algorithm,
    /// The header points at a key, and only our own is used.
    #[error("its header names a key ({0}), which this server does not follow")]
    NamesKey(&'static str),
    /// Made with another secret, or altered.
    #[error("its signature does not fit the secret")]
    Signature,
    /// A claim is missing or has the wrong type; `sub` and `exp` are required.
    #[error("its claims are incomplete or of the wrong type (sub and exp are required)")]
    Claims,
    /// `rooms` without `iat`.
    #[error("it has rooms but no iat, so a removal could not be told from an older grant")]
    RoomsWithoutIat,
    /// `exp` is past.
    #[error("it has expired")]
    Expired,
    /// `nbf` or `iat` is ahead.
    #[error("it is not valid yet; compare the two clocks")]
    NotYet,
    /// `aud` names others only.
    #[error("it is for another audience")]
    Audience,
}

/// Signs claims; what a backend does with its own library.
///
/// # Errors
/// Where the claims cannot be written as JSON.
pub fn sign(claims: &TokenClaims, secret: &[u8]) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
}

/// The claims of a token that is good at `now_secs` (seconds since 1970).
///
/// # Errors
/// Why it is not good.
pub fn read(token: &str, secret: &[u8], now_secs: u64) -> Result<TokenClaims, Refused> {
    if token.len() > MAX_BYTES {
        return Err(Refused::TooLong);
    }
    check_header(token)?;
    let claims = jsonwebtoken::decode::<TokenClaims>(
        token,
        &DecodingKey::from_secret(secret),
        &signature_and_audience(),
    )
    .map_err(|error| reason(error.kind()))?
    .claims;
    check_times(&claims, now_secs)?;
    if claims.rooms.is_some() && claims.iat.is_none() {
        return Err(Refused::RoomsWithoutIat);
    }
    Ok(claims)
}

/// Only our own key is ever used, so a header that brings or names one is a mistake or an attack.
fn check_header(token: &str) -> Result<(), Refused> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        ErrorKind::Json(_) | ErrorKind::InvalidAlgorithmName => Refused::Algorithm,
        _ => Refused::Malformed,
    })?;
    let named = [
        (header.kid.is_some(), "kid"),
        (header.jku.is_some(), "jku"),
        (header.jwk.is_some(), "jwk"),
        (header.x5u.is_some(), "x5u"),
        (header.x5c.is_some(), "x5c"),
        (header.x5t.is_some() || header.x5t_s256.is_some(), "x5t"),
    ];
    if header.alg != Algorithm::HS256 {
        return Err(Refused::Algorithm);
    }
    match named.iter().find(|(is_there, _)| *is_there) {
        Some((_, name)) => Err(Refused::NamesKey(name)),
        None => Ok(()),
    }
}

/// Times are checked by `check_times`, so that the clock is an argument.
fn signature_and_audience() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "sub"]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

fn check_times(claims: &TokenClaims, now_secs: u64) -> Result<(), Refused> {
    if claims.exp.saturating_add(LEEWAY_SECS) <= now_secs {
        return Err(Refused::Expired);
    }
    let is_ahead = |time: Option<u64>| time.is_some_and(|time| time > now_secs + LEEWAY_SECS);
    if is_ahead(claims.nbf) || is_ahead(claims.iat) {
        return Err(Refused::NotYet);
    }
    Ok(())
}

fn reason(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Refused::Algorithm,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => Refused::Claims,
        _ => Refused::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: u64 = 1_795_377_137;

    fn part(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn token(header: Value, claims: Value, secret: &[u8]) -> String {
        let signed = format!("{}.{}", part(&header), part(&claims));
        let key = EncodingKey::from_secret(secret);
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{signed}.{signature}")
    }

    fn with_claims(claims: Value) -> Result<TokenClaims, Refused> {
        read(&token(json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET), SECRET, NOW)
    }

    fn with_header(header: Value) -> Result<TokenClaims, Refused> {
        read(&token(header, json!({"sub": "ann", "exp": NOW + 60}), SECRET), SECRET, NOW)
    }

    #[test]
    fn a_good_token_is_read() {
        let claims = with_claims(json!({
            "sub": "ann", "exp": NOW as f64 + 60.5, "iat": NOW, "nbf": NOW, "name": "Ann", "rooms": ["ops"],
        }))
        .unwrap();
        assert_eq!((claims.sub.as_str(), claims.exp), ("ann", NOW + 60));
        assert_eq!(claims.name.as_deref(), Some("Ann"));
        assert_eq!(claims.rooms.unwrap()[0].as_str(), "ops");
    }

    #[test]
    fn what_is_signed_here_is_read_here() {
        let claims = with_claims(json!({"sub": "ann", "exp": NOW + 60})).unwrap();
        let token = sign(&claims, SECRET).unwrap();
        assert_eq!(read(&token, SECRET, NOW), Ok(claims));
    }

    #[test]
    fn incomplete_or_ill_typed_claims_are_refused() {
        let cases = [
            (json!({"sub": "ann"}), Refused::Claims),
            (json!({"exp": NOW + 60}), Refused::Claims),
            (json!({"sub": 7, "exp": NOW + 60}), Refused::Claims),
            (json!({"sub": "ann", "exp": "soon"}), Refused::Claims),
            (json!({"sub": "ann", "exp": null}), Refused::Claims),
            (json!({"sub": "ann", "exp": -1}), Refused::Claims),
            (json!({"sub": "ann", "exp": NOW + 60, "rooms": "ops"}), Refused::Claims),
            (json!({"sub": "ann", "exp": NOW + 60, "rooms": ["a b"], "iat": NOW}), Refused::Claims),
            (json!({"sub": "ann", "exp": NOW + 60, "rooms": ["ops"]}), Refused::RoomsWithoutIat),
            (json!({"sub": "ann", "exp": NOW + 60, "aud": "billing"}), Refused::Audience),
        ];
        for (claims, refused) in cases {
            assert_eq!(with_claims(claims.clone()), Err(refused), "{claims}");
        }
    }

    #[test]
    fn an_audience_that_includes_us_is_taken() {
        for audience in [json!("moorline"), json!(["billing", "moorline"])] {
            with_claims(json!({"sub": "ann", "exp": NOW + 60, "aud": audience})).unwrap();
        }
    }

    #[test]
    fn times_have_a_leeway_of_30_seconds() {
        let cases = [
            (json!({"sub": "ann", "exp": NOW - 29}), Ok(())),
            (json!({"sub": "ann", "exp": NOW - 30}), Err(Refused::Expired)),
            (json!({"sub": "ann", "exp": 0}), Err(Refused::Expired)),
            (json!({"sub": "ann", "exp": NOW + 60, "nbf": NOW + 30}), Ok(())),
            (json!({"sub": "ann", "exp": NOW + 60, "nbf": NOW + 31}), Err(Refused::NotYet)),
            (json!({"sub": "ann", "exp": NOW + 60, "iat": NOW + 31}), Err(Refused::NotYet)),
            (json!({"sub": "ann", "exp": 9_007_199_254_740_991_u64}), Ok(())),
        ];
        for (claims, expected) in cases {
            assert_eq!(with_claims(claims.clone()).map(drop), expected, "{claims}");
        }
    }

    #[test]
    fn only_hs256_is_accepted_whatever_the_header_says() {
        let others = ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", ""];
        for algorithm in others {
            let refused = with_header(json!({"alg": algorithm, "typ": "JWT"}));
            assert_eq!(refused, Err(Refused::Algorithm), "{algorithm}");
        }
        assert!(with_header(json!({"typ": "JWT"})).is_err());
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        let claims = part(&json!({"sub": "ann", "exp": NOW + 60}));
        let none = format!("{}.{claims}.", part(&json!({"alg": "none"})));
        assert_eq!(read(&none, SECRET, NOW), Err(Refused::Algorithm));
        let empty = format!("{}.{claims}.", part(&json!({"alg": "HS256"})));
        assert_eq!(read(&empty, SECRET, NOW), Err(Refused::Signature));
    }

    #[test]
    fn a_header_that_brings_or_names_a_key_is_refused() {
        let headers = [
            ("kid", json!("../../dev/null")),
            ("jku", json!("https://evil.example/keys")),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("x5u", json!("https://evil.example/cert")),
            ("x5c", json!(["AAAA"])),
        ];
        for (name, value) in headers {
            let mut header = json!({"alg": "HS256"});
            header[name] = value;
            assert_eq!(with_header(header), Err(Refused::NamesKey(name)), "{name}");
        }
    }

    #[test]
    fn a_token_of_another_secret_or_an_altered_one_is_refused() {
        let claims = json!({"sub": "ann", "exp": NOW + 60});
        let foreign = token(json!({"alg": "HS256"}), claims.clone(), b"another secret");
        assert_eq!(read(&foreign, SECRET, NOW), Err(Refused::Signature));
        let good = token(json!({"alg": "HS256"}), claims, SECRET);
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let other = part(&json!({"sub": "bob", "exp": NOW + 60}));
        let altered = format!("{header}.{other}.{signature}");
        assert_eq!(read(&altered, SECRET, NOW), Err(Refused::Signature));
    }

    #[test]
    fn what_is_no_token_is_refused_without_a_panic() {
        let good = token(json!({"alg": "HS256"}), json!({"sub": "ann", "exp": NOW + 60}), SECRET);
        for length in 0..good.len() {
            assert!(read(&good[..length], SECRET, NOW).is_err(), "cut at {length}");
        }
        for bad in ["", ".", "..", "...", "a.b.c", "ü.ü.ü", "e30.e30.e30", "null.null."] {
            assert!(read(bad, SECRET, NOW).is_err(), "{bad}");
        }
        assert_eq!(read(&"a".repeat(MAX_BYTES + 1), SECRET, NOW), Err(Refused::TooLong));
    }
}
