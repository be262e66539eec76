//! The server API over the real server, and what of it reaches live sockets.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::time::{Duration, SystemTime};

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use running::{Answer, Running, SECRET};
use serde_json::{Value, json};

fn server() -> Running {
    Running::start(&["--api-key", SECRET, "--jwt-secret", SECRET])
}

/// A server with these people in the group room `ops`.
fn with_room(people: &[&str]) -> Running {
    let server = server();
    for person in people {
        put_user(&server, person);
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": people});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn put_user(server: &Running, id: &str) -> Answer {
    server.api("PUT", &format!("/api/v1/users/{id}"), Some(json!({"name": id.to_uppercase()})))
}

fn post(server: &Running, key: &str, from: &str, body: &str) -> Answer {
    server
        .request("POST", "/api/v1/rooms/ops/messages")
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", key)
        .json(json!({"from": from, "body": body}))
        .send()
}

fn token_of(person: &str) -> String {
    token_made(person, SystemTime::now())
}

fn token_made(person: &str, at: SystemTime) -> String {
    let args =
        MintArgs { sub: person.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    token::mint(&args, &Environment::default(), at).unwrap()
}

#[test]
fn without_the_key_nothing_is_possible() {
    let server = server();
    let paths = [
        ("PUT", "/api/v1/users/ann"),
        ("DELETE", "/api/v1/users/ann/sessions"),
        ("POST", "/api/v1/rooms"),
        ("PUT", "/api/v1/rooms/ops/members/ann"),
        ("DELETE", "/api/v1/rooms/ops/members/ann"),
        ("POST", "/api/v1/rooms/ops/messages"),
        ("GET", "/api/v1/rooms/ops/events"),
    ];
    for (method, path) in paths {
        let shown = ["", "Bearer ", "Bearer wrong", &format!("Basic {SECRET}")].map(str::to_owned);
        for shown in shown {
            let request = server.request(method, path).header("authorization", &shown);
            let answer = request.json(json!({})).send();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "unauthorized"),
                "{path} {shown}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("bearer"), "{path}");
        }
    }
    let off = Running::start(&[]);
    let answer = off.api("PUT", "/api/v1/users/ann", Some(json!({"name": "Ann"})));
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("--api-key"), "{}", answer.text);
}

#[test]
fn a_person_is_made_and_renamed() {
    let server = server();
    let made = put_user(&server, "ann");
    assert_eq!((made.status, made.json()), (201, json!({"id": "ann", "name": "ANN"})));
    assert_eq!(put_user(&server, "ann").status, 200);
    for id in ["u_1234", "moorline", "a%0Ab", &"x".repeat(129)] {
        assert_eq!(put_user(&server, id).code(), "invalid", "{id}");
    }
    let hidden = Some(json!({"name": "a\u{202e}b"}));
    assert_eq!(server.api("PUT", "/api/v1/users/ann", hidden).code(), "invalid");
}

#[test]
fn a_room_with_an_id_is_made_once_and_never_twice_differently() {
    let server = with_room(&["ann", "bob"]);
    let again = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]});
    let again = server.api("POST", "/api/v1/rooms", Some(again));
    assert_eq!((again.status, again.json()["id"].clone()), (200, json!("ops")), "{}", again.text);
    let other = json!({"id": "ops", "kind": "public", "name": "Other"});
    let other = server.api("POST", "/api/v1/rooms", Some(other));
    assert_eq!((other.status, other.code().as_str()), (409, "conflict"));
}

#[test]
fn a_direct_room_is_found_again_whoever_is_named_first() {
    let server = with_room(&["ann", "bob"]);
    let make = |one: &str, two: &str| {
        server.api("POST", "/api/v1/rooms", Some(json!({"kind": "direct", "members": [one, two]})))
    };
    let (first, second) = (make("ann", "bob"), make("bob", "ann"));
    assert_eq!((first.status, second.status), (201, 200), "{} {}", first.text, second.text);
    assert_eq!(first.json()["id"], second.json()["id"]);
}

#[test]
fn what_is_no_room_is_refused_with_a_reason() {
    let server = with_room(&["ann"]);
    let cases = [
        json!({"kind": "direct", "members": ["ann"]}),
        json!({"kind": "direct", "members": ["ann", "ann"]}),
        json!({"kind": "public"}),
        json!({"kind": "club", "name": "x"}),
        json!({"kind": "group", "id": "a b"}),
        json!({"kind": "group", "name": "a\u{200b}"}),
        json!({"kind": "group", "name": "x", "members": ["nobody"]}),
    ];
    for body in cases {
        let answer = server.api("POST", "/api/v1/rooms", Some(body.clone()));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid"),
            "{body}: {}",
            answer.text
        );
    }
}

#[test]
fn a_message_with_the_same_key_is_stored_once() {
    let server = with_room(&["ann"]);
    let first = post(&server, "key-1", "ann", "hi");
    assert_eq!(first.status, 201, "{}", first.text);
    let fields = first.json();
    for field in ["room", "epoch", "seq", "message", "at"] {
        assert!(!fields[field].is_null(), "{field} is not in {fields}");
    }
    assert_eq!(post(&server, "key-1", "ann", "hi").json(), fields);
    let other = post(&server, "key-1", "ann", "something else");
    assert_eq!((other.status, other.code().as_str()), (409, "cid_conflict"));
    let log = server.api("GET", "/api/v1/rooms/ops/events", None).json();
    let bodies: Vec<&Value> = log["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "message")
        .collect();
    assert_eq!(bodies.len(), 1, "{log}");
}

#[test]
fn a_message_needs_a_key_a_member_a_text_and_a_room() {
    let server = with_room(&["ann"]);
    put_user(&server, "eve");
    let body = Some(json!({"from": "ann", "body": "hi"}));
    let keyless = server.api("POST", "/api/v1/rooms/ops/messages", body);
    assert_eq!(keyless.code(), "invalid");
    assert!(keyless.text.contains("Idempotency-Key"));
    assert_eq!(post(&server, "k1", "eve", "hi").code(), "not_found");
    assert_eq!(post(&server, "k2", "nobody", "hi").code(), "not_found");
    assert_eq!(post(&server, "k3", "ann", "").code(), "invalid");
    assert_eq!(post(&server, "k4", "ann", &"x".repeat(65_537)).code(), "too_large");
    assert_eq!(post(&server, "k 5", "ann", "hi").code(), "invalid");
    assert_eq!(post(&server, "k6", "ann", &"ü".repeat(32_768)).status, 201);
    let elsewhere =
        server.request("POST", "/api/v1/rooms/none/messages").header("idempotency-key", "k");
    let elsewhere = elsewhere.header("authorization", &format!("Bearer {SECRET}"));
    assert_eq!(elsewhere.json(json!({"from": "ann", "body": "hi"})).send().code(), "not_found");
}

#[test]
fn the_log_is_read_in_pages() {
    let server = with_room(&["ann"]);
    for number in 0..5 {
        assert_eq!(post(&server, &format!("k{number}"), "ann", &format!("m{number}")).status, 201);
    }
    let get = |query: &str| server.api("GET", &format!("/api/v1/rooms/ops/events{query}"), None);
    let all = get("").json();
    let seqs = |page: &Value| -> Vec<u64> {
        page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["seq"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(seqs(&all), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        (&all["head"], &all["more"], &all["room"]),
        (&json!(6), &json!(false), &json!("ops"))
    );
    let part = get("?after=2&limit=2").json();
    assert_eq!((seqs(&part), &part["more"]), (vec![3, 4], &json!(true)));
    for bad in ["?after=-1", "?after=x", "?limit=9007199254740993"] {
        assert_eq!(get(bad).code(), "invalid", "{bad}");
    }
    let none = server.api("GET", "/api/v1/rooms/none/events", None);
    assert_eq!((none.status, none.code().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn what_the_api_does_reaches_live_sockets() {
    let server = with_room(&["ann"]);
    put_user(&server, "bob");
    let mut bob = server.person(&token_of("bob")).await;
    let mut ann = server.person(&token_of("ann")).await;
    let added = server.api("PUT", "/api/v1/rooms/ops/members/bob", None);
    assert_eq!(added.status, 200, "{}", added.text);
    assert_eq!(bob.next("room").await["change"], "added");
    let again = server.api("PUT", "/api/v1/rooms/ops/members/bob", None);
    assert_eq!(again.status, 200, "{}", again.text);
    post(&server, "k1", "ann", "hello from the backend");
    for person in [&mut ann, &mut bob] {
        let event = loop {
            let event = person.next("event").await;
            if event["kind"] == "message" {
                break event;
            }
        };
        assert_eq!(event["body"], "hello from the backend");
        assert_eq!((&event["from"], &event["cid"]), (&json!("ann"), &json!("k1")));
    }
    let removed = server.api("DELETE", "/api/v1/rooms/ops/members/bob", None);
    assert_eq!(removed.status, 200, "{}", removed.text);
    assert_eq!(bob.next("room").await["change"], "gone");
}

#[tokio::test]
async fn ending_someones_sessions_closes_sockets_and_refuses_older_tokens() {
    let server = with_room(&["ann"]);
    let before = token_made("ann", SystemTime::now() - Duration::from_secs(5));
    let mut ann = server.person(&before).await;
    let answer = server.api("DELETE", "/api/v1/users/ann/sessions", None);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(ann.close_code().await, 4403);
    let mut late = server.socket(&[]).await.unwrap();
    late.say(json!({"type": "hello", "token": before})).await;
    assert_eq!(late.next("error").await["code"], "token_refused");
    assert_eq!(late.close_code().await, 4401);
    server.log_with("made before this person's sessions were revoked");
    let after = token_made("ann", SystemTime::now() + Duration::from_secs(5));
    server.person(&after).await;
    assert_eq!(server.api("DELETE", "/api/v1/users/nobody/sessions", None).status, 404);
}
