//! Notices over the HTTP API of the real server, as people who are connected see them.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::time::{SystemTime, UNIX_EPOCH};

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use running::{Answer, Running, SECRET, Socket};
use serde_json::{Value, json};

/// A server with Ann and Bob, both in `ops`, and Bob alone in `den`.
fn server() -> Running {
    let server = Running::start(&["--api-key", SECRET, "--jwt-secret", SECRET]);
    for person in ["ann", "bob"] {
        let path = format!("/api/v1/users/{person}");
        assert_eq!(server.api("PUT", &path, Some(json!({"name": person}))).status, 201);
    }
    for (id, members) in [("ops", vec!["ann", "bob"]), ("den", vec!["bob"])] {
        let room = json!({"id": id, "kind": "group", "name": id, "members": members});
        assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    }
    server
}

async fn person(server: &Running, name: &str) -> Socket {
    let args =
        MintArgs { sub: name.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    let token = token::mint(&args, &Environment::default(), SystemTime::now()).unwrap();
    server.person(&token).await
}

fn notify(server: &Running, body: Value) -> Answer {
    server.api("POST", "/api/v1/notices", Some(body))
}

async fn next(socket: &mut Socket) -> (String, Value) {
    let notice = socket.next("notice").await;
    (notice["name"].as_str().unwrap().to_owned(), notice["data"].clone())
}

fn named(name: &str) -> (String, Value) {
    (name.to_owned(), Value::Null)
}

#[tokio::test]
async fn a_notice_reaches_those_whom_it_is_for_and_is_shown_once_for_its_id() {
    let server = server();
    let (mut ann, mut bob) = (person(&server, "ann").await, person(&server, "bob").await);
    let first = notify(
        &server,
        json!({"room": "ops", "name": "deploy", "data": {"n": 1_u64 << 60}, "id": "a"}),
    );
    assert_eq!((first.status, first.json()), (200, json!({"repeated":false,"everywhere":true})));
    let again = notify(&server, json!({"room": "ops", "name": "deploy", "id": "a"}));
    assert_eq!((again.status, &again.json()["repeated"]), (200, &json!(true)));
    let by_header = || {
        let request = server.request("POST", "/api/v1/notices");
        let request = request.header("authorization", &format!("Bearer {SECRET}"));
        request.header("idempotency-key", "b").json(json!({"user": "bob", "name": "alone"})).send()
    };
    assert_eq!(by_header().json()["repeated"], false);
    assert_eq!(by_header().json()["repeated"], true);
    notify(&server, json!({"room": "den", "name": "den"}));
    notify(&server, json!({"room": "ops", "name": "end", "data": null}));
    let deploy = ("deploy".to_owned(), json!({"n": "1152921504606846976"}));
    assert_eq!([next(&mut ann).await, next(&mut ann).await], [deploy.clone(), named("end")]);
    for wanted in [deploy, named("alone"), named("den"), named("end")] {
        assert_eq!(next(&mut bob).await, wanted);
    }
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_its_cause_and_shown_to_nobody() {
    let server = server();
    let mut ann = person(&server, "ann").await;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis());
    let now = now.unwrap();
    let deep = (0..17).fold(Value::Null, |inner, _| json!([inner]));
    let long = "x".repeat(65_537);
    for (bad, status, code) in [
        (json!({"name": "n"}), 400, "invalid"),
        (json!({"room": "ops", "user": "ann", "name": "n"}), 400, "invalid"),
        (json!({"room": "ops"}), 400, "invalid"),
        (json!({"room": "ops", "name": "two words"}), 400, "invalid"),
        (json!({"room": "o p s", "name": "n"}), 400, "invalid"),
        (json!({"room": "ops", "name": "n", "id": "ü"}), 400, "invalid"),
        (json!({"room": "ops", "name": "n", "at": now - 400_000}), 400, "invalid"),
        (json!({"room": "ops", "name": "n", "at": "now"}), 400, "invalid"),
        (json!({"room": "ops", "name": "n", "data": deep}), 400, "too_deep"),
        (json!({"room": "ops", "name": "n", "data": long}), 413, "too_large"),
        (json!({"room": "none", "name": "n"}), 404, "not_found"),
        (json!({"user": "nobody", "name": "n"}), 404, "not_found"),
    ] {
        let answer = notify(&server, bad.clone());
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{bad:.80}");
        let text = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        // A sentence, which may begin with the field that it is of.
        let begins = text.starts_with(|first: char| first.is_uppercase() || first == '`');
        assert!(begins && text.ends_with('.'), "{text}");
    }
    let request = server.request("POST", "/api/v1/notices").header("idempotency-key", "one");
    let request = request.header("authorization", &format!("Bearer {SECRET}"));
    let torn = request.json(json!({"room": "ops", "name": "n", "id": "other"})).send();
    assert_eq!((torn.status, torn.code().as_str()), (400, "invalid"));
    let keyless = server.post("/api/v1/notices", json!({"room": "ops", "name": "n"})).send();
    assert_eq!((keyless.status, keyless.code().as_str()), (401, "unauthorized"));
    assert_eq!(notify(&server, json!({"room": "ops", "name": "good", "at": now})).status, 200);
    assert_eq!(next(&mut ann).await, named("good"));
}
