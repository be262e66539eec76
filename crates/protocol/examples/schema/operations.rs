//! What each operation of the HTTP API takes and answers. The match knows every operation, so that one that is mounted
//! cannot stay undescribed: it would not compile.

use std::collections::BTreeMap;

use moorline_protocol::api::{
    CreateRoom, ErasedPerson, Invite, LoginBody, NoticeShown, Operation, PostMessage, PostNotice,
    Posted, PutUser, Readiness, Revoked, RoomMade, RoomRetention, SearchQuery, SessionList,
    SessionNow, SignedIn, SignupBody,
};
use moorline_protocol::over_http::{PollBody, StreamBody, Ticket};
use moorline_protocol::{Command, ErrorCode as Code, Hits, Page, Person, Position, Reply, export};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::description::Description;

/// All that is known of a person, as `docs/retention.md` tells.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is wanted; it is written piece by piece")]
struct ExportDocument {
    #[serde(flatten)]
    header: export::Header,
    /// The rooms that they are in.
    rooms: Vec<export::ExportedRoom>,
    /// What they have sent.
    messages: Vec<export::ExportedMessage>,
}

/// What is to be carried out, as it would be on a socket.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is wanted; it is read without a copy")]
struct CommandsDocument {
    /// The stream that `away` is said of, as its `welcome` named it.
    connection: Option<String>,
    /// 1 to 100 commands but those of a connection.
    #[schemars(length(min = 1, max = 100))]
    commands: Vec<Command>,
}

/// The answers to commands, in their order.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is wanted; it is written piece by piece")]
struct AnswersDocument {
    /// One each; null where a command has none.
    answers: Vec<Option<Reply>>,
}

/// What one poll brings.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is wanted; it is written piece by piece")]
struct PollDocument {
    /// Frames, as the AsyncAPI document describes them.
    frames: Vec<serde_json::Map<String, Value>>,
    /// What these frames moved; null where a room is to be forgotten.
    positions: BTreeMap<String, Option<Position>>,
    /// Whether more is there already.
    more: bool,
    /// All positions in one text, of a `GET`: the next `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// How a client's request may be refused, whatever it asks.
const OF_CLIENTS: [Code; 6] = [
    Code::Unauthorized,
    Code::TokenRefused,
    Code::BadOrigin,
    Code::RateLimited,
    Code::Draining,
    Code::MethodNotAllowed,
];

/// The parameters of a stream or a poll that cannot have a body.
fn of_query(to: Description<'_>) -> Description<'_> {
    let text = json!({"type": "string"});
    to.client()
        .query(
            "room",
            "A room; once for each of at most 50. All of the person's where absent.",
            json!({"type": "array", "items": {"type": "string"}}),
        )
        .query(
            "from",
            "All positions, as the last `id:` had them; `Last-Event-ID` says the same.",
            text,
        )
        .query("keepalive", "Whether frames `ping` shall come.", json!({"type": "boolean"}))
        .query("away", "Whether nobody is at the screen.", json!({"type": "boolean"}))
}

#[expect(clippy::too_many_lines, reason = "a table: one entry an operation")]
pub(crate) fn describe(operation: Operation, to: Description<'_>) -> Description<'_> {
    use Operation as Op;
    match operation {
        Op::PutUser => to
            .backend()
            .body::<PutUser>()
            .json::<Person>(200, "The person was there and has this name now.")
            .json::<Person>(201, "The person was made.")
            .refuses(&[Code::Erased]),
        Op::EraseUser => to
            .backend()
            .query(
                "messages",
                "Whether their messages become tombstones or stay under nobody's name; as the server was started where absent.",
                json!({"enum": ["tombstone", "keep"]}),
            )
            .json::<ErasedPerson>(200, "All is done.")
            .json::<ErasedPerson>(202, "It goes on; ask again.")
            .refuses(&[Code::NotFound, Code::Erased]),
        Op::ExportUser => to
            .backend()
            .json::<ExportDocument>(200, "The export; a connection that breaks has not brought all of it.")
            .refuses(&[Code::NotFound, Code::Erased]),
        Op::RevokeSessions => to
            .backend()
            .json::<Revoked>(200, "They are signed out.")
            .refuses(&[Code::NotFound, Code::Erased]),
        Op::CreateRoom => to
            .backend()
            .idempotency_key(false)
            .body::<CreateRoom>()
            .json::<RoomMade>(200, "The room was there.")
            .json::<RoomMade>(201, "The room was made.")
            .refuses(&[Code::Conflict, Code::Erased, Code::NotFound, Code::TooManyRooms, Code::TooManyMembers]),
        Op::AddMember | Op::RemoveMember => to
            .backend()
            .json::<Posted>(200, "The event that did it, or the one that had done it.")
            .refuses(&[Code::NotFound, Code::Forbidden, Code::Erased, Code::TooManyRooms, Code::TooManyMembers]),
        Op::PostMessage => to
            .backend()
            .idempotency_key(true)
            .body::<PostMessage>()
            .json::<Posted>(201, "The message is stored.")
            .refuses(&[Code::NotFound, Code::Forbidden, Code::Deleted, Code::Erased]),
        Op::ListEvents => to
            .backend()
            .query("after", "What follows this seq; 0 where absent.", json!({"type": "integer", "minimum": 0}))
            .query("limit", "At most so many; 1,000 where absent, and at most.", json!({"type": "integer", "minimum": 0}))
            .json::<Page>(200, "The events, as they are now.")
            .refuses(&[Code::NotFound]),
        Op::PostNotice => to
            .backend()
            .passing_key()
            .body::<PostNotice>()
            .json::<NoticeShown>(200, "It is told, or was before.")
            .refuses(&[Code::NotFound, Code::TooDeep]),
        Op::GetRetention => to
            .either()
            .json::<RoomRetention>(200, "How long.")
            .refuses(&[Code::NotFound]),
        Op::PutRetention => to
            .either()
            .body::<RoomRetention>()
            .json::<RoomRetention>(200, "From now on so long.")
            .refuses(&[Code::NotFound, Code::Forbidden, Code::BadOrigin]),
        Op::Search => to
            .either()
            .query_of::<SearchQuery>()
            .json::<Hits>(200, "What was found.")
            .refuses(&[Code::NotFound, Code::Erased]),
        Op::OpenStream => to
            .client()
            .body::<StreamBody>()
            .text(200, "text/event-stream", "Frames, one a `data:` line, until the server or the client ends it.")
            .refuses(&OF_CLIENTS),
        Op::GetStream => of_query(to)
            .query("ticket", "What `MakeTicket` answered, instead of a token or a session.", json!({"type": "string"}))
            .text(200, "text/event-stream", "Frames, one a `data:` line, each with all positions as its `id:`.")
            .with_cookie()
            .refuses(&OF_CLIENTS)
            .refuses(&[Code::TicketRefused]),
        Op::Poll => to
            .client()
            .body::<PollBody>()
            .json::<PollDocument>(200, "What there was; nothing when the time was up.")
            .refuses(&OF_CLIENTS),
        Op::GetPoll => of_query(to)
            .query("wait_ms", "How long to wait for something; 25,000 at most and where absent.", json!({"type": "integer", "minimum": 0}))
            .json::<PollDocument>(200, "What there was; nothing when the time was up.")
            .refuses(&OF_CLIENTS),
        Op::MakeTicket => to
            .client()
            .json::<Ticket>(201, "It opens one stream.")
            .refuses(&OF_CLIENTS),
        Op::CarryOut => to
            .client()
            .body::<CommandsDocument>()
            .json::<AnswersDocument>(200, "An answer or null for each; what is refused is an `error` in its place.")
            .refuses(&OF_CLIENTS),
        Op::GetSession => to
            .page()
            .json::<SessionNow>(200, "Who, or nobody.")
            .with_cookie()
            .refuses(&[Code::TokenRefused]),
        Op::SignUp => to
            .page()
            .body::<SignupBody>()
            .json::<SignedIn>(201, "The account was made; the session is in the cookie.")
            .with_cookie()
            .refuses(&[Code::SignupClosed, Code::NameTaken, Code::RateLimited]),
        Op::Login => to
            .page()
            .body::<LoginBody>()
            .json::<SignedIn>(200, "Signed in; the session is in the cookie.")
            .with_cookie()
            .refuses(&[Code::BadCredentials, Code::RateLimited]),
        Op::Logout => to.page().empty(204, "Nobody is signed in any more.").with_cookie(),
        Op::ListSessions => to.person().json::<SessionList>(200, "The newest first."),
        Op::RevokeSession => to
            .person()
            .empty(204, "It has ended.")
            .with_cookie()
            .refuses(&[Code::NotFound]),
        Op::PutProfile => to
            .person()
            .body::<PutUser>()
            .json::<SignedIn>(200, "The name that others read from now on.")
            .refuses(&[Code::Erased]),
        Op::Export => to
            .person()
            .json::<ExportDocument>(200, "The export; a connection that breaks has not brought all of it.")
            .refuses(&[Code::TokenRefused, Code::NotFound, Code::Erased]),
        Op::CreateInvite => to
            .person()
            .json::<Invite>(201, "One person may make an account with it.")
            .refuses(&[Code::SignupClosed]),
        Op::Docs => to.about().text(200, "text/html", "For people."),
        Op::DocsStyle => to.about().text(200, "text/css", "The style sheet."),
        Op::OpenApi => to.about().document(200, "An OpenAPI 3.1 document: this one."),
        Op::AsyncApi => to.about().document(200, "An AsyncAPI 3.0 document."),
        Op::Livez => to.operator().text(200, "text/plain", "It lives."),
        Op::Readyz => to
            .operator()
            .json::<Readiness>(200, "It wants new work, degraded or not.")
            .json::<Readiness>(503, "It cannot serve, or is about to end."),
        Op::Metrics => to
            .operator()
            .text(200, "application/openmetrics-text", "The counters.")
            .refuses(&[Code::Forbidden]),
    }
}
