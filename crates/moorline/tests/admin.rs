//! The admin interface over the real program: connections, rooms, people, messages, who may ask, and what is never told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Instant;

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use running::{PATIENCE, Running, SECRET, Socket, program};
use serde_json::{Value, json};

const TEXT: &str = "the-text-of-a-message";

fn server(more: &[&str]) -> Running {
    let server = Running::start(&[&["--api-key", SECRET, "--jwt-secret", SECRET], more].concat());
    for id in ["ann", "bob"] {
        server.api("PUT", &format!("/api/v1/users/{id}"), Some(json!({"name": id.to_uppercase()})));
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn token_of(sub: &str) -> String {
    let args = MintArgs { sub: sub.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    token::mint(&args, &Environment::default(), std::time::SystemTime::now()).unwrap()
}

/// The command against the socket in a server's folder.
fn ask(server: &Running, words: &[&str]) -> Output {
    program(words).arg("--data-dir").arg(server.data()).output().unwrap()
}

fn text(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn answered(server: &Running, words: &[&str]) -> Value {
    let output = ask(server, &[words, &["--json"]].concat());
    assert!(output.status.success(), "{words:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asks until it is so: what a client was told and what the node knows of it are not of one moment.
fn until(server: &Running, words: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = answered(server, words);
        if is_so(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{words:?}: {answer}");
    }
}

async fn ann_live(server: &Running) -> (Socket, Value) {
    let socket = server.person(&token_of("ann")).await;
    let clients = until(server, &["clients", "list", "--user", "ann"], |found| {
        found["clients"][0]["rooms"] == 1
    });
    (socket, clients["clients"][0].clone())
}

#[tokio::test]
async fn a_live_connection_is_listed_with_what_an_operator_wants_to_know() {
    let server = server(&[]);
    let _nobody = server.socket(&[("user-agent", "Robot/1")]).await.unwrap();
    let all = until(&server, &["clients", "list"], |found| found["total"] == 1);
    let nobody = &all["clients"][0];
    assert_eq!((&nobody["user_agent"], &nobody["user"]), (&json!("Robot/1"), &Value::Null));
    let (_ann, client) = ann_live(&server).await;
    assert_eq!(
        (&client["transport"], &client["address"]),
        (&json!("websocket"), &json!("127.0.0.1"))
    );
    assert_eq!((&client["path"], &client["lagging"]), (&json!("/ws"), &json!(false)));
    let id = client["id"].as_str().unwrap();
    let detail = answered(&server, &["clients", "show", id]);
    assert_eq!((&detail["live"], &detail["not_live"]), (&json!(["ops"]), &json!([])));
    let in_room = answered(&server, &["clients", "list", "--room", "ops"]);
    assert_eq!((&in_room["total"], &in_room["clients"][0]["id"]), (&json!(1), &json!(id)));
    let elsewhere = answered(&server, &["clients", "list", "--user", "bob"]);
    assert_eq!(elsewhere["total"], 0);
    let table = text(&ask(&server, &["clients", "list"]));
    assert!(table.starts_with("CONNECTION") && table.contains(id), "{table}");
}

#[tokio::test]
async fn a_stream_and_a_poll_are_connections_too() {
    let server = server(&[]);
    let authorization = format!("Bearer {}", token_of("ann"));
    let request = format!(
        "GET /api/v1/stream HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\nuser-agent: Curl/9\r\n\r\n",
        server.address
    );
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let found = until(&server, &["clients", "list", "--user", "ann"], |found| found["total"] == 1);
    assert_eq!(found["clients"][0]["transport"], "stream");
    assert_eq!(found["clients"][0]["user_agent"], "Curl/9");
}

#[tokio::test]
async fn a_kick_closes_with_a_code_after_which_the_client_comes_back() {
    let server = server(&[]);
    let (mut ann, client) = ann_live(&server).await;
    let kicked = answered(&server, &["clients", "kick", client["id"].as_str().unwrap()]);
    let expected = json!({"closed": 1, "code": 4442, "comes_back": true, "revoked": []});
    assert_eq!(kicked, expected);
    assert_eq!(ann.close_code().await, 4442);
    // The token is as good as before.
    server.person(&token_of("ann")).await;
}

#[tokio::test]
async fn a_kick_with_a_code_of_refusal_says_goodbye_first() {
    let server = server(&[]);
    let (mut ann, _) = ann_live(&server).await;
    let kicked = answered(
        &server,
        &["clients", "kick", "--user", "ann", "--code", "4403", "--reason", "out"],
    );
    assert_eq!((&kicked["closed"], &kicked["comes_back"]), (&json!(1), &json!(false)));
    let goodbye = ann.next("goodbye").await;
    assert_eq!((&goodbye["code"], &goodbye["reconnect"]), (&json!(4403), &json!(false)));
    assert_eq!(ann.close_code().await, 4403);
}

#[tokio::test]
async fn a_revoking_kick_signs_the_person_out_for_good() {
    let server = server(&[]);
    let old = token_of("ann");
    let mut ann = server.person(&old).await;
    let kicked = answered(&server, &["clients", "kick", "--user", "ann", "--revoke"]);
    assert_eq!((&kicked["revoked"], &kicked["code"]), (&json!(["ann"]), &json!(4403)));
    assert_eq!(ann.close_code().await, 4403);
    let mut again = server.socket(&[]).await.unwrap();
    again.say(json!({"type": "hello", "token": old})).await;
    assert_eq!(again.close_code().await, 4401);
}

#[tokio::test]
async fn a_message_is_sent_in_the_name_of_a_member_once_for_its_key() {
    let server = server(&[]);
    let (mut ann, _) = ann_live(&server).await;
    let words = ["send", "ops", "- said bob", "--as", "bob", "--cid", "key-1"];
    let posted = answered(&server, &words);
    let heard = ann.next("event").await;
    assert_eq!((&heard["body"], &heard["from"]), (&json!("- said bob"), &json!("bob")));
    assert_eq!((&heard["seq"], &heard["id"]), (&posted["seq"], &posted["message"]));
    assert_eq!(answered(&server, &words)["seq"], posted["seq"]);
    let stranger = ask(&server, &["send", "ops", "x", "--as", "eve"]);
    assert_eq!(stranger.status.code(), Some(1), "{}", text(&stranger));
    let shown = answered(&server, &["rooms", "show", "ops"]);
    assert_eq!((&shown["room"]["messages"], &shown["room"]["listeners"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn rooms_and_people_are_listed_page_by_page_and_shown() {
    let server = server(&[]);
    let room = json!({"id": "art", "kind": "public", "name": "Art", "members": ["bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    let (_ann, _) = ann_live(&server).await;
    let first = answered(&server, &["rooms", "list", "--limit", "1"]);
    assert_eq!((&first["rooms"][0]["id"], &first["next"]), (&json!("art"), &json!("art")));
    let rest = answered(&server, &["rooms", "list", "--after", "art"]);
    assert_eq!((&rest["rooms"][0]["id"], &rest["next"]), (&json!("ops"), &Value::Null));
    let shown = until(&server, &["rooms", "show", "ops"], |room| {
        room["members"][0]["presence"] == "online"
    });
    assert_eq!(
        (&shown["members"][0]["user"], &shown["members"][1]["presence"]),
        (&json!("ann"), &json!("offline"))
    );
    let people = answered(&server, &["users", "list"]);
    let ids: Vec<&Value> =
        people["users"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["ann", "bob"]);
    let ann = answered(&server, &["users", "show", "ann"]);
    assert_eq!((&ann["user"]["connections"], &ann["rooms"]), (&json!(1), &json!(["ops"])));
    for (words, part) in [
        (&["rooms", "list"][..], "Art"),
        (&["rooms", "show", "ops"], "ann (online, 1 here)"),
        (&["users", "list"], "BOB"),
        (&["users", "show", "bob"], "offline"),
    ] {
        let said = text(&ask(&server, words));
        assert!(said.contains(part), "{words:?}: {said}");
    }
    assert_eq!(ask(&server, &["rooms", "show", "none"]).status.code(), Some(1));
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn the_socket_is_its_owners_goes_with_the_server_and_survives_its_sudden_end() {
    let server = Running::start(&[]);
    let socket = server.data().join("admin.sock");
    assert_eq!(mode(&socket), 0o600);
    server.signal("KILL");
    let (_, _, folder) = server.wait();
    assert!(folder.path().join("data/admin.sock").exists());
    let dead = program(&["clients", "list", "--data-dir"]).arg(folder.path().join("data")).output();
    assert_eq!(dead.unwrap().status.code(), Some(3));
    let server = Running::start_in(folder, &[]);
    assert!(ask(&server, &["clients", "list"]).status.success());
    server.signal("TERM");
    let (status, log, folder) = server.wait();
    assert!(status.success(), "{log}");
    assert!(!folder.path().join("data/admin.sock").exists());
}

#[test]
fn with_off_there_is_no_socket_and_with_a_path_it_is_there() {
    let off = Running::start(&["--admin-socket", "off"]);
    assert!(!off.data().join("admin.sock").exists());
    assert_eq!(ask(&off, &["clients", "list"]).status.code(), Some(3));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("here.sock").to_str().unwrap().to_owned();
    let _server = Running::start(&["--admin-socket", &path]);
    assert!(program(&["clients", "list", "--admin", &path]).output().unwrap().status.success());
    let second = program(&["serve", "--port", "0", "--admin-socket", &path, "--data-dir"])
        .arg(folder.path().join("other"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(4), "{}", text(&second));
    assert!(text(&second).contains("Another program listens"), "{}", text(&second));
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn over_the_internal_address_only_the_token_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (file("right", "an-admin-token-hunter2\n"), file("wrong", "hunter3"));
    let internal = format!("127.0.0.1:{}", free_port());
    let server = Running::start(&["--metrics-bind", &internal, "--admin-token-file", &right]);
    let at = format!("http://{internal}");
    let list = |token: &str| {
        let words = ["clients", "list", "--json", "--admin", &at, "--admin-token-file", token];
        program(&words).output().unwrap()
    };
    assert!(list(&right).status.success(), "{}", text(&list(&right)));
    let refused = list(&wrong);
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused).contains("not the admin token"), "{}", text(&refused));
    assert_eq!(server.get("/admin/v1/clients").send().status, 404);
    for said in [text(&list(&right)), text(&refused), server.log(), server.said.clone()] {
        assert!(!said.contains("hunter"), "{said}");
    }
}

#[test]
fn without_a_token_the_internal_address_has_nothing_of_it() {
    let internal = format!("127.0.0.1:{}", free_port());
    let _server = Running::start(&["--metrics-bind", &internal]);
    let mut asked = program(&["clients", "list", "--admin", &format!("http://{internal}")]);
    let refused = asked.env("MOORLINE_ADMIN_TOKEN", "some-token").output().unwrap();
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
    assert!(text(&refused).contains("--admin-token-file"), "{}", text(&refused));
}

#[test]
fn wrong_usage_is_told_from_a_server_that_is_not_there() {
    let server = server(&[]);
    for (words, code) in [
        (&["clients", "show", "xyz"][..], 2),
        (&["clients", "show", "00000000000000ff"], 1),
        (&["clients", "kick"], 2),
        (&["clients", "kick", "00000000000000ff", "--user", "ann"], 2),
        (&["clients", "kick", "--user", "ann", "--code", "1005"], 2),
        (&["clients", "kick", "--user", "nobody"], 1),
        (&["clients", "kick", "--user", "ann", "--code", "4442", "--revoke"], 2),
        (&["tail", "--kind", "gossip"], 2),
        (&["send", "ops", "", "--as", "ann"], 2),
        (&["users", "show", "nobody"], 1),
        (&["clients", "list", "--admin", "127.0.0.1:9100"], 2),
        (&["clients", "list", "--admin", "https://127.0.0.1:9100"], 2),
    ] {
        let output = ask(&server, words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output));
    }
    let unknown = text(&ask(&server, &["rooms", "show", "nowhere"]));
    assert!(unknown.contains("See which there are: moorline rooms"), "{unknown}");
    let address = text(&ask(&server, &["rooms", "list", "--admin", "localhost:9100"]));
    assert!(address.contains("Write http://HOST:PORT"), "{address}");
}

#[tokio::test]
async fn no_command_tells_a_secret_or_what_people_write() {
    let server = server(&[]);
    let (_ann, client) = ann_live(&server).await;
    answered(&server, &["send", "ops", TEXT, "--as", "bob"]);
    let id = client["id"].as_str().unwrap();
    let commands = [
        &["clients", "list"][..],
        &["clients", "show", id],
        &["rooms", "list"],
        &["rooms", "show", "ops"],
        &["users", "list"],
        &["users", "show", "ann"],
        &["clients", "kick", id],
    ];
    for words in commands {
        let said =
            text(&ask(&server, words)) + &text(&ask(&server, &[words, &["--json"]].concat()));
        for secret in [SECRET, TEXT, token_of("ann").rsplit('.').next().unwrap()] {
            assert!(!said.contains(secret), "{words:?}: {said}");
        }
    }
    assert!(!server.log().contains(TEXT));
}

#[tokio::test]
async fn the_running_server_says_why_it_refuses_a_token() {
    let server = server(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let inspect = |token: &str| {
        std::fs::write(&path, token).unwrap();
        ask(&server, &["token", "inspect", path.to_str().unwrap()])
    };
    let token = token_of("ann");
    let good = inspect(&token);
    assert!(good.status.success(), "{}", text(&good));
    assert!(text(&good).contains("by the running server"), "{}", text(&good));
    answered(&server, &["clients", "kick", "--user", "ann", "--revoke"]);
    let revoked = inspect(&token);
    assert_eq!(revoked.status.code(), Some(1), "{}", text(&revoked));
    assert!(text(&revoked).contains("sessions were revoked"), "{}", text(&revoked));
    let reserved = inspect(&token_of("u_nobody"));
    assert!(text(&reserved).contains("built-in accounts"), "{}", text(&reserved));
    for (output, token) in [(good, &token), (revoked, &token)] {
        assert!(!text(&output).contains(token.rsplit('.').next().unwrap()));
    }
}
