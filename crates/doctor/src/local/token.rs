//! A person's token beside the secret, judged as the server judges it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moorline_server::auth::jwt::{self, Refused};

use crate::finding::Outcome;
use crate::subject::{Secret, Subject};

pub(crate) async fn is_good(subject: &Subject) -> Outcome {
    let Some(Secret(token)) = &subject.token else {
        return Outcome::skipped("No token is given: --token-file FILE.");
    };
    let now = seconds((subject.now)());
    let secret = subject.local.as_ref().ok().and_then(|local| local.jwt_secret.as_ref());
    match secret {
        Some(secret) => judge(jwt::read(token, secret.0.as_bytes(), now), token, now),
        None => match expiry(token) {
            Some(end) if end <= now => expired(end, now),
            Some(end) => Outcome::pass(format!(
                "It is good for {} more; who signed it cannot be told here without --jwt-secret-file.",
                span(end - now)
            )),
            None => judge::<()>(Err(Refused::Malformed), token, now),
        },
    }
}

fn judge<T>(read: Result<T, Refused>, token: &str, now: u64) -> Outcome {
    match read {
        Ok(_) => {
            let left = expiry(token).unwrap_or(now).saturating_sub(now);
            Outcome::pass(format!(
                "Its signature fits the secret, and it is good for {} more.",
                span(left)
            ))
        }
        Err(Refused::Expired) => expired(expiry(token).unwrap_or(now), now),
        Err(Refused::Signature) => wrong_key(),
        Err(other) => Outcome::fail(
            format!("The token is refused: {other}."),
            "The server closes the connection with 4401, and the client asks for another token.",
            "Make it as `moorline token mint` does: HS256, with `sub`, `exp` and `iat`; docs/api.md lists the claims.",
        ),
    }
}

/// What is said of a token whose time is over.
pub(crate) fn expired(end: u64, now: u64) -> Outcome {
    Outcome::fail(
        format!("The token expired {} ago.", span(now.saturating_sub(end))),
        "The server refuses it and closes with 4401; the page fetches one new token and then stops.",
        "Mint a new one: moorline token mint --sub ID --jwt-secret-file FILE. If a fresh token is told to be expired, \
         compare the clocks: timedatectl on both machines.",
    )
}

/// What is said of a token that another secret made.
fn wrong_key() -> Outcome {
    Outcome::fail(
        "The token's signature does not fit the server's secret: it was made with another key.",
        "Nobody can come in with such tokens: the server closes with 4401.",
        "Give the backend that mints tokens and `moorline serve --jwt-secret-file FILE` the same file, without a space \
         or an empty line more in one of them; then restart both.",
    )
}

/// When a token ends, by its own word.
pub(crate) fn expiry(token: &str) -> Option<u64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_u64()
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A time in words.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status;
    use moorline_protocol::api::TokenClaims;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn token(exp: u64) -> String {
        let claims = TokenClaims {
            sub: "ann".into(),
            exp,
            iat: Some(1),
            nbf: None,
            name: None,
            rooms: None,
        };
        jwt::sign(&claims, SECRET.as_bytes()).unwrap()
    }

    fn judged(token: &str, secret: &str, now: u64) -> Outcome {
        judge(jwt::read(token, secret.as_bytes(), now), token, now)
    }

    #[test]
    fn a_good_an_expired_and_a_strange_token_are_told_apart() {
        let good = token(10_000);
        assert_eq!(judged(&good, SECRET, 5_000).status, Status::Pass);
        assert!(judged(&good, SECRET, 20_000).seen.contains("expired 2 h ago"));
        assert!(judged(&good, "another", 5_000).seen.contains("another key"));
        assert_eq!(judged("nonsense", SECRET, 5_000).status, Status::Fail);
        assert_eq!(expiry(&good), Some(10_000));
    }
}
