//! The real program on PostgreSQL: alone, several at once, and the commands about the schema.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::time::{Duration, Instant, SystemTime};

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use moorline_test_postgres::Database;
use running::{Running, SECRET, program};
use serde_json::json;

fn node(database: &Database) -> Running {
    Running::start(&[
        "--database-url",
        &database.url(),
        "--api-key",
        SECRET,
        "--jwt-secret",
        SECRET,
    ])
}

fn token_of(person: &str) -> String {
    let args =
        MintArgs { sub: person.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    token::mint(&args, &Environment::default(), SystemTime::now()).unwrap()
}

fn make_room(node: &Running, id: &str, people: &[&str]) {
    for person in people {
        let path = format!("/api/v1/users/{person}");
        node.api("PUT", &path, Some(json!({"name": person.to_uppercase()})));
    }
    let room = json!({"id": id, "kind": "group", "name": "Ops", "members": people});
    assert_eq!(node.api("POST", "/api/v1/rooms", Some(room)).status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_two_nodes_over_one_database_talk_within_seconds_and_in_one_order() {
    let database = Database::new();
    let (one, two) = (node(&database), node(&database));
    assert!(
        one.said.contains("Store       PostgreSQL, synced at every commit: postgres://"),
        "{}",
        one.said
    );
    make_room(&one, "ops", &["ann", "bob"]);
    let (mut ann, mut bob) =
        (one.person(&token_of("ann")).await, two.person(&token_of("bob")).await);
    let started = Instant::now();
    // Each answers what they see of the other.
    for (key, seq) in [("c1", 2), ("c2", 3), ("c3", 4), ("c4", 5)] {
        let (from, to) = if seq % 2 == 0 { (&mut ann, &mut bob) } else { (&mut bob, &mut ann) };
        from.say(json!({"type": "send", "id": seq, "room": "ops", "cid": key, "body": key})).await;
        let mut event = to.next("event").await;
        while event["seq"].as_u64() < Some(seq) {
            event = to.next("event").await;
        }
        assert_eq!((event["body"].as_str(), event["seq"].as_u64()), (Some(key), Some(seq)));
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_brought_into_a_room_on_another_node_hears_of_it() {
    let database = Database::new();
    let (one, two) = (node(&database), node(&database));
    make_room(&one, "first", &["ann", "bob"]);
    let mut bob = two.person(&token_of("bob")).await;
    make_room(&one, "second", &["ann", "bob"]);
    let told = bob.next("room").await;
    let id = told["room"]["id"].as_str().or(told["id"].as_str());
    assert_eq!((told["change"].as_str(), id), (Some("added"), Some("second")), "{told}");
    // Taken out on the other node, they get nothing above that.
    assert_eq!(one.api("DELETE", "/api/v1/rooms/second/members/bob", None).status, 200);
    let gone = bob.next("room").await;
    assert_eq!((gone["change"].as_str(), gone["id"].as_str()), (Some("gone"), Some("second")));
}

#[test]
fn the_schema_is_told_and_made_on_demand() {
    let database = Database::new();
    let migrate = |word: &str| {
        let output =
            program(&["migrate", word]).env("DATABASE_URL", database.url()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(migrate("status").contains("1 first: missing"));
    assert!(migrate("up").contains("1 first: there"));
    assert!(migrate("status").contains("1 first: there"));
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let output = program(&["migrate", "status"])
        .env("MOORLINE_DATABASE_URL", "postgres://ann:s3cret@127.0.0.1:1/chat")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("postgres://ann:***@127.0.0.1:1/chat"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn without_a_database_the_schema_is_no_subject() {
    let output = program(&["migrate", "up"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
