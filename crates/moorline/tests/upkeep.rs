//! Retention, erasing and export over the real program: options, the HTTP API, the commands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::process::Output;
use std::time::{Duration, Instant, SystemTime};

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use moorline_test_postgres::Database;
use running::{PATIENCE, Running, SECRET, program};
use serde_json::{Value, json};

fn server(more: &[&str]) -> Running {
    let server = Running::start(&[&["--api-key", SECRET, "--jwt-secret", SECRET], more].concat());
    for id in ["ann", "bob"] {
        server.api("PUT", &format!("/api/v1/users/{id}"), Some(json!({"name": id.to_uppercase()})));
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn post(server: &Running, from: &str, body: &str) -> Value {
    let posted = server
        .request("POST", "/api/v1/rooms/ops/messages")
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", &body.replace(' ', "-"))
        .json(json!({"from": from, "body": body}))
        .send();
    assert_eq!(posted.status, 201, "{}", posted.text);
    posted.json()
}

/// A body that came in pieces, each with its length before it.
fn joined(text: &str) -> String {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some((length, more)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        whole += &more[..length];
        rest = more[length..].trim_start_matches("\r\n");
    }
    whole
}

fn events(server: &Running) -> Value {
    server.api("GET", "/api/v1/rooms/ops/events", None).json()
}

fn run(words: &[&str], server_folder: &std::path::Path) -> Output {
    program(words).arg("--data-dir").arg(server_folder).output().unwrap()
}

#[test]
fn with_retention_old_messages_go_by_themselves() {
    let server = server(&["--retention", "1s"]);
    let kept = server.api("PUT", "/api/v1/rooms/ops/retention", Some(json!({"seconds": 3_600})));
    assert_eq!((kept.status, kept.json()), (200, json!({"seconds": 3_600})));
    for body in ["one", "two", "three"] {
        post(&server, "ann", body);
    }
    let (status, _, folder) = stop(server);
    assert!(status);
    // A round comes right after the start.
    std::thread::sleep(Duration::from_millis(1_100));
    let server = Running::start_in(folder, &["--api-key", SECRET, "--retention", "1s"]);
    assert_eq!(events(&server)["first"], 1, "the room's own time wins");
    let kept = server.api("PUT", "/api/v1/rooms/ops/retention", Some(json!({"seconds": null})));
    assert_eq!(kept.status, 200);
    assert_eq!(
        server.api("GET", "/api/v1/rooms/ops/retention", None).json(),
        json!({"seconds": null})
    );
    let (_, _, folder) = stop(server);
    let server = Running::start_in(folder, &["--api-key", SECRET, "--retention", "1s"]);
    let started = Instant::now();
    while events(&server)["first"] != 4 {
        assert!(started.elapsed() < PATIENCE, "{}", events(&server));
        std::thread::sleep(Duration::from_millis(10));
    }
    let page = events(&server);
    assert_eq!((&page["pruned"], page["events"].as_array().unwrap().len()), (&json!(true), 1));
}

fn stop(server: Running) -> (bool, String, tempfile::TempDir) {
    server.signal("TERM");
    let (status, log, folder) = server.wait();
    (status.success(), log, folder)
}

#[test]
fn a_retention_that_cannot_be_is_refused() {
    let server = server(&[]);
    for (body, status) in [
        (json!({"seconds": -1}), 400),
        (json!({"seconds": 1e12}), 400),
        (json!({"seconds": 99_999_999_999_u64}), 400),
        (json!({"seconds": "365d"}), 400),
        (json!({"seconds": 0}), 200),
    ] {
        let answer = server.api("PUT", "/api/v1/rooms/ops/retention", Some(body.clone()));
        assert_eq!(answer.status, status, "{body} {}", answer.text);
    }
    let nowhere = server.api("PUT", "/api/v1/rooms/none/retention", Some(json!({"seconds": 1})));
    assert_eq!(nowhere.code(), "not_found");
    for wrong in ["soon", "0", "-1d"] {
        let refused = program(&["serve", &format!("--retention={wrong}")]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--retention"), "{wrong}");
    }
}

#[test]
fn a_person_is_erased_over_the_api_once_and_for_all() {
    let server = server(&[]);
    post(&server, "ann", "of ann");
    let erased = server.api("DELETE", "/api/v1/users/ann", None);
    assert_eq!((erased.status, erased.json()), (200, json!({"id": "ann", "done": true})));
    let again = server.api("DELETE", "/api/v1/users/ann", None);
    assert_eq!((again.status, again.json()), (200, json!({"id": "ann", "done": true})));
    let put = server.api("PUT", "/api/v1/users/ann", Some(json!({"name": "Ann"})));
    assert_eq!((put.status, put.code().as_str()), (410, "erased"));
    assert_eq!(server.api("DELETE", "/api/v1/users/nobody", None).code(), "not_found");
    assert_eq!(server.api("DELETE", "/api/v1/users/bob?messages=some", None).code(), "invalid");
    assert_eq!(server.api("GET", "/api/v1/users/ann/export", None).code(), "not_found");
    let page = events(&server);
    let message =
        page["events"].as_array().unwrap().iter().find(|one| one["kind"] == "message").unwrap();
    assert_eq!((&message["from"], &message["body"]), (&json!("deleted"), &json!("")));
    assert!(!page.to_string().contains("ann"), "{page}");
}

#[test]
fn what_becomes_of_their_messages_is_the_operators_or_the_requests_choice() {
    let server = server(&["--erase-messages", "keep"]);
    post(&server, "ann", "of ann");
    post(&server, "bob", "of bob");
    server.api("DELETE", "/api/v1/users/ann", None);
    server.api("DELETE", "/api/v1/users/bob?messages=tombstone", None);
    let page = events(&server);
    let of = |body: &str| page["events"].as_array().unwrap().iter().any(|one| one["body"] == body);
    assert!(of("of ann") && !of("of bob"), "{page}");
}

#[test]
fn an_export_is_a_file_of_all_that_is_known() {
    let server = server(&[]);
    for n in 0..300 {
        post(&server, if n % 2 == 0 { "ann" } else { "bob" }, &format!("m{n}"));
    }
    let answer = server.api("GET", "/api/v1/users/ann/export", None);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
    let export: Value = serde_json::from_str(&joined(&answer.text)).unwrap();
    assert_eq!(export["person"]["name"], "ANN");
    assert_eq!(export["rooms"][0]["id"], "ops");
    assert_eq!(export["messages"].as_array().unwrap().len(), 150);
    assert!(!export.to_string().contains("m1\""), "nothing of others");
}

#[test]
fn a_signed_in_person_downloads_their_own_data_and_nobody_elses() {
    let server = Running::start(&[]);
    let cookie = server.sign_up("Ann");
    server.sign_up("bob");
    let own = server.get("/api/v1/export").cookie(&cookie).send();
    let export: Value = serde_json::from_str(&joined(&own.text)).unwrap();
    assert_eq!(
        (&export["person"]["login"], &export["person"]["name"]),
        (&json!("ann"), &json!("Ann"))
    );
    assert_eq!(export["sessions"].as_array().unwrap().len(), 1);
    let secret = cookie.split_once('=').unwrap().1;
    assert!(!own.text.contains(secret) && !own.text.contains("argon2"), "{}", own.text);
    assert_eq!(server.get("/api/v1/export").send().code(), "unauthorized");
}

#[test]
fn the_commands_work_on_the_folder_of_a_stopped_server() {
    let server = server(&[]);
    post(&server, "ann", "of ann");
    let data = server.data();
    let refused = run(&["users", "erase", "ann"], &data);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{text}");
    assert!(text.contains("DELETE /api/v1/users/ID"), "{text}");
    let (_, _, folder) = stop(server);
    let data = folder.path().join("data");
    let exported = run(&["users", "export", "ann"], &data);
    let export: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(export["messages"][0]["body"], "of ann");
    let erased = run(&["users", "erase", "ann"], &data);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert!(String::from_utf8_lossy(&erased.stdout).contains("ann is erased"));
    let again = run(&["users", "erase", "ann", "--keep-messages"], &data);
    assert!(again.status.success(), "doing it again changes nothing");
    let gone = run(&["users", "export", "ann"], &data);
    assert_eq!(gone.status.code(), Some(1));
    assert!(gone.stdout.is_empty());
    let server = Running::start_in(folder, &["--api-key", SECRET]);
    let page = events(&server);
    assert!(page["events"].as_array().unwrap().iter().any(|one| one["kind"] == "delete"), "{page}");
}

#[test]
fn a_folder_without_data_and_an_id_that_is_none_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = run(&["users", "export", "ann"], folder.path());
    let text = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(nothing.status.code() == Some(1) && text.contains("no data in the folder"), "{text}");
    assert!(!folder.path().join("moorline.db").exists(), "nothing was made");
    let wrong = run(&["users", "export", "a\nb"], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
}

fn token_of(person: &str) -> String {
    let args =
        MintArgs { sub: person.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    token::mint(&args, &Environment::default(), SystemTime::now()).unwrap()
}

#[tokio::test]
async fn beside_running_nodes_the_commands_work_on_the_database_and_open_windows_notice() {
    let database = Database::new();
    let url = database.url();
    let server = server(&["--database-url", &url]);
    let sent = post(&server, "ann", "of ann");
    let (mut ann, mut bob) =
        (server.person(&token_of("ann")).await, server.person(&token_of("bob")).await);
    let run = |words: &[&str]| program(words).env("DATABASE_URL", &url).output().unwrap();
    let exported = run(&["users", "export", "ann"]);
    let export: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(export["messages"][0]["id"], sent["message"]);
    let erased = run(&["users", "erase", "ann"]);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert_eq!(ann.close_code().await, 4403);
    loop {
        let event = bob.next("event").await;
        if event["kind"] == "delete" {
            assert_eq!(event["message"], sent["message"]);
            break;
        }
    }
}
