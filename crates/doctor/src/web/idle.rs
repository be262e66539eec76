//! Silence on a connection: whether something in between ends it, after how many seconds and how; and whether pings keep
//! another one alive through the same.

use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use tokio_websockets::Message;

use super::session::{End, NoSession, SILENCE, Session, open, until_end};
use super::{NO_UPGRADE, UNREACHED, web_and_token};
use crate::finding::Outcome;
use crate::subject::Subject;

/// A live peer answers a ping within this time.
const PONG: Duration = Duration::from_secs(10);

const OFF: &str = "Off unless --idle is given, for example --idle 330s.";

async fn session(
    subject: &Subject,
    silence: Option<Duration>,
) -> Result<(Session, Duration), Outcome> {
    let (web, token) = web_and_token(subject)?;
    let idle = web.idle.ok_or_else(|| Outcome::skipped(OFF))?;
    let wanted = silence.map(|_| (idle.as_secs() + 30).to_string());
    let headers: Vec<(&str, &str)> =
        wanted.iter().map(|seconds| (SILENCE, seconds.as_str())).collect();
    match open(&web.target, token, &headers).await {
        Ok(session) => Ok((session, idle)),
        Err(NoSession::Unreached(_)) => Err(Outcome::skipped(UNREACHED)),
        Err(NoSession::NoUpgrade) => Err(Outcome::skipped(NO_UPGRADE)),
        Err(NoSession::Refused(_) | NoSession::Ended) => {
            Err(Outcome::skipped("The server does not let this token in: see ML-WEB-004."))
        }
    }
}

/// How the server's pings are spaced, as it tells every client.
fn ping_interval(session: &Session) -> Duration {
    Duration::from_millis(session.welcome["keepalive"]["interval_ms"].as_u64().unwrap_or(25_000))
}

pub(crate) async fn survives(subject: &Subject) -> Outcome {
    let idle = subject.web.as_ref().and_then(|web| web.idle);
    let (mut session, idle) = match session(subject, idle).await {
        Ok(both) => both,
        Err(skipped) => return skipped,
    };
    if session.silent_for.is_none() {
        return Outcome::skipped(
            "The server does not offer silence: it is older than this program, or the header is taken out on the way.",
        );
    }
    let pings = ping_interval(&session);
    let mut last = Instant::now();
    let ended = until_end(&mut session.socket, idle, |_| last = Instant::now()).await;
    let silent = last.elapsed();
    match ended {
        Some(end) => died(&end, silent, pings),
        None => match answers(&mut session).await {
            true => Outcome::pass(format!(
                "A connection lives through {} s of silence.",
                idle.as_secs()
            )),
            false => swallowed(idle),
        },
    }
}

/// Whether somebody is still there.
async fn answers(session: &mut Session) -> bool {
    if session.socket.send(Message::ping("doctor")).await.is_err() {
        return false;
    }
    let mut has_come = false;
    let waiting = until_end(&mut session.socket, PONG, |message| has_come |= message.is_pong());
    tokio::select! {
        _ = waiting => {}
        () = tokio::time::sleep(PONG) => {}
    }
    has_come
}

/// How it ended, and so by whom.
fn how(end: &End) -> String {
    match end {
        End::Closed(code) => {
            format!("with a close frame, code {code}: the server, or a proxy that speaks WebSocket")
        }
        End::Finished => {
            "without a close frame (FIN): not the server, something in between".to_owned()
        }
        End::Broken(why) => format!("by a reset ({why}): not the server, something in between"),
    }
}

fn died(end: &End, silent: Duration, pings: Duration) -> Outcome {
    let seconds = silent.as_secs_f64().round();
    if let End::Closed(code @ 4400..) = end {
        return Outcome::fail(
            format!(
                "The server itself closed the silent connection after {seconds} s, with {code}."
            ),
            "That is no fault of what is in between.",
            "docs/protocol.md says what the code means; the server's log says more.",
        );
    }
    let how = how(end);
    let every = pings.as_secs_f64();
    let seen = format!(
        "A silent connection dies after {seconds} s; it was closed {how}. People see that as 1006. The server pings every {every} s."
    );
    let why = "Something in between ends connections on which nothing is said for so long. Pings keep them alive only if they come \
               more often, with some room.";
    let fix = format!(
        "Raise its limit (nginx: proxy_read_timeout 1h; HAProxy: timeout tunnel 1h; a load balancer: idle timeout), or ping at most \
         every {} s: --ping-interval {}.",
        (seconds / 2.0).floor().max(1.0),
        (seconds / 2.0).floor().max(1.0)
    );
    if silent <= pings {
        return Outcome::fail(seen, why, fix);
    }
    if silent < pings * 2 {
        Outcome::warn(seen, why, fix)
    } else {
        Outcome::pass(format!("{seen} That is often enough."))
    }
}

fn swallowed(idle: Duration) -> Outcome {
    Outcome::fail(
        format!(
            "After {} s of silence nothing passes any more, and nobody closed the connection.",
            idle.as_secs()
        ),
        "A firewall or a NAT has forgotten it and swallows what is said; people see a chat that is open and dead until a ping is missed.",
        "Shorten the pings: --ping-interval 15; and raise the firewall's limit for idle connections.",
    )
}

pub(crate) async fn pings_hold(subject: &Subject) -> Outcome {
    let (mut session, idle) = match session(subject, None).await {
        Ok(both) => both,
        Err(skipped) => return skipped,
    };
    let (pings, started, mut heard) = (ping_interval(&session), Instant::now(), 0_u32);
    let ended =
        until_end(&mut session.socket, idle, |message| heard += u32::from(message.is_ping())).await;
    let every = pings.as_secs_f64();
    match ended {
        None if heard > 0 => Outcome::pass(format!(
            "With a ping every {every} s a connection lived for {} s; {heard} came through.",
            idle.as_secs()
        )),
        None => Outcome::pass(format!(
            "A connection lived for {} s, which is less than a ping interval.",
            idle.as_secs()
        )),
        Some(end) => Outcome::fail(
            format!(
                "A connection with a ping every {every} s died after {} s; it was closed {}.",
                started.elapsed().as_secs(),
                how(&end)
            ),
            "People are cut off again and again, though the server pings.",
            "Shorten the pings below half of what ML-WEB-008 found: --ping-interval SECONDS; or raise the limit of what is in between.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status;

    #[test]
    fn a_limit_is_judged_by_the_pings_of_the_server() {
        let seconds = Duration::from_secs;
        let judge = |silent, pings| died(&End::Finished, seconds(silent), seconds(pings));
        assert_eq!(judge(30, 40).status, Status::Fail);
        assert_eq!(judge(30, 25).status, Status::Warn);
        assert_eq!(judge(300, 25).status, Status::Pass);
        let told = judge(30, 25);
        assert!(
            told.seen.contains("dies after 30 s") && told.seen.contains("something in between"),
            "{told:?}"
        );
        assert!(told.advice.unwrap().fix.contains("--ping-interval 15"));
    }
}
