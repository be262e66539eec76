//! Closing connections of this node by an operator's wish, with a code that says whether their clients come back; and
//! ending what their person came with, which closes them on every node.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use moorline_chat::now_ms;
use moorline_protocol::admin::{Kick, Kicked};
use moorline_protocol::{CloseCode, ErrorCode, Goodbye, Reply, UserId};

use super::Node;
use super::query::invalid;
use crate::api::body::JsonBody;
use crate::api::failure::{Failure, json};
use crate::connection::Connection;

/// What a close frame holds beside its code (RFC 6455 section 5.5).
const REASON_BYTES: usize = 123;

/// `POST kick`.
pub(super) async fn kick(
    State(node): State<Node>,
    JsonBody(kick): JsonBody<Kick>,
) -> Result<Response, Failure> {
    let (code, reason) = checked(&kick)?;
    let (connections, user) = node.whom(&kick).await?;
    let mut revoked = Vec::new();
    if kick.revoke {
        let user = user.ok_or_else(|| {
            let text = "Nobody has signed in on this connection, so there is nothing to revoke.";
            Failure::new(ErrorCode::Conflict, text)
        })?;
        // The hub closes what came with it, here and on every other node; what is closed below is closed the same way.
        node.chat.store().revoke_sessions(user.clone(), now_ms()).await?;
        revoked.push(user);
    }
    let chatting = node.listeners();
    for connection in &connections {
        // Where clients come back, the code alone says when.
        if !code.may_reconnect() && chatting.contains_key(&connection.id().0) {
            let goodbye = Goodbye { code: code.0, reconnect: false, after_ms: 0 };
            connection.outbox().reply(Reply::from(goodbye).frame());
        }
        connection.close(code, reason.clone());
    }
    tracing::info!(
        code = code.0,
        connections = connections.len(),
        ?revoked,
        "kicked by an operator"
    );
    let closed = connections.len() as u64;
    Ok(json(
        StatusCode::OK,
        &Kicked { closed, code: code.0, comes_back: code.may_reconnect(), revoked },
    ))
}

impl Node {
    /// The connections meant, and whose they are.
    async fn whom(&self, kick: &Kick) -> Result<(Vec<Connection>, Option<UserId>), Failure> {
        match (&kick.connection, &kick.user) {
            (Some(id), None) => {
                let connection = self.connection(id)?;
                let user = connection.user();
                Ok((vec![connection], user))
            }
            (None, Some(user)) => {
                let known = self.chat.store().user(user).await?;
                known.ok_or_else(|| {
                    Failure::new(ErrorCode::NotFound, "There is no person with this id.")
                })?;
                let mut connections = self.registry.all();
                connections.retain(|connection| connection.user().as_ref() == Some(user));
                Ok((connections, Some(user.clone())))
            }
            _ => Err(invalid("Name either a `connection` or a `user`.")),
        }
    }
}

/// The code and the reason, if a server may send them and they fit what is asked for.
fn checked(kick: &Kick) -> Result<(CloseCode, String), Failure> {
    let usual = if kick.revoke { CloseCode::SIGNED_OUT } else { CloseCode::MOVED };
    let code = kick.code.map_or(usual, CloseCode);
    if !matches!(code.0, 1000 | 1001 | 1008 | 1011 | 1012 | 1013 | 4000..=4999) {
        return Err(invalid(
            "The close code must be 1000, 1001, 1008, 1011, 1012, 1013 or one from 4000 to 4999.",
        ));
    }
    if kick.revoke && code.may_reconnect() {
        return Err(invalid(
            "With `revoke` the code must be one after which clients do not come back: leave it away.",
        ));
    }
    let reason = kick.reason.clone().unwrap_or_else(|| match kick.revoke {
        true => "signed out".to_owned(),
        false => "closed by an operator".to_owned(),
    });
    if reason.len() > REASON_BYTES {
        return Err(invalid(format!("The reason may have at most {REASON_BYTES} bytes.")));
    }
    Ok((code, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(code: Option<u16>, revoke: bool) -> Result<u16, Failure> {
        checked(&Kick { code, revoke, ..Kick::default() }).map(|(code, _)| code.0)
    }

    #[test]
    fn a_kick_lets_come_back_and_a_revocation_does_not() {
        assert_eq!((asked(None, false), asked(None, true)), (Ok(4442), Ok(4403)));
        assert!(CloseCode(4442).may_reconnect() && !CloseCode(4403).may_reconnect());
        assert_eq!(asked(Some(4403), false), Ok(4403));
        assert!(asked(Some(4442), true).is_err());
    }

    #[test]
    fn codes_that_no_endpoint_may_send_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2000, 3999, 5000] {
            assert!(asked(Some(code), false).is_err(), "{code}");
        }
        let long = Kick { reason: Some("x".repeat(124)), ..Kick::default() };
        assert!(checked(&long).is_err());
    }
}
