//! `--auth-url` over the real program and a real backend that answers, hangs, lies and floods.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

#[path = "auth_url/backend.rs"]
mod backend;
mod running;

use std::time::{Duration, Instant};

use backend::{Backend, Certificate, Reply};
use running::{Answer, Running, Socket};
use serde_json::{Value, json};

const COOKIE: &str = "sessionid=abc; theme=dark";

fn ann(expires_in: u64) -> Reply {
    Reply::json(json!({"user":{"id":"7","name":"Ann"},"expires_in":expires_in}))
}

async fn start(backend: &Backend, more: &[&str]) -> Running {
    let url = backend.url();
    let mut words = vec!["--auth-url", &url, "--api-key", running::SECRET];
    words.extend(more);
    Running::start(&words)
}

async fn hello(server: &Running, headers: &[(&str, &str)]) -> Socket {
    let origin = server.origin();
    let headers: Vec<_> = headers.iter().copied().chain([("origin", origin.as_str())]).collect();
    let mut socket = server.socket(&headers).await.unwrap();
    socket.say(json!({"type":"hello"})).await;
    socket
}

/// The answer to a handshake over HTTP.
fn handshake(server: &Running, cookie: &str, origin: Option<&str>) -> Answer {
    let request = server
        .get("/ws")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .cookie(cookie);
    match origin {
        Some(origin) => request.header("origin", origin).send(),
        None => request.send(),
    }
}

/// A handshake whose answer is a refusal, off the runtime's own thread.
async fn refused(server: &Running, cookie: &str) -> Answer {
    let origin = server.origin();
    tokio::task::block_in_place(|| handshake(server, cookie, Some(&origin)))
}

fn counted(server: &Running, line: &str) -> u64 {
    let metrics = tokio::task::block_in_place(|| server.get("/metrics").send().text);
    let value = metrics.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or(0)
}

fn asked(server: &Running, result: &str) -> u64 {
    counted(server, &format!("moorline_auth_requests_total{{result=\"{result}\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_at_the_backend_needs_no_token() {
    let backend = Backend::start().await;
    backend.answer_with(Reply::json(json!({"user":{"id":7,"name":"Ann"},"rooms":["ops"]})));
    let server = start(&backend, &["--auth-header", "Cookie", "--auth-header", "X-Team"]).await;
    let room = json!({"id":"ops","kind":"group","name":"Ops","members":[]});
    let made = tokio::task::block_in_place(|| server.api("POST", "/api/v1/rooms", Some(room)));
    assert_eq!(made.status, 201, "{}", made.text);
    let cookie = format!("moorline_session=ours; {COOKIE}");
    let headers = [("cookie", cookie.as_str()), ("x-team", "red"), ("x-other", "no")];
    let mut socket = hello(&server, &headers).await;
    assert_eq!(socket.next("welcome").await["user"], json!({"id":"7","name":"Ann"}));
    socket.say(json!({"type":"join","id":1,"room":"ops","cid":"c1"})).await;
    assert_eq!(socket.next("ack").await["room"], "ops", "a room that the backend named is open");
    let seen = backend.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0]["cookie"].as_bytes(), &seen[0]["x-team"]),
        (COOKIE.as_bytes(), &"red".parse().unwrap())
    );
    assert!(!seen[0].contains_key("x-other") && !seen[0].contains_key("origin"));
    assert_eq!(asked(&server, "person"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_api_knows_the_same_person_and_asks_only_once() {
    let backend = Backend::start().await;
    backend.answer_with(ann(60));
    let server = start(&backend, &[]).await;
    let get = |path: &str| tokio::task::block_in_place(|| server.get(path).cookie(COOKIE).send());
    assert_eq!(get("/api/v1/session").json()["user"], json!({"id":"7","name":"Ann"}));
    assert_eq!(get("/api/v1/search?query=x").status, 200);
    assert_eq!(get("/api/v1/export").status, 200);
    assert_eq!(get("/api/v1/sessions").status, 401, "the sessions are the backend's own");
    assert_eq!(backend.seen().len(), 1);
    assert!(counted(&server, "moorline_auth_remembered_total") >= 2);
    let nobody = tokio::task::block_in_place(|| server.get("/api/v1/session").send());
    assert_eq!(nobody.json()["user"], Value::Null);
    assert_eq!(backend.seen().len(), 1, "a request without a cookie is nobody's, unasked");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_backend_is_nobody_here_and_may_still_come_by_token() {
    let backend = Backend::start().await;
    let server = start(&backend, &["--jwt-secret", running::SECRET]).await;
    for (number, status) in [401, 403, 204].into_iter().enumerate() {
        backend.answer_with(Reply::status(status));
        let cookie = format!("sessionid={number}");
        let mut socket = hello(&server, &[("cookie", &cookie)]).await;
        assert_eq!(socket.next("error").await["code"], "token_refused", "{status}");
        assert_eq!(socket.close_code().await, 4401);
    }
    assert_eq!(asked(&server, "nobody"), 3);
    let words = ["token", "mint", "--sub", "bob", "--jwt-secret", running::SECRET];
    let minted = running::program(&words).output().unwrap().stdout;
    let token = String::from_utf8(minted).unwrap();
    let origin = server.origin();
    let headers = [("cookie", "sessionid=0"), ("origin", origin.as_str())];
    let mut socket = server.socket(&headers).await.unwrap();
    socket.say(json!({"type":"hello","token":token.trim()})).await;
    assert_eq!(socket.next("welcome").await["user"]["id"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_or_none_is_refused_before_anybody_is_asked() {
    let backend = Backend::start().await;
    backend.answer_with(ann(60));
    let server = start(&backend, &[]).await;
    let https = server.origin().replace("http:", "https:");
    let longer = format!("{}.evil.example", server.origin());
    let foreign = [None, Some("null"), Some("http://evil.example"), Some(&https), Some(&longer)];
    for origin in foreign {
        let answer = tokio::task::block_in_place(|| handshake(&server, COOKIE, origin));
        assert_eq!((answer.status, answer.code().as_str()), (403, "bad_origin"), "{origin:?}");
    }
    assert!(backend.seen().is_empty());
    passes(&server, COOKIE).await;
    assert!(server.socket(&[]).await.is_ok(), "who shows nothing needs no origin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_lies_lets_nobody_in_and_says_why_in_the_log() {
    let backend = Backend::start().await;
    let server = start(&backend, &[]).await;
    let id = |id: &str| Reply::json(json!({"user":{"id":id}}));
    let lies = [
        (Reply::text("<html>Sign in</html>"), "invalid", "cannot be used"),
        (Reply::redirect("/accounts/login/"), "redirect", "no login_required"),
        (Reply::huge(), "too_long", "longer than 64 KiB"),
        (id(&"x".repeat(129)), "invalid", "user.id"),
        (id("u_01234567890123456789012345678901"), "invalid", "built-in"),
        (Reply::json(json!({"user":{"id":"7"},"expires_in":-1})), "invalid", "invalid value"),
    ];
    for (number, (lie, result, why)) in lies.into_iter().enumerate() {
        // A good word between two lies, so that the log tells each of them.
        backend.answer_with(ann(60));
        passes(&server, &format!("sessionid=good-{number}")).await;
        let before = asked(&server, result);
        backend.answer_with(lie);
        let answer = refused(&server, &format!("sessionid=lie-{number}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "unavailable"), "{why}");
        assert!(answer.text.contains("no usable answer"), "{}", answer.text);
        assert_eq!(asked(&server, result), before + 1);
        server.log_with(why);
    }
    assert!(!server.log().contains("sessionid"), "what is shown to the backend is not logged");
    assert!(counted(&server, "moorline_handshakes_refused_total{reason=\"unavailable\"}") >= 6);
    let people = tokio::task::block_in_place(|| {
        server.api(
            "PUT",
            "/api/v1/users/u_01234567890123456789012345678901",
            Some(json!({"name":"x"})),
        )
    });
    assert_ne!(people.status, 201, "nobody was made by it: {}", people.text);
}

/// A handshake that passes.
async fn passes(server: &Running, cookie: &str) {
    let mut socket = hello(server, &[("cookie", cookie)]).await;
    socket.next("welcome").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_name_is_nobodys() {
    let backend = Backend::start().await;
    let server = start(&backend, &[]).await;
    for own in ["moorline", "deleted"] {
        backend.answer_with(Reply::json(json!({"user":{"id":own}})));
        let cookie = format!("sessionid={own}");
        let mut socket = hello(&server, &[("cookie", &cookie)]).await;
        assert_eq!(socket.next("error").await["code"], "token_refused", "{own}");
        assert_eq!(socket.close_code().await, 4401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_fails_is_told_as_that_and_believed_again_when_it_answers() {
    let mut backend = Backend::start().await;
    let server = start(&backend, &[]).await;
    backend.answer_with(Reply::status(500));
    let answer = refused(&server, COOKIE).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert!(answer.text.contains("does not answer now"), "{}", answer.text);
    backend.answer_with(ann(60));
    hello(&server, &[("cookie", COOKIE)]).await.next("welcome").await;
    server.log_with("the auth URL answers again");
    backend.stop().await;
    let answer = refused(&server, "sessionid=other").await;
    assert_eq!(answer.status, 503);
    assert_eq!((asked(&server, "status"), asked(&server, "unreachable")), (1, 1));
}

/// A server that trusts this certificate alone, and a backend over TLS with another one or the same.
async fn start_with_tls(backend: &Backend, trusted: &Certificate) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    std::fs::write(&file, &trusted.pem).unwrap();
    let variables = [("SSL_CERT_FILE", file.to_str().unwrap())];
    Running::start_with_variables(folder, &["--auth-url", &backend.url()], &variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_over_https_is_asked_if_its_certificate_is_trusted() {
    let trusted = Certificate::new();
    let backend = Backend::start_with_tls(&trusted).await;
    backend.answer_with(ann(60));
    let server = start_with_tls(&backend, &trusted).await;
    passes(&server, COOKIE).await;
    assert_eq!((backend.seen().len(), asked(&server, "person")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_whose_certificate_is_not_trusted_is_shown_nothing_and_that_is_told() {
    let backend = Backend::start_with_tls(&Certificate::new()).await;
    backend.answer_with(ann(60));
    let server = start_with_tls(&backend, &Certificate::new()).await;
    let answer = refused(&server, COOKIE).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    server.log_with("its certificate is not trusted");
    let log = server.log_with("SSL_CERT_FILE");
    assert!(log.contains("UnknownIssuer"), "{log}");
    assert!(backend.seen().is_empty(), "the cookie was shown");
    assert_eq!(asked(&server, "untrusted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_hangs_or_drips_costs_five_seconds_and_bounded_places() {
    let backend = Backend::start().await;
    let server = start(&backend, &[]).await;
    for (name, reply) in [("hang", Reply::hang()), ("drip", Reply::drip())] {
        backend.answer_with(reply);
        let began = Instant::now();
        let answer = refused(&server, &format!("sessionid={name}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"), "{name}");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(9), "{took:?}");
    }
    assert_eq!(asked(&server, "timeout"), 2);
    // More at once than there are places: the others are refused as too many, none hangs for longer.
    backend.answer_with(Reply::hang());
    let codes = tokio::task::block_in_place(|| ask_at_once(&server, 48));
    assert!(backend.at_once() <= 32, "{} questions at once", backend.at_once());
    let overloaded = codes.iter().filter(|code| *code == "overloaded").count();
    assert_eq!((overloaded, asked(&server, "busy")), (16, 16), "{codes:?}");
}

/// The codes that as many handshakes at one moment are refused with.
fn ask_at_once(server: &Running, many: usize) -> Vec<String> {
    let origin = server.origin();
    let ask =
        &|number| handshake(server, &format!("sessionid=many-{number}"), Some(&origin)).code();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..many).map(|number| scope.spawn(move || ask(number))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_the_backend_ends_the_connection_in_bounded_time() {
    let backend = Backend::start().await;
    backend.answer_with(ann(2));
    let server = start(&backend, &[]).await;
    let mut socket = hello(&server, &[("cookie", COOKIE)]).await;
    socket.next("welcome").await;
    backend.wait_for(3).await;
    backend.answer_with(Reply::status(401));
    let began = Instant::now();
    assert_eq!(socket.close_code().await, 4403);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_by_the_same_cookie_ends_the_connection_too() {
    let backend = Backend::start().await;
    backend.answer_with(ann(2));
    let server = start(&backend, &[]).await;
    let mut socket = hello(&server, &[("cookie", COOKIE)]).await;
    socket.next("welcome").await;
    backend.answer_with(Reply::json(json!({"user":{"id":"8"},"expires_in":2})));
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_away_for_a_moment_ends_nothing_and_for_longer_fails_closed() {
    let backend = Backend::start().await;
    backend.answer_with(ann(4));
    let server = start(&backend, &[]).await;
    let mut socket = hello(&server, &[("cookie", COOKIE)]).await;
    socket.next("welcome").await;
    backend.answer_with(Reply::status(503));
    backend.wait_for(2).await;
    backend.answer_with(ann(4));
    backend.wait_for(4).await;
    socket.say(json!({"type":"ping","id":1})).await;
    socket.next("pong").await;
    backend.answer_with(Reply::status(503));
    let goodbye = socket.next("goodbye").await;
    assert_eq!((&goodbye["code"], &goodbye["reconnect"]), (&json!(4420), &json!(true)));
    assert_eq!(socket.close_code().await, 4420);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_sessions_are_revoked_here_must_be_vouched_for_anew() {
    let backend = Backend::start().await;
    backend.answer_with(ann(300));
    let server = start(&backend, &[]).await;
    let mut socket = hello(&server, &[("cookie", COOKIE)]).await;
    socket.next("welcome").await;
    let revoked =
        tokio::task::block_in_place(|| server.api("DELETE", "/api/v1/users/7/sessions", None));
    assert!(revoked.status < 300, "{}", revoked.text);
    assert_eq!(socket.close_code().await, 4403);
    // What was remembered is from before; only another word of the backend counts.
    let mut socket = hello(&server, &[("cookie", COOKIE)]).await;
    assert_eq!(socket.next("error").await["code"], "token_refused");
    let mut socket = hello(&server, &[("cookie", "sessionid=new")]).await;
    socket.next("welcome").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relays_socket_outlives_its_backends_word_and_ends_with_a_logout() {
    let backend = Backend::start().await;
    backend.answer_with(ann(2));
    let relay =
        "/ws/chat/{room}/ group=chat_{room} types=chat.message echo=chat.message with_type=yes";
    let server = start(&backend, &["--relay", relay]).await;
    let origin = server.origin();
    let headers = [("origin", origin.as_str()), ("cookie", COOKIE)];
    let mut socket = server.socket_at("/ws/chat/lobby/", &headers).await.unwrap();
    backend.wait_for(3).await;
    socket.say(json!({"message":"still here"})).await;
    assert_eq!(socket.next("chat.message").await["message"], "still here");
    backend.answer_with(Reply::status(401));
    assert_eq!(socket.close_code().await, 4403);
    let again = server.socket_at("/ws/chat/lobby/", &headers).await.err().unwrap();
    assert!(again.contains("401"), "{again}");
}
