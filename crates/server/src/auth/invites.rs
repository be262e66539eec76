//! Invitations for `--signup invite`: a signed text that lets whoever has it make an account, for a week.
//! Nothing is stored; the key that signs them lives in the data folder.

use std::sync::Arc;

use moorline_protocol::api::{Invite, TokenClaims};

use super::jwt;

/// A week: long enough to be read on Monday, short enough to be forgotten in a mailbox.
const GOOD_FOR_SECS: u64 = 7 * 24 * 3_600;

/// What such a token is for; with a key of its own it cannot be taken for a person's.
const PURPOSE: &str = "invite";

/// Makes and checks invitations.
#[derive(Clone)]
pub struct Invites(Arc<[u8]>);

impl std::fmt::Debug for Invites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invites(hidden)")
    }
}

impl Invites {
    /// With this signing key.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(key.into())
    }

    /// An invitation that is good from now on for a week; none where it cannot be signed.
    #[must_use]
    pub fn make(&self, now_ms: u64) -> Option<Invite> {
        let exp = now_ms / 1_000 + GOOD_FOR_SECS;
        let claims =
            TokenClaims { sub: PURPOSE.into(), exp, iat: None, nbf: None, name: None, rooms: None };
        let invite = jwt::sign(&claims, &self.0).ok()?;
        Some(Invite { invite, expires: exp * 1_000 })
    }

    /// Whether the invitation is good now.
    #[must_use]
    pub fn is_good(&self, invite: &str, now_ms: u64) -> bool {
        jwt::read(invite, &self.0, now_ms / 1_000).is_ok_and(|claims| claims.sub == PURPOSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_377_137_000;

    #[test]
    fn an_invitation_is_good_for_a_week_on_the_server_that_made_it() {
        let invites = Invites::new(b"one key of thirty-two bytes, yes");
        let Invite { invite, expires } = invites.make(NOW).unwrap();
        assert!(invites.is_good(&invite, NOW));
        assert!(invites.is_good(&invite, expires - 1_000));
        assert!(!invites.is_good(&invite, expires + 31_000));
        assert!(!Invites::new(b"another key").is_good(&invite, NOW));
        assert!(!invites.is_good("", NOW));
    }

    #[test]
    fn a_persons_token_is_no_invitation() {
        let key = b"one key of thirty-two bytes, yes";
        let claims = TokenClaims {
            sub: "ann".into(),
            exp: NOW / 1_000 + 60,
            iat: None,
            nbf: None,
            name: None,
            rooms: None,
        };
        let token = jwt::sign(&claims, key).unwrap();
        assert!(!Invites::new(key).is_good(&token, NOW));
    }
}
