//! The WebSocket's handshake: whether the upgrade passes, and whether pages may use it.

use bytes::Bytes;
use http::{Method, Response};
use hyper::body::Incoming;

use super::dial::{Failure, send, whole};
use super::{NO_UPGRADE, UNREACHED, web};
use crate::finding::Outcome;
use crate::subject::{Subject, Target};

/// The example of RFC 6455, and what a server must answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A cookie that signs nobody in, and makes the server ask where the page comes from.
const COOKIE: &str = "moorline_session=doctor";

/// Sends the handshake, with these headers beside.
pub(crate) async fn shake(
    target: &Target,
    more: &[(&str, &str)],
) -> Result<Response<Incoming>, Failure> {
    let own = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    send(target, Method::GET, "/ws", &[&own, more].concat(), Bytes::new()).await
}

/// Whether an answer is a handshake of RFC 6455 to its end.
pub(crate) fn is_upgrade(answer: &Response<Incoming>) -> bool {
    let accept = answer.headers().get("sec-websocket-accept");
    answer.status() == 101 && accept.is_some_and(|value| value == ACCEPT)
}

pub(crate) async fn passes(subject: &Subject) -> Outcome {
    let target = match web(subject) {
        Ok(web) => &web.target,
        Err(skipped) => return skipped,
    };
    let answer = match shake(target, &[]).await {
        Ok(answer) => answer,
        Err(_) => return Outcome::skipped(UNREACHED),
    };
    if is_upgrade(&answer) {
        return Outcome::pass("The upgrade passes.");
    }
    let why = "Without WebSockets people fall back to streams over HTTP: it works, with more connections and a little later. Other \
               clients, and relayed pages of Django, do not connect at all.";
    let fix = "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; \
               proxy_set_header Host $host. Apache: mod_proxy_wstunnel, or upgrade=websocket. Caddy and HAProxy need nothing; a load \
               balancer must be one for HTTP/1.1 or TCP. deploy/ has examples.";
    let status = answer.status().as_u16();
    if status == 101 {
        return Outcome::fail(
            "The answer is 101, but not to this handshake: something in between made it up.",
            why,
            fix,
        );
    }
    let who = answer
        .headers()
        .get("server")
        .and_then(|name| name.to_str().ok())
        .map(|name| format!(" by {name}"));
    Outcome::fail(
        format!(
            "The upgrade does not pass: the handshake at {}{}/ws is answered with {status}{} instead of 101. A proxy takes out the \
             headers Upgrade and Connection, or does not know this path.",
            target.origin(),
            target.root,
            who.unwrap_or_default()
        ),
        why,
        fix,
    )
}

pub(crate) async fn takes_origin(subject: &Subject) -> Outcome {
    let web = match web(subject) {
        Ok(web) => web,
        Err(skipped) => return skipped,
    };
    let own = vec![web.target.origin()];
    let origins = if web.origins.is_empty() { &own } else { &web.origins };
    let mut all = Outcome::skipped("No page is named.");
    for origin in origins {
        all = all.and(try_origin(&web.target, origin).await);
    }
    all
}

async fn try_origin(target: &Target, origin: &str) -> Outcome {
    let Ok(answer) = shake(target, &[("origin", origin), ("cookie", COOKIE)]).await else {
        return Outcome::skipped(UNREACHED);
    };
    let status = answer.status().as_u16();
    let refusal = match status {
        403 => whole(answer).await.ok().and_then(|answer| answer.json()),
        // Who it is comes after where it comes from.
        101 | 401 => return Outcome::pass(format!("Pages of {origin} may use it.")),
        _ => return Outcome::skipped(NO_UPGRADE),
    };
    let code = refusal.as_ref().and_then(|told| told.pointer("/error/code")?.as_str());
    if code != Some("bad_origin") {
        return Outcome::fail(
            format!("The handshake of a page of {origin} is answered with 403, not by Moorline."),
            "Something in between refuses pages of this origin, or WebSockets at all.",
            "Look into the proxy's or firewall's rules for this path.",
        );
    }
    Outcome::fail(
        format!("Pages of {origin} are refused (bad_origin)."),
        "The sign-in by cookie works only for pages that the server lists, or its own; the browser shows 403 for the handshake.",
        format!(
            "If the page is yours: --origin {origin}, or MOORLINE_ORIGIN={origin}, and restart. If it is the server's own, the proxy \
             changes Host or hides https: proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; and \
             --trusted-proxy ADDRESS."
        ),
    )
}
