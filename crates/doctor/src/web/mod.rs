//! Checks from outside, as a browser comes: through whatever proxy and TLS stand before the server.

pub(crate) mod dial;
pub(crate) mod front;
pub(crate) mod idle;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod token;
pub(crate) mod upgrade;

use crate::finding::Outcome;
use crate::subject::{Subject, Web};

const UNREACHED: &str = "The server is not reached: see ML-WEB-001.";
const NO_UPGRADE: &str = "No WebSocket can be opened: see ML-WEB-002.";
const NO_TOKEN: &str = "No token is given to come in with: moorline token mint --sub ID | moorline doctor URL --token-file -";

/// Where to look, or why there is nothing to look at.
pub(crate) fn web(subject: &Subject) -> Result<&Web, Outcome> {
    subject
        .web
        .as_ref()
        .ok_or_else(|| Outcome::skipped("No URL is given: moorline doctor https://HOST."))
}

/// The same, with a token.
pub(crate) fn web_and_token(subject: &Subject) -> Result<(&Web, &str), Outcome> {
    let web = web(subject)?;
    let token = subject.token.as_ref().ok_or_else(|| Outcome::skipped(NO_TOKEN))?;
    Ok((web, &token.0))
}
