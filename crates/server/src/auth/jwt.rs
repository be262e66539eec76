//! Tokens of the application: JWT, HS256 with one shared secret (RFC 7519, RFC 8725).
//! `Authenticator` and `moorline token mint` call this. It knows no clock, no store and no person.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use moorline_protocol::api::TokenClaims;
use serde::Deserialize;
use serde::de::IgnoredAny;

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
    /// The header demands an extension of JWS that this server does not know.
    #[error("its header demands an extension (crit), which this server does not know")]
    Critical,
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
/// Every connection of a storm comes by here. So the parts are taken apart once, in RFC 7515's order: header, signature,
/// claims; the library does the cryptography.
///
/// # Errors
/// Why it is not good.
pub fn read(token: &str, secret: &[u8], now_secs: u64) -> Result<TokenClaims, Refused> {
    if token.len() > MAX_BYTES {
        return Err(Refused::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
    check_header(&part(header)?)?;
    let key = DecodingKey::from_secret(secret);
    match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, Algorithm::HS256) {
        Ok(true) => {}
        Ok(false) => return Err(Refused::Signature),
        Err(_) => return Err(Refused::Malformed),
    }
    let json = part(claims)?;
    let claims: TokenClaims = serde_json::from_slice(&json).map_err(|_| Refused::Claims)?;
    check_audience(&json)?;
    check_times(&claims, now_secs)?;
    if claims.rooms.is_some() && claims.iat.is_none() {
        return Err(Refused::RoomsWithoutIat);
    }
    Ok(claims)
}

fn part(encoded: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refused::Malformed)
}

/// What a header may say; what is not named here says nothing that matters (`typ`, `cty`).
#[derive(Deserialize)]
struct TokenHeader<'a> {
    #[serde(borrow)]
    alg: Option<Cow<'a, str>>,
    crit: Option<IgnoredAny>,
    kid: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
    x5t: Option<IgnoredAny>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<IgnoredAny>,
}

/// Only our own key is ever used, so a header that brings or names one is a mistake or an attack; and what it declares
/// critical is nothing that this server knows (RFC 7515 section 4.1.11).
fn check_header(json: &[u8]) -> Result<(), Refused> {
    let header: TokenHeader<'_> = serde_json::from_slice(json)
        .map_err(|error| if error.is_data() { Refused::Algorithm } else { Refused::Malformed })?;
    if header.alg.as_deref() != Some("HS256") {
        return Err(Refused::Algorithm);
    }
    let named = [
        (header.kid.is_some(), "kid"),
        (header.jku.is_some(), "jku"),
        (header.jwk.is_some(), "jwk"),
        (header.x5u.is_some(), "x5u"),
        (header.x5c.is_some(), "x5c"),
        (header.x5t.is_some() || header.x5t_s256.is_some(), "x5t"),
    ];
    match named.iter().find(|(is_there, _)| *is_there) {
        Some((_, name)) => Err(Refused::NamesKey(name)),
        None if header.crit.is_some() => Err(Refused::Critical),
        None => Ok(()),
    }
}

/// A token for nobody in particular is for us too.
fn check_audience(json: &[u8]) -> Result<(), Refused> {
    #[derive(Deserialize)]
    struct Addressed<'a> {
        #[serde(borrow)]
        aud: Option<Audience<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience<'a> {
        One(#[serde(borrow)] Cow<'a, str>),
        Many(Vec<String>),
    }
    let addressed: Addressed<'_> = serde_json::from_slice(json).map_err(|_| Refused::Claims)?;
    let is_ours = match addressed.aud {
        None => true,
        Some(Audience::One(one)) => one == AUDIENCE,
        Some(Audience::Many(many)) => many.iter().any(|one| one == AUDIENCE),
    };
    if is_ours { Ok(()) } else { Err(Refused::Audience) }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: u64 = 1_795_377_137;

    fn part_of(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn token(header: Value, claims: Value, secret: &[u8]) -> String {
        let signed = format!("{}.{}", part_of(&header), part_of(&claims));
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
        let claims = part_of(&json!({"sub": "ann", "exp": NOW + 60}));
        let none = format!("{}.{claims}.", part_of(&json!({"alg": "none"})));
        assert_eq!(read(&none, SECRET, NOW), Err(Refused::Algorithm));
        let empty = format!("{}.{claims}.", part_of(&json!({"alg": "HS256"})));
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
    fn a_header_that_demands_what_is_not_known_here_is_refused() {
        let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
        assert_eq!(with_header(header), Err(Refused::Critical));
        let typed = json!({"alg": "HS256", "typ": "at+jwt", "cty": "x", "own": [1, {}]});
        assert!(with_header(typed).is_ok());
    }

    #[test]
    fn an_audience_of_another_type_is_refused_however_it_is_spelt() {
        for audience in [json!(7), json!({}), json!([7]), json!([])] {
            let claims = json!({"sub": "ann", "exp": NOW + 60, "aud": audience});
            assert!(with_claims(claims.clone()).is_err(), "{claims}");
        }
        let spelt =
            URL_SAFE_NO_PAD.encode(r#"{"sub":"ann","exp":1895377137,"\u0061ud":"billing"}"#);
        let signed = format!("{}.{spelt}", part_of(&json!({"alg": "HS256"})));
        let key = EncodingKey::from_secret(SECRET);
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
        assert_eq!(read(&format!("{signed}.{signature}"), SECRET, NOW), Err(Refused::Audience));
    }

    #[test]
    fn a_token_of_another_secret_or_an_altered_one_is_refused() {
        let claims = json!({"sub": "ann", "exp": NOW + 60});
        let foreign = token(json!({"alg": "HS256"}), claims.clone(), b"another secret");
        assert_eq!(read(&foreign, SECRET, NOW), Err(Refused::Signature));
        let good = token(json!({"alg": "HS256"}), claims, SECRET);
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let other = part_of(&json!({"sub": "bob", "exp": NOW + 60}));
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
