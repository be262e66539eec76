//! Search over the real server: by HTTP for a backend and for who is signed in, by the command, and after a crash.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::time::{Duration, Instant};

use running::{Answer, PATIENCE, Running, SECRET};
use serde_json::{Value, json};

const KEY: [&str; 2] = ["--api-key", SECRET];

/// A server with these people in the group room `ops`.
fn with_room(people: &[&str]) -> Running {
    let server = Running::start(&KEY);
    for person in people {
        let body = Some(json!({"name": person.to_uppercase()}));
        assert_eq!(server.api("PUT", &format!("/api/v1/users/{person}"), body).status, 201);
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Operations", "members": people});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn post(server: &Running, from: &str, body: &str) {
    let request = server.request("POST", "/api/v1/rooms/ops/messages");
    let request = request
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", &format!("{from}-{body}").replace(' ', "-"));
    assert_eq!(request.json(json!({"from": from, "body": body})).send().status, 201);
}

fn find(server: &Running, parameters: &str) -> Answer {
    server.api("GET", &format!("/api/v1/search?{parameters}"), None)
}

fn bodies(hits: &Value) -> Vec<String> {
    let all = hits["hits"].as_array().unwrap().iter();
    all.map(|hit| hit["body"].as_str().unwrap().to_owned()).collect()
}

/// Asks until the index knows everything.
fn complete(mut ask: impl FnMut() -> Value) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let hits = ask();
        if hits["behind_ms"] == 0 {
            return hits;
        }
        assert!(Instant::now() < deadline, "{hits}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_backend_finds_what_the_person_finds_page_by_page() {
    let server = with_room(&["ann", "bob"]);
    for body in ["blue whale", "whale", "a blue whale", "penguin"] {
        post(&server, "ann", body);
    }
    post(&server, "bob", "my whale");
    let all = complete(|| find(&server, "user=ann&query=whale").json());
    assert_eq!(bodies(&all), ["my whale", "a blue whale", "whale", "blue whale"]);
    assert_eq!((&all["more"], all.get("after"), all.get("upto")), (&json!(false), None, None));
    assert_eq!(all["people"], json!([{"id": "ann", "name": "ANN"}, {"id": "bob", "name": "BOB"}]));

    let first = find(&server, "user=ann&query=whale%20from:ann&limit=2").json();
    assert_eq!(
        (bodies(&first), &first["more"]),
        (vec!["a blue whale".into(), "whale".into()], &json!(true))
    );
    let after = first["after"].as_str().unwrap();
    let second =
        find(&server, &format!("user=ann&query=whale%20from:ann&limit=2&after={after}")).json();
    assert_eq!((bodies(&second), &second["more"]), (vec!["blue whale".into()], &json!(false)));
    let best = find(&server, "user=ann&query=%22blue+whale%22&sort=best&room=ops").json();
    assert_eq!(bodies(&best), ["blue whale", "a blue whale"]);
    assert!(bodies(&find(&server, "user=ann&query=whale+in:elsewhere").json()).is_empty());
}

#[test]
fn what_a_search_cannot_be_is_refused_with_a_reason() {
    let server = with_room(&["ann"]);
    for (parameters, says) in [
        ("query=x", "`user`"),
        ("user=ann", "query"),
        ("user=ann&query=x&sort=oldest", "sort"),
        ("user=ann&query=x&after=7", "cursor"),
        ("user=ann&query=x&limit=many", "limit"),
        ("user=ann&query=x%20before:yesterday", "2026-05-31"),
        ("user=ann&query=after:2026-01-01", "beside"),
    ] {
        let answer = find(&server, parameters);
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{parameters}");
        assert!(answer.text.contains(says), "{parameters}: {}", answer.text);
    }
    assert_eq!(find(&server, "user=nobody&query=x").code(), "not_found");
    for shown in ["Bearer wrong", "Bearer"] {
        let request = server.get("/api/v1/search?user=ann&query=x").header("authorization", shown);
        assert_eq!(request.send().code(), "unauthorized", "{shown}");
    }
    assert_eq!(server.get("/api/v1/search?user=ann&query=x").send().code(), "unauthorized");
    assert_eq!(server.request("POST", "/api/v1/search").json(json!({})).send().status, 405);
    assert_eq!(server.api("GET", "/api/v1/nothing", None).code(), "not_found");
}

#[test]
fn who_is_signed_in_finds_for_themselves_alone() {
    let server = with_room(&["ann"]);
    let cookie = server.sign_up("eve");
    let eve = server.get("/api/v1/session").cookie(&cookie).send().json();
    let eve = eve["user"]["id"].as_str().unwrap().to_owned();
    post(&server, "ann", "whale one");
    let path = format!("/api/v1/rooms/ops/members/{eve}");
    assert_eq!(server.api("PUT", &path, None).status, 200);
    post(&server, "ann", "whale two");
    let ask = || server.get("/api/v1/search?query=whale").cookie(&cookie).send().json();
    assert_eq!(bodies(&complete(ask)), ["whale two"]);
    let other = server.get("/api/v1/search?query=whale&user=ann").cookie(&cookie).send();
    assert_eq!((other.status, other.code().as_str()), (400, "invalid"));
    assert_eq!(server.api("DELETE", &path, None).status, 200);
    assert!(bodies(&ask()).is_empty());
}

#[tokio::test]
async fn the_command_answers_as_http_does() {
    let server = with_room(&["ann"]);
    let cookie = server.sign_up("eve");
    let eve = server.get("/api/v1/session").cookie(&cookie).send().json();
    let path = format!("/api/v1/rooms/ops/members/{}", eve["user"]["id"].as_str().unwrap());
    assert_eq!(server.api("PUT", &path, None).status, 200);
    for n in 0..5 {
        post(&server, "ann", &format!("whale {n}"));
    }
    let by_http = |more: &str| {
        let path = format!("/api/v1/search?query=whale&sort=best&limit=2{more}");
        server.get(&path).cookie(&cookie).send().json()
    };
    complete(|| by_http(""));
    let headers = [("cookie", cookie.as_str()), ("origin", &server.origin())];
    let mut socket = server.socket(&headers).await.unwrap();
    socket.say(json!({"type": "hello"})).await;
    socket.next("welcome").await;
    let mut after: Option<String> = None;
    for count in [2, 2, 1] {
        let mut command =
            json!({"type": "search", "id": 7, "query": "whale", "sort": "best", "limit": 2});
        let mut more = String::new();
        if let Some(after) = &after {
            command["after"] = json!(after);
            more = format!("&after={}", after.replace('~', "%7E"));
        }
        socket.say(command).await;
        let mut hits = socket.next("hits").await;
        assert_eq!(hits["hits"].as_array().unwrap().len(), count);
        after = hits["after"].as_str().map(str::to_owned);
        hits.as_object_mut().unwrap().retain(|field, _| field != "type" && field != "id");
        assert_eq!(hits, by_http(&more));
    }
    assert_eq!(after, None);
    socket.say(json!({"type": "search", "id": 8, "query": "x before:soon"})).await;
    assert_eq!(socket.next("error").await["code"], "invalid");
}

#[test]
fn what_a_kill_cut_off_from_the_index_is_found_after_the_next_start() {
    let server = with_room(&["ann"]);
    post(&server, "ann", "walrus");
    complete(|| find(&server, "user=ann&query=walrus").json());
    post(&server, "ann", "walrus again");
    server.signal("KILL");
    let (_, _, folder) = server.wait();
    let db = rusqlite::Connection::open(folder.path().join("data/moorline.db")).unwrap();
    let unreached = "SELECT max(n) - (SELECT indexed FROM state) FROM events";
    let unreached: i64 = db.query_row(unreached, [], |row| row.get(0)).unwrap();
    assert_eq!(unreached, 1, "the kill came after the index");
    drop(db);
    let server = Running::start_in(folder, &KEY);
    let hits = complete(|| find(&server, "user=ann&query=walrus").json());
    assert_eq!(bodies(&hits), ["walrus again", "walrus"]);
    let metrics = server.get("/metrics").send().text;
    assert!(metrics.contains("moorline_search_lag_messages 0"), "{metrics}");
}
