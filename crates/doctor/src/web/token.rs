//! Whether the server takes the token, in its own words, and why not.

use super::session::{NoSession, open};
use super::{NO_UPGRADE, UNREACHED, web_and_token};
use crate::finding::Outcome;
use crate::local::token::{expired, expiry, seconds};
use crate::subject::Subject;

pub(crate) async fn is_taken(subject: &Subject) -> Outcome {
    let (web, token) = match web_and_token(subject) {
        Ok(both) => both,
        Err(skipped) => return skipped,
    };
    let code = match open(&web.target, token, &[]).await {
        Ok(session) => {
            let user = session.welcome["user"]["id"].as_str().unwrap_or("somebody").to_owned();
            return Outcome::pass(format!("The server takes the token, as `{user}`."));
        }
        Err(NoSession::Unreached(_)) => return Outcome::skipped(UNREACHED),
        Err(NoSession::NoUpgrade) => return Outcome::skipped(NO_UPGRADE),
        Err(NoSession::Refused(code)) => code,
        Err(NoSession::Ended) => "no answer to hello".to_owned(),
    };
    if code != "token_refused" {
        return Outcome::fail(
            format!("The server answers hello with {code}."),
            "This person cannot come in now.",
            "docs/protocol.md says what the word means; the server's log says more.",
        );
    }
    let now = seconds((subject.now)());
    match expiry(token) {
        Some(end) if end <= now => expired(end, now),
        Some(_) => Outcome::fail(
            "The server refuses the token, which has not expired: it was made with another key than the server's, is not good yet, \
             or its person was signed out everywhere.",
            "Nobody can come in with such tokens: the server closes with 4401.",
            "Give the backend that mints tokens and `moorline serve --jwt-secret-file FILE` the same file, without a space or an empty \
             line more in one of them, and restart both; compare the clocks (ML-WEB-006). With --jwt-secret-file here too, ML-TOKEN-001 \
             says which of these it is.",
        ),
        None => Outcome::fail(
            "The server refuses the token, which is no JWT with an end (`exp`).",
            "Nobody can come in with it.",
            "Make it as `moorline token mint` does: HS256, with `sub`, `exp` and `iat`.",
        ),
    }
}
