//! Server processes over a real Redis and a real PostgreSQL: what is told while Redis is away or refuses the login, and
//! what becomes of the people of a node that is killed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use moorline_faults::raw::{Came, Raw};
use moorline_faults::server::{Server, Site, token};
use moorline_test_postgres::Database;
use moorline_test_redis::Server as Redis;
use serde_json::{Value, json};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// A server, and what it wrote.
struct Node {
    server: Server,
    folder: TempDir,
}

impl Node {
    async fn start(database: &Database, redis_url: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Site::new(&folder.path().join("data")).unwrap();
        let args =
            ["--database-url", &database.url(), "--redis-url", redis_url, "--log-format", "json"];
        site.args = args.iter().chain(more).map(ToString::to_string).collect();
        let mut command = site.command();
        let file = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stderr(file);
        let server = site.start_with(command).await.unwrap().unwrap();
        Self { server, folder }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Lines of the log about the layer, each as JSON.
    fn told_of_the_layer(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.log()).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_of_layer = |line: &Value| line.to_string().contains("channel layer");
        lines.filter(is_of_layer).filter(|line| line["level"] != "DEBUG").collect()
    }

    async fn ready(&self) -> (u16, Value) {
        let answer = self.server.request("GET", "/readyz", None, &[]).await.unwrap();
        (answer.status, answer.json().unwrap())
    }

    /// The cause for which the layer is degraded.
    async fn cause(&self) -> Option<String> {
        let (status, ready) = self.ready().await;
        assert_eq!((status, &ready["ready"]), (200, &json!(true)), "{ready}");
        Some(ready["degraded"][0]["cause"].as_str()?.to_owned())
    }

    async fn until_cause(&self, wanted: Option<&str>) {
        let started = Instant::now();
        loop {
            let cause = self.cause().await;
            if cause.as_deref() == wanted {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{cause:?} and not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn metrics(&self) -> String {
        let answer = self.server.request("GET", "/metrics", None, &[]).await.unwrap();
        String::from_utf8(answer.body).unwrap()
    }

    async fn welcome(&self, name: &str) -> (Raw, Value) {
        let mut raw = Raw::connect(self.server.address()).await.unwrap();
        raw.say(&json!({"type":"hello","token":token(name).unwrap()})).await.unwrap();
        let Came::Frame(welcome) = raw.next().await.unwrap() else { panic!("no welcome") };
        assert_eq!(welcome["type"], "welcome");
        (raw, welcome)
    }
}

async fn with_room(node: &Node, names: &[&str]) {
    for name in names {
        let path = format!("/api/v1/users/{name}");
        node.server.api("PUT", &path, Some(json!({"name":name}))).await.unwrap();
    }
    let room = json!({"id":"room","kind":"group","name":"Room","members":names});
    node.server.api("POST", "/api/v1/rooms", Some(room)).await.unwrap();
}

/// Reads until a frame is so.
async fn until(raw: &mut Raw, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < DEADLINE, "still waiting: {what}");
        // A connection that hears nothing for long is asked whether it lives.
        let came = tokio::time::timeout(Duration::from_secs(10), raw.hear()).await;
        let Ok(came) = came else {
            raw.say(&json!({"type":"ping"})).await.unwrap();
            continue;
        };
        let Came::Frame(frame) = came.unwrap() else { panic!("closed: {what}") };
        if is_so(&frame) {
            return frame;
        }
    }
}

async fn crosses(from: &mut Raw, to: &mut Raw, cid: &str) -> Duration {
    let started = Instant::now();
    from.say(&json!({"type":"send","id":1,"room":"room","cid":cid,"body":cid})).await.unwrap();
    until(to, cid, |frame| frame["cid"] == cid).await;
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_dies_is_told_everywhere_in_one_line_and_messages_and_sockets_go_on() {
    let (database, mut redis) = (Database::new(), Redis::start());
    let nodes = [
        Node::start(&database, &redis.url(0), &[]).await,
        Node::start(&database, &redis.url(0), &[]).await,
    ];
    let [one, two] = &nodes;
    with_room(one, &["ann", "bob"]).await;
    for node in &nodes {
        node.until_cause(None).await;
        assert_eq!(node.told_of_the_layer(), Vec::<Value>::new());
    }
    let ((mut ann, welcome), (mut bob, _)) = (one.welcome("ann").await, two.welcome("bob").await);
    assert_eq!(welcome["server"].get("degraded"), None, "{welcome}");
    crosses(&mut ann, &mut bob, "c1").await;
    redis.kill();
    for node in &nodes {
        node.until_cause(Some("unreachable")).await;
    }
    assert!(crosses(&mut ann, &mut bob, "c2").await < Duration::from_secs(5));
    let (_, ready) = one.ready().await;
    let error = ready["degraded"][0]["error"].as_str().unwrap();
    assert!(error.contains("Redis at") && error.contains("by the database"), "{error}");
    assert!(!error.contains("p@ss") && !error.contains("p%40ss"), "{error}");
    let metric = r#"moorline_degraded{part="layer",cause="unreachable"} 1"#;
    assert!(one.metrics().await.contains(metric));
    assert_eq!(one.welcome("ann").await.1["server"]["degraded"], json!(["layer"]));
    redis.restart();
    for node in &nodes {
        node.until_cause(None).await;
    }
    assert!(!one.metrics().await.contains("moorline_degraded{"));
    crosses(&mut ann, &mut bob, "c3").await;
    for node in &nodes {
        let started = Instant::now();
        while node.told_of_the_layer().len() < 2 && started.elapsed() < DEADLINE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let told = node.told_of_the_layer();
        let levels: Vec<_> = told.iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert_eq!(levels, ["WARN", "INFO"], "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_password_of_redis_is_told_as_that_and_the_server_serves_on() {
    let (database, redis) = (Database::new(), Redis::start());
    let wrong = format!("redis://:hunter2@127.0.0.1:{}/0", redis.port());
    let missing = format!("redis://127.0.0.1:{}/0", redis.port());
    let nodes =
        [Node::start(&database, &wrong, &[]).await, Node::start(&database, &missing, &[]).await];
    let [one, two] = &nodes;
    with_room(one, &["ann", "bob"]).await;
    for (node, cause, words) in
        [(one, "password_wrong", "WRONGPASS"), (two, "password_missing", "NOAUTH")]
    {
        node.until_cause(Some(cause)).await;
        let (_, ready) = node.ready().await;
        assert!(ready["degraded"][0]["error"].as_str().unwrap().contains(words), "{ready}");
        assert!(node.metrics().await.contains(&format!("cause=\"{cause}\"}} 1")));
        let started = Instant::now();
        while node.told_of_the_layer().is_empty() && started.elapsed() < DEADLINE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let told = node.told_of_the_layer();
        assert_eq!(told.len(), 1, "{told:?}");
        let line = told[0].to_string();
        assert!(
            line.contains(words) && line.contains(cause) && !line.contains("hunter2"),
            "{line}"
        );
    }
    let ((mut ann, _), (mut bob, _)) = (one.welcome("ann").await, two.welcome("bob").await);
    assert!(crosses(&mut ann, &mut bob, "c1").await < Duration::from_secs(5));
    // The operator makes the password what the server has; nothing is restarted.
    let () = redis.query(&["CONFIG", "SET", "requirepass", "hunter2"]).await;
    one.until_cause(None).await;
    assert_eq!(two.cause().await.as_deref(), Some("password_missing"));
    crosses(&mut ann, &mut bob, "c2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_the_server_reads_at_once_that_the_password_of_redis_is_wrong() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), Redis::start());
    let mut site = Site::new(folder.path()).unwrap();
    let url = format!("redis://:hunter2@127.0.0.1:{}/0", redis.port());
    site.args = vec!["--redis-url".to_owned(), url];
    let mut command = site.command();
    let said = folder.path().join("said");
    command.stdout(std::fs::File::create(&said).unwrap());
    let mut server = site.start_with(command).await.unwrap().unwrap();
    let said = std::fs::read_to_string(&said).unwrap();
    assert!(said.contains("NOT WORKING") && said.contains("WRONGPASS"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_people_of_a_node_that_is_killed_are_gone_and_those_who_reconnected_are_not() {
    // The lease, and the look that finds its end.
    the_killed_lose_their_people(&["--presence-lease", "6"], Duration::from_secs(6 + 15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_usual_lease_that_takes_a_minute_at_most() {
    the_killed_lose_their_people(&[], Duration::from_secs(60)).await;
}

async fn the_killed_lose_their_people(lease: &[&str], limit: Duration) {
    let (database, redis) = (Database::new(), Redis::start());
    let one = Node::start(&database, &redis.url(0), lease).await;
    let mut two = Node::start(&database, &redis.url(0), lease).await;
    with_room(&one, &["ann", "bob", "cid"]).await;
    let (mut ann, _) = one.welcome("ann").await;
    let (_bob, _cid) = (two.welcome("bob").await, two.welcome("cid").await);
    let is = |name: &'static str, state: &'static str| {
        move |frame: &Value| {
            frame["type"] == "presence" && frame["user"] == name && frame["state"] == state
        }
    };
    for _ in ["bob", "cid"] {
        until(&mut ann, "both come", |frame| {
            frame["type"] == "presence" && frame["state"] == "online"
        })
        .await;
    }
    two.server.kill().await.unwrap();
    let killed = Instant::now();
    let _cid = one.welcome("cid").await;
    let gone = until(&mut ann, "bob is gone", |frame| {
        assert!(!is("cid", "offline")(frame), "cid has come back already");
        is("bob", "offline")(frame)
    });
    gone.await;
    assert!(killed.elapsed() < limit, "{:?}", killed.elapsed());
    println!("gone after {:?}", killed.elapsed());
    ann.say(&json!({"type":"members","id":7,"room":"room"})).await.unwrap();
    let members = until(&mut ann, "the members", |frame| frame["type"] == "members").await;
    let states: Vec<_> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (member["id"].as_str().unwrap(), member["presence"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("ann", "online"), ("bob", "offline"), ("cid", "online")]);
}
