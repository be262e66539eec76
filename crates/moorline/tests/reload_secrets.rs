//! SIGHUP and the contents of secrets' files: what follows them while the server runs, and what is named as needing a restart.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Instant;

use moorline_layer::{ChannelLayer, Host, Options, Probe};
use moorline_test_redis::{PASSWORD, Server};
use running::{PATIENCE, Running, SECRET, program};
use serde_json::json;
use tempfile::TempDir;

/// A secret in a file.
struct Secret {
    path: PathBuf,
    _folder: TempDir,
}

impl Secret {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = Self { path: folder.path().join("secret"), _folder: folder };
        secret.set(text);
        secret
    }

    fn set(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// Waits until the log says this so often.
fn log_with(server: &Running, part: &str, times: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = server.log();
        if log.matches(part).count() >= times {
            return log;
        }
        assert!(Instant::now() < deadline, "{part:?} is not {times} times in: {log}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_new_password_of_redis_is_used_for_new_connections_without_a_restart() {
    const NEW: &str = "the-new-password-5d1e";
    let redis = Server::start();
    let url = Secret::new(&redis.url(0));
    let server = Running::start(&["--redis-url-file", url.path(), "-v"]);
    log_with(&server, "connected to Redis", 1);
    let new_url = format!("redis://:{NEW}@127.0.0.1:{}/0", redis.port());
    let _: String = redis.query(&["CONFIG", "SET", "requirepass", NEW]).await;
    let mut admin = Probe::open(&Host::parse(&new_url).unwrap()).await.unwrap();
    let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    assert!(admin.ask(&kill, PATIENCE).await.unwrap().number().unwrap() >= 1.0);
    // The fault bites: with the old password nobody comes in any more.
    log_with(&server, "cannot connect to Redis", 1);
    url.set(&new_url);
    server.signal("HUP");
    let log = log_with(&server, "settings read again; changed: redis-url", 1);
    assert!(!log.contains("need a restart") && !log.contains(NEW), "{log}");
    let log = log_with(&server, "connected to Redis", 2);
    assert!(!log.contains(NEW) && !log.contains(PASSWORD), "{log}");
}

#[tokio::test]
async fn a_key_that_is_added_seals_and_the_old_one_still_opens() {
    let redis = Server::start();
    let (url, keys) = (Secret::new(&redis.url(0)), Secret::new("old"));
    let server = Running::start(&[
        "--redis-url-file",
        url.path(),
        "--layer-key-file",
        keys.path(),
        "--api-key",
        SECRET,
        "--django-events",
        "group=chat.{room} type=chat.event",
    ]);
    for id in ["ann", "bob"] {
        server.api("PUT", &format!("/api/v1/users/{id}"), Some(json!({"name": id})));
    }
    let room = json!({"id": "ops", "kind": "group", "name": "ops", "members": ["ann", "bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    keys.set("new\nold\n");
    server.signal("HUP");
    let log = log_with(&server, "changed: layer-key", 1);
    assert!(!log.contains("need a restart"), "{log}");
    // Django, which knows the new key alone by now.
    let hosts = vec![Host::parse(&redis.url(0)).unwrap()];
    let symmetric_encryption_keys = vec!["new".to_owned()];
    let options = Options { hosts, symmetric_encryption_keys, ..Options::default() };
    let django = ChannelLayer::redis(options).unwrap();
    let channel = django.new_channel().await.unwrap();
    django.group_add("chat.ops", &channel).await.unwrap();
    let body = json!({"from": "ann", "body": "sealed anew"});
    let sent = server
        .request("POST", "/api/v1/rooms/ops/messages")
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", "k1")
        .json(body)
        .send();
    assert_eq!(sent.status, 201, "{}", sent.text);
    let come = tokio::time::timeout(PATIENCE, django.receive(&channel)).await;
    assert!(format!("{:?}", come.unwrap().unwrap()).contains("sealed anew"));
}

#[test]
fn a_new_admin_token_takes_the_place_of_the_old_one() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let internal = format!("127.0.0.1:{port}");
    let (token, old, new) = (Secret::new("old-token"), Secret::new("old-token"), "new-token");
    let server = Running::start(&["--metrics-bind", &internal, "--admin-token-file", token.path()]);
    let at = format!("http://{internal}");
    let list = |file: &Secret| {
        let words = ["clients", "list", "--admin", &at, "--admin-token-file", file.path()];
        program(&words).output().unwrap().status.code()
    };
    assert_eq!(list(&old), Some(0));
    token.set(new);
    server.signal("HUP");
    let log = log_with(&server, "changed: admin-token", 1);
    assert!(!log.contains("need a restart") && !log.contains(new), "{log}");
    assert_eq!((list(&token), list(&old)), (Some(0), Some(4)));
}

#[test]
fn what_cannot_follow_its_file_is_named_as_needing_a_restart() {
    let redis = Server::start();
    let database = Secret::new("sqlite");
    let (layer, events) = (Secret::new(&redis.url(0)), Secret::new(&redis.url(1)));
    let server = Running::start(&[
        "--database-url-file",
        database.path(),
        "--redis-url-file",
        layer.path(),
        "--events-url-file",
        events.path(),
    ]);
    // The same secrets once more are no change.
    server.signal("HUP");
    let log = log_with(&server, "changed: nothing", 1);
    assert!(!log.contains("need a restart"), "{log}");
    database.set("postgres://moorline:hunter2@127.0.0.1:1/moorline");
    layer.set(&redis.url(2));
    events.set("redis://:hunter3@127.0.0.1:1/1");
    server.signal("HUP");
    let log = log_with(&server, "settings that need a restart to change", 1);
    let told = "to change: redis-url, events-url, database-url";
    assert!(log.contains(told) && log.matches("changed: nothing").count() == 2, "{log}");
    assert!(!log.contains("hunter"), "{log}");
}
