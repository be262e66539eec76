//! The bodies of the HTTP API: sign-in for the page, and the server API for backends. JSON, UTF-8.
//!
//! The handlers are in `moorline-server`. Types that hold a password do not show it in `Debug`.

mod notice;
mod operation;

use std::fmt;

pub use operation::{Method, Operation};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::MAX_INTEGER;
use crate::{
    Epoch, ErrorCode, EventId, Person, RoomId, RoomKind, SearchSort, Seq, ServerInfo, UserId,
};

pub use notice::{NoticeShown, PostNotice};

/// Every refusal over HTTP: `{"error":{"code":…,"message":…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// The inside of an [`ErrorBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct ErrorDetail {
    /// A stable word from the closed list.
    pub code: ErrorCode,
    /// The same for people; may change.
    pub message: String,
    /// Milliseconds after which the same request may succeed; absent where it never will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub retry_after_ms: Option<u64>,
}

/// `GET /readyz`: 200 where `ready`, else 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Readiness {
    /// Whether the server wants new work.
    pub ready: bool,
    /// Whether it is about to end.
    pub draining: bool,
    /// Parts without which it cannot serve.
    pub failing: Vec<FailingPart>,
    /// Parts that do not work as they should while it serves on.
    pub degraded: Vec<DegradedPart>,
}

/// A part without which a server cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct FailingPart {
    /// Which.
    pub part: String,
    /// What is wrong, for people.
    pub error: String,
}

/// A part that does not work as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct DegradedPart {
    /// Which.
    pub part: String,
    /// Why, in one word for programs.
    pub cause: String,
    /// What failed, why, and what to do.
    pub error: String,
}

/// Who may make an account on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Signup {
    /// Anyone who can reach the page.
    Open,
    /// Whoever has an invitation.
    Invite,
    /// Nobody; accounts come from the backend.
    Closed,
}

/// `POST /api/v1/signup`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SignupBody {
    /// The name to sign in with; upper and lower case are the same.
    pub name: String,
    /// The name that others read; the sign-in name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub display: Option<String>,
    /// 8 to 128 characters.
    pub password: String,
    /// The invitation, where sign-up asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub invite: Option<String>,
}

impl fmt::Debug for SignupBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignupBody").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `POST /api/v1/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct LoginBody {
    /// The name to sign in with.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for LoginBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginBody").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The answer to a sign-up or a login; the session itself is in the cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SignedIn {
    /// Who is signed in from now on.
    pub user: Person,
}

/// `GET /api/v1/session`: what the page asks first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SessionNow {
    /// Who is signed in; null where nobody is.
    pub user: Option<Person>,
    /// Who may make an account.
    pub signup: Signup,
    /// The server.
    pub server: ServerInfo,
}

/// `GET /api/v1/sessions`: where one is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SessionList {
    /// The newest first.
    pub sessions: Vec<SessionInfo>,
}

/// One of one's own sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SessionInfo {
    /// Names it in `DELETE /api/v1/sessions/{id}`; not the secret in the cookie.
    pub id: String,
    /// When it was made, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub created: u64,
    /// When it was last used, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub seen: u64,
    /// The browser that made it, as it names itself.
    pub device: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// `POST /api/v1/invites`: a link's secret that lets one person make an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Invite {
    /// Goes into `invite` of the sign-up.
    pub invite: String,
    /// When it ends, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub expires: u64,
}

/// `PUT /api/v1/users/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct PutUser {
    /// The name that others read.
    pub name: String,
}

/// `POST /api/v1/rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct CreateRoom {
    /// The room's id in the backend; made up where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub id: Option<RoomId>,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called; a direct room has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub name: Option<String>,
    /// Its first members; exactly two for a direct room.
    #[serde(default)]
    pub members: Vec<UserId>,
}

/// The answer to [`CreateRoom`]: 201 where it was made, 200 where it was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RoomMade {
    /// The room.
    pub id: RoomId,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub name: Option<String>,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its newest event when it was made.
    pub head: Seq,
}

/// `POST /api/v1/rooms/{id}/messages`; the header `Idempotency-Key` is the cid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct PostMessage {
    /// In whose name; must be a member.
    pub from: UserId,
    /// The text.
    pub body: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub reply_to: Option<EventId>,
}

/// What was stored: the fields of an `ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Posted {
    /// The room.
    pub room: RoomId,
    /// The life of its log.
    pub epoch: Epoch,
    /// Where in the log it stands.
    pub seq: Seq,
    /// The event's id.
    pub message: EventId,
    /// When it was stored, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub at: u64,
}

/// `GET /api/v1/search`, as the query of its address; the answer has the fields of `hits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SearchQuery {
    /// For whom a backend asks; not allowed for a signed-in person, who asks for themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub user: Option<UserId>,
    /// As in the command `search`.
    pub query: String,
    /// Only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub room: Option<RoomId>,
    /// In which order; the newest first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub sort: Option<SearchSort>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub after: Option<String>,
    /// At most so many; 50 where absent, 100 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub limit: Option<u64>,
}

/// The answer to `DELETE /api/v1/users/{id}/sessions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Revoked {
    /// How many sessions ended; tokens made before now are refused too.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub sessions: u64,
}

/// The answer to `DELETE /api/v1/users/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct ErasedPerson {
    /// Who was erased.
    pub id: UserId,
    /// Whether all is done; else the rest goes on, and asking again tells when it is.
    pub done: bool,
}

/// `PUT` and `GET /api/v1/rooms/{id}/retention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RoomRetention {
    /// How long the room's events are kept, 0 for ever; null: as long as the server says.
    #[cfg_attr(feature = "schema", ts(type = "number | null"))]
    pub seconds: Option<u64>,
}

/// What a token (JWT, HS256) says. Times are seconds since 1970, as RFC 7519 has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct TokenClaims {
    /// The person's id.
    pub sub: String,
    /// When it ends.
    #[serde(deserialize_with = "seconds")]
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub exp: u64,
    /// When it was made; required with `rooms`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_seconds"
    )]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub iat: Option<u64>,
    /// When it begins to be good.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_seconds"
    )]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub nbf: Option<u64>,
    /// The name that others read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub name: Option<String>,
    /// Rooms that its holder may join; never undoes a removal younger than `iat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub rooms: Option<Vec<RoomId>>,
}

/// Reads a time of RFC 7519, which may have a fraction; the fraction is dropped.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let time = f64::deserialize(deserializer)?;
    if (0.0..=MAX_INTEGER as f64).contains(&time) {
        return Ok(time as u64);
    }
    Err(serde::de::Error::custom("a time is a number of seconds since 1970"))
}

/// The same where the field may be absent or null.
fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<serde_json::Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(time) => seconds(time).map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_by_debug() {
        let signup: SignupBody =
            serde_json::from_str(r#"{"name":"ann","password":"hunter2hunter2"}"#).unwrap();
        let login: LoginBody =
            serde_json::from_str(r#"{"name":"ann","password":"hunter2hunter2"}"#).unwrap();
        assert!(!format!("{signup:?} {login:?}").contains("hunter2"));
    }

    #[test]
    fn an_error_has_the_documented_shape() {
        let detail = ErrorDetail {
            code: ErrorCode::NameTaken,
            message: "This name is taken.".into(),
            retry_after_ms: None,
        };
        assert_eq!(
            serde_json::to_string(&ErrorBody { error: detail }).unwrap(),
            r#"{"error":{"code":"name_taken","message":"This name is taken."}}"#
        );
    }

    #[test]
    fn a_token_needs_a_subject_and_an_end() {
        for bad in [
            r#"{"sub":"ann"}"#,
            r#"{"exp":1}"#,
            r#"{"sub":"ann","exp":-1}"#,
            r#"{"sub":7,"exp":1}"#,
        ] {
            assert!(serde_json::from_str::<TokenClaims>(bad).is_err(), "{bad}");
        }
    }
}
