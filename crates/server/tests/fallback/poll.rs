//! `POST /api/v1/poll`: what a stream brings, in pages, with nothing kept between them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::{Answer, Http, SOON};
use crate::people::{TestServer, position};

/// One who polls by what the answers say, and by nothing else.
struct Poller {
    http: Http,
    positions: serde_json::Map<String, Value>,
    is_first: bool,
    more: bool,
}

impl Poller {
    async fn of(server: &TestServer, user: &str) -> Self {
        Self {
            http: Http::of(server, user).await,
            positions: serde_json::Map::new(),
            is_first: true,
            more: false,
        }
    }

    async fn poll(&mut self, wait_ms: u64) -> Vec<Value> {
        let known = (!std::mem::take(&mut self.is_first)).then_some(&self.positions);
        let body = json!({"positions": known, "wait_ms": wait_ms});
        let answer = self.http.post("/api/v1/poll", body).await;
        self.apply(answer)
    }

    fn apply(&mut self, answer: Answer) -> Vec<Value> {
        assert_eq!(answer.status, 200, "{answer:?}");
        for (room, position) in answer.body["positions"].as_object().unwrap() {
            if position.is_null() {
                self.positions.remove(room);
            } else {
                self.positions.insert(room.clone(), position.clone());
            }
        }
        self.more = answer.body["more"].as_bool().unwrap();
        answer.body["frames"].as_array().unwrap().clone()
    }

    /// Polls until so many messages have come.
    async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.extend(messages(&self.poll(10_000).await));
        }
        heard
    }
}

fn messages(frames: &[Value]) -> Vec<String> {
    let said = frames.iter().filter(|frame| frame["kind"] == "message");
    said.map(|frame| frame["body"].as_str().unwrap().to_owned()).collect()
}

fn of_kind<'a>(frames: &'a [Value], kind: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame["type"] == kind).collect()
}

#[tokio::test]
async fn the_first_poll_welcomes_and_the_next_bring_what_is_said() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Poller::of(&server, "bob").await;
    let first = bob.poll(10_000).await;
    assert_eq!((first.len(), &first[0]["type"]), (1, &json!("welcome")));
    assert_eq!(bob.positions[&room]["seq"], first[0]["rooms"][0]["head"]);
    ann.send(&room, "between two polls").await;
    assert_eq!(messages(&bob.poll(10_000).await), ["between two polls"]);
    let sent = ann.send(&room, "again").await;
    assert_eq!(bob.messages(1).await, ["again"]);
    assert_eq!(bob.positions[&room], position(&sent));
}

#[tokio::test]
async fn a_poll_waits_for_something_and_no_longer_than_it_was_asked() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Poller::of(&server, "bob").await;
    bob.poll(0).await;
    let began = Instant::now();
    assert_eq!(bob.poll(400).await, Vec::<Value>::new());
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    let body = json!({"positions": bob.positions}).to_string();
    bob.http.begin("POST", "/api/v1/poll", &body).await;
    waiting(&server, 1).await;
    ann.send(&room, "at last").await;
    let answer = bob.http.answer().await;
    assert_eq!(messages(&bob.apply(answer)), ["at last"]);
}

#[tokio::test]
async fn whoever_is_in_no_room_waits_and_is_told_of_the_first() {
    let server = TestServer::start().await;
    let mut bob = Poller::of(&server, "bob").await;
    assert_eq!(bob.poll(0).await[0]["type"], "welcome");
    assert_eq!(bob.poll(100).await, Vec::<Value>::new());
    bob.http.begin("POST", "/api/v1/poll", r#"{"positions":{}}"#).await;
    waiting(&server, 1).await;
    let room = server.person("ann").await.create("group", &["bob"]).await;
    let answer = bob.http.answer().await;
    let frames = bob.apply(answer);
    assert_eq!((&frames[0]["type"], &frames[0]["room"]["id"]), (&json!("room"), &json!(room)));
}

/// Until so many polls wait on the server.
async fn waiting(server: &TestServer, count: usize) {
    let line = format!("moorline_connections{{transport=\"poll\"}} {count}");
    let until = Instant::now() + SOON;
    while !server.metrics.render().contains(&line) {
        assert!(Instant::now() < until, "{line} never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn changes_of_membership_between_polls_are_told() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Poller::of(&server, "bob").await;
    bob.poll(0).await;
    let cid = ann.cid();
    ann.ask(json!({"type": "remove", "room": room, "cid": cid, "users": ["bob"]})).await;
    let other = ann.create("group", &["bob"]).await;
    ann.send(&other, "before bob knows of it").await;
    let frames = bob.poll(0).await;
    let (resets, rooms) = (of_kind(&frames, "reset"), of_kind(&frames, "room"));
    assert_eq!((&resets[0]["room"], &resets[0]["reason"]), (&json!(room), &json!("gone")));
    assert_eq!((&rooms[0]["change"], &rooms[0]["room"]["id"]), (&json!("added"), &json!(other)));
    assert_eq!(bob.positions.keys().collect::<Vec<_>>(), [&other]);
    ann.send(&other, "after").await;
    assert_eq!(bob.messages(1).await, ["after"]);
}

#[tokio::test]
async fn more_rooms_than_a_welcome_names_come_by_and_by_and_none_is_missed() {
    let server = TestServer::start().await;
    server.person("bob").await;
    let mut ann = server.person("ann").await;
    let mut rooms = Vec::new();
    for _ in 0..230 {
        rooms.push(ann.create("group", &["bob"]).await);
    }
    let mut bob = Poller::of(&server, "bob").await;
    let mut polls = 0;
    loop {
        bob.poll(0).await;
        polls += 1;
        if !bob.more {
            break;
        }
    }
    assert_eq!((bob.positions.len(), polls), (230, 3));
    for room in &rooms {
        ann.send(room, room).await;
    }
    let mut heard = bob.messages(rooms.len()).await;
    heard.sort();
    rooms.sort();
    assert_eq!(heard, rooms);
}

#[tokio::test]
async fn an_answer_that_would_be_too_long_comes_in_several() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Poller::of(&server, "bob").await;
    bob.poll(0).await;
    let long = "x".repeat(60_000);
    for number in 0..40 {
        ann.send(&room, &format!("{number} {long}")).await;
    }
    let (mut heard, mut polls) = (Vec::new(), 0);
    while heard.len() < 40 {
        heard.extend(messages(&bob.poll(5_000).await));
        polls += 1;
    }
    let numbers: Vec<_> = heard.iter().map(|text| text.split(' ').next().unwrap()).collect();
    let expected: Vec<_> = (0..40).map(|number: usize| number.to_string()).collect();
    assert_eq!(numbers, expected);
    assert!((4..=8).contains(&polls), "{polls} polls of about half a megabyte");
}

#[tokio::test]
async fn presence_does_not_flap_between_polls() {
    let server = TestServer::start().await;
    let (mut ann, bob, _) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Poller::of(&server, "bob").await;
    for _ in 0..20 {
        bob.poll(1).await;
    }
    let other = ann.create("group", &["bob"]).await;
    loop {
        match ann.next_frame().await {
            frame if frame["type"] == "presence" => panic!("{frame}"),
            frame if frame["change"] == "added" && frame["room"]["id"] == json!(other) => break,
            _ => {}
        }
    }
}

#[tokio::test]
async fn whoever_polls_away_from_the_screen_is_away() {
    let server = TestServer::start().await;
    let (_ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut carl = Http::of(&server, "ann").await;
    let mut bob = Http::of(&server, "bob").await;
    bob.begin("POST", "/api/v1/poll", r#"{"away":true,"positions":{"x":{"epoch":"e","seq":0}}}"#)
        .await;
    bob.answer().await;
    bob.begin("POST", "/api/v1/poll", r#"{"away":true,"hello":false}"#).await;
    bob.answer().await;
    let members = carl.commands(json!([{"type": "members", "room": room}])).await;
    let told = members[0]["members"].as_array().unwrap();
    let bob = told.iter().find(|member| member["id"] == "bob").unwrap();
    assert_ne!(bob["presence"], "online", "{bob}");
}

#[tokio::test]
async fn a_drain_and_a_revocation_answer_a_poll_that_waits() {
    let mut server = TestServer::start().await;
    let (mut ann, mut bob) = (Poller::of(&server, "ann").await, Poller::of(&server, "bob").await);
    server.person("bob").await;
    let mut maker = server.person("ann").await;
    maker.create("group", &["bob"]).await;
    ann.poll(0).await;
    bob.poll(0).await;
    for one in [&mut ann, &mut bob] {
        let body = json!({"positions": one.positions}).to_string();
        one.http.begin("POST", "/api/v1/poll", &body).await;
    }
    waiting(&server, 2).await;
    let now = moorline_chat::now_ms() + 1_000;
    server.chat.store().revoke_sessions("bob".parse().unwrap(), now).await.unwrap();
    let answer = bob.http.answer().await;
    assert_eq!(bob.apply(answer).last().unwrap()["code"], 4403);
    server.begin_drain();
    let answer = ann.http.answer().await;
    let goodbye = ann.apply(answer).pop().unwrap();
    assert_eq!((&goodbye["type"], &goodbye["code"]), (&json!("goodbye"), &json!(1012)));
    drop((ann, bob, maker));
    server.drain().await;
}

#[tokio::test]
async fn whoever_leaves_while_polling_leaves_nothing_behind() {
    let server = TestServer::start().await;
    let (_ann, bob, _) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Poller::of(&server, "bob").await;
    bob.poll(0).await;
    let body = json!({"positions": bob.positions}).to_string();
    bob.http.begin("POST", "/api/v1/poll", &body).await;
    waiting(&server, 1).await;
    drop(bob);
    waiting(&server, 0).await;
    let here = server.chat.hub().listeners();
    assert!(here.iter().all(|listener| listener.user().as_str() != "bob"));
}

#[tokio::test]
async fn one_person_may_have_so_many_polls_and_no_more() {
    let server = TestServer::start_limited().await;
    let mut maker = server.person("ann").await;
    maker.create("group", &[]).await;
    let mut first = Poller::of(&server, "ann").await;
    first.poll(0).await;
    let body = json!({"positions": first.positions}).to_string();
    let mut waiters = Vec::new();
    for _ in 0..8 {
        let mut http = Http::of(&server, "ann").await;
        http.begin("POST", "/api/v1/poll", &body).await;
        waiters.push(http);
    }
    waiting(&server, 8).await;
    let mut ninth = Http::of(&server, "ann").await;
    let refused = ninth.post_text("/api/v1/poll", &body).await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (429, &json!("rate_limited")));
    drop(waiters);
    waiting(&server, 0).await;
    assert_eq!(ninth.post("/api/v1/poll", json!({})).await.status, 200);
}
