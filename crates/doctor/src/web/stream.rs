//! A stream of events over HTTP (SSE): whether its first event comes when it is sent, or when a proxy's buffer is full.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::dial::{Failure, send};
use super::{UNREACHED, web_and_token};
use crate::finding::Outcome;
use crate::subject::{Subject, Target};

/// The welcome follows the head within milliseconds; what takes so long is held back.
const HELD: Duration = Duration::from_secs(8);
/// Slower than this is worth a word.
const SLOW: Duration = Duration::from_secs(2);

/// Without it, people have nothing where WebSockets are blocked.
const NEEDED: &str = "Where WebSockets are blocked, people have only streams and polls.";

pub(crate) async fn flows(subject: &Subject) -> Outcome {
    let (web, token) = match web_and_token(subject) {
        Ok(both) => both,
        Err(skipped) => return skipped,
    };
    let started = Instant::now();
    let answer = match ask(&web.target, token).await {
        Ok(answer) => answer,
        // A proxy that waits for the whole body sends no head either.
        Err(Failure::Away(why)) if why.starts_with("no answer") => {
            return held("not even its head came");
        }
        Err(_) => return Outcome::skipped(UNREACHED),
    };
    match answer.status().as_u16() {
        200 => {}
        401 | 403 => {
            return Outcome::skipped("The server does not let this token in: see ML-WEB-004.");
        }
        status => {
            return Outcome::fail(
                format!("The stream is answered with {status}."),
                NEEDED,
                "Let the proxy pass /api/v1/stream to Moorline, with POST and without a limit of time.",
            );
        }
    }
    match tokio::time::timeout(HELD, first_event(answer.into_body())).await {
        Ok(true) => judge(started.elapsed()),
        Ok(false) => Outcome::fail(
            "The stream ended before its first event.",
            NEEDED,
            "See the server's log and the proxy's limits of time.",
        ),
        Err(_) => held("only its head came"),
    }
}

async fn ask(target: &Target, token: &str) -> Result<Response<Incoming>, Failure> {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    send(target, Method::POST, "/api/v1/stream", &headers, Bytes::from_static(b"{}")).await
}

fn judge(took: Duration) -> Outcome {
    let seen = format!("Its first event came after {} ms.", took.as_millis());
    if took < SLOW {
        return Outcome::pass(seen);
    }
    Outcome::warn(seen, "On the way something is slow, or holds events back for a while.", FIX)
}

const FIX: &str = "nginx: proxy_buffering off; for /api/v1/stream, and no proxy_ignore_headers X-Accel-Buffering. Apache: flushpackets=on. \
                   No compression (gzip) of text/event-stream. A CDN must be told to pass streams.";

fn held(what: &str) -> Outcome {
    Outcome::fail(
        format!(
            "A proxy buffers the stream: within {} s {what}, though the server sends the first event at once.",
            HELD.as_secs()
        ),
        "Where WebSockets are blocked, messages come late, in lumps, or not at all.",
        FIX,
    )
}

/// Whether an event comes before the end.
async fn first_event(mut body: Incoming) -> bool {
    let mut seen = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            seen.extend_from_slice(&data);
        }
        if seen.windows(6).any(|window| window == b"data: ") {
            return true;
        }
    }
    false
}
