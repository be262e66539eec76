//! `POST /api/v1/commands`: what clients say where there is no socket to say it on. Nothing is kept between requests; any
//! node carries them out, by the session's own code.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use moorline_chat::{Drained, Outbox, now_ms};
use moorline_protocol::over_http::{COMMANDS, CommandsBody};
use moorline_protocol::{Command, ErrorCode, Frame, Limits, Reply, RoomId, Typing, UserId};
use tokio::time::Instant;

use super::Shared;
use super::asker::Asker;
use crate::answer::SignedIn;
use crate::api::body::RawJson;
use crate::api::failure::{Failure, empty};
use crate::consumer::Refusal;
use crate::scope::ClientAddress;
use crate::session::{Bare, Pending, Verdict};

/// How long one who does not slow down is asked to wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Carries out a list of commands, and answers with as many answers, in their order.
pub(super) async fn carry_out(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Failure> {
    let unknown = ClientAddress { peer: None, forwarded: None, secure: false };
    let client = request.extensions().get().copied().unwrap_or(unknown);
    let (head, body) = request.into_parts();
    let asker = Asker::of(&shared, &head.headers, client.secure).await?;
    let RawJson(body) = RawJson::from_request(Request::from_parts(head, body), &()).await?;
    let CommandsBody { connection, commands } = read(&body)?;
    if commands.is_empty() || commands.len() > COMMANDS {
        let text = format!("`commands` is a list of 1 to {COMMANDS} commands.");
        return Err(Failure::new(ErrorCode::Invalid, text));
    }
    let connection = connection.and_then(|word| u64::from_str_radix(&word, 16).ok());
    let is_limited = shared.limits(&client);
    let person = Bare::of(asker.identity(&shared).await?);
    // All are begun before the first is awaited: those that store something share a commit.
    let mut begun = Vec::with_capacity(commands.len());
    for command in &commands {
        let verdict = match is_limited {
            true => shared.rates.take(person.user(), Instant::now()),
            false => Verdict::Pass,
        };
        let outbox = Outbox::new(usize::MAX);
        let next = match verdict {
            Verdict::Pass => begin(&shared, &person, connection, command.get(), &outbox),
            Verdict::Wait(ms) => hold_up(command.get(), ms, &outbox),
            Verdict::Close if begun.is_empty() => {
                return Err(Failure::of(ErrorCode::RateLimited).after(PAUSE));
            }
            Verdict::Close => hold_up(command.get(), 1_000, &outbox),
        };
        begun.push((next, outbox));
    }
    let user = person.user().clone();
    let mut answers = Vec::with_capacity(begun.len());
    for (next, outbox) in begun {
        match next {
            Next::Pending(mut pending) => drop(poll_fn(|cx| pending.poll(cx, &outbox, None)).await),
            Next::Typing(typing) => type_in(&shared, &user, &typing.room).await,
            Next::Nothing => {}
        }
        answers.push(answer(&outbox));
    }
    Ok(response(&answers))
}

/// Refuses a command for now.
fn hold_up(text: &str, wait_ms: u64, outbox: &Outbox) -> Next {
    let code = ErrorCode::RateLimited;
    let id = moorline_protocol::parse(text).map_or_else(|refused| refused.id, |(id, _)| id);
    let refusal = Reply::failure(id, code, code.text().to_owned(), Some(wait_ms));
    outbox.reply(refusal.frame());
    Next::Nothing
}

/// What is left to do for a command.
enum Next {
    Pending(Pending),
    Typing(Typing),
    Nothing,
}

/// Begins one command; what is refused has its answer already.
fn begin(
    shared: &Shared,
    person: &Bare,
    connection: Option<u64>,
    text: &str,
    outbox: &Outbox,
) -> Next {
    let refuse = |id, code, message: String| {
        outbox.reply(Reply::failure(id, code, message, None).frame());
        Next::Nothing
    };
    if text.len() > Limits::DEFAULT.frame_bytes as usize {
        let code = ErrorCode::TooLarge;
        return refuse(None, code, code.text().to_owned());
    }
    let (id, command) = match moorline_protocol::parse(text) {
        Ok(parsed) => parsed,
        Err(refused) => return refuse(refused.id, refused.code, refused.message),
    };
    let chat = &shared.settings.chat;
    match command {
        Command::Hello(_) | Command::Resume(_) | Command::Ping(_) | Command::Pong(_) => {
            let text =
                "This command is of a connection; a stream or a poll brings what it asks for.";
            refuse(id, ErrorCode::Invalid, text.to_owned())
        }
        Command::Away(away) => {
            let Some(connection) = connection else {
                let text = "Say in `connection`, beside `commands`, which stream it is of.";
                return refuse(id, ErrorCode::Invalid, text.to_owned());
            };
            chat.hub().set_away_at(person.user(), connection, away.on, now_ms());
            Next::Nothing
        }
        Command::Typing(typing) => Next::Typing(typing),
        command => person.begin(chat, id, command, outbox).map_or(Next::Nothing, Next::Pending),
    }
}

/// Tells that somebody types, where they are a member. Nobody is promised that, so nothing is said if the store fails.
async fn type_in(shared: &Shared, user: &UserId, room: &RoomId) {
    let chat = &shared.settings.chat;
    if chat.store().is_member(user, room).await.unwrap_or_default() {
        chat.hub().typed_beside(user, room, std::time::Instant::now());
    }
}

fn read(body: &Bytes) -> Result<CommandsBody<'_>, Failure> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Failure::new(ErrorCode::Invalid, format!("The body does not fit: {error}."))
        }
        _ => Failure::of(ErrorCode::BadJson),
    })
}

/// The answer that waits in an outbox; none where there is none.
fn answer(outbox: &Outbox) -> Option<Frame> {
    let mut answer = None;
    let cx = Context::from_waker(Waker::noop());
    let drained = outbox.drain(&cx, |frame| answer.replace(frame.clone()).is_none());
    debug_assert_eq!(drained, Drained::Empty, "one answer a command");
    answer
}

fn response(answers: &[Option<Frame>]) -> Response {
    let mut body = b"{\"answers\":[".to_vec();
    for (number, answer) in answers.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(answer.as_ref().map_or(b"null", Frame::payload));
    }
    body.extend_from_slice(b"]}");
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = Body::from(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.extensions_mut().insert(SignedIn);
    response
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = ErrorCode::ALL.iter().copied().find(|code| code.to_string() == refusal.code);
        Self::new(code.unwrap_or(ErrorCode::Internal), refusal.text)
    }
}
