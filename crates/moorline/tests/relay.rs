//! `--relay` over the real program: what it says to a bad option, and people whom the backend of `--auth-url` knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

#[path = "auth_url/backend.rs"]
#[allow(dead_code, reason = "this test uses a part")]
mod backend;
mod running;

use backend::{Backend, Reply};
use running::{Running, Socket};
use serde_json::json;

const RELAY: &str =
    "/ws/chat/{room}/ group=chat_{room} types=chat.message echo=chat.message with_type=yes";
const COOKIE: &str = "sessionid=abc";

async fn open(server: &Running, path: &str, cookie: &str) -> Result<Socket, String> {
    let origin = server.origin();
    server.socket_at(path, &[("origin", &origin), ("cookie", cookie)]).await
}

#[test]
fn what_is_no_relay_ends_the_start_with_what_why_and_what_to_do() {
    let relay = "/ws/chat/{room}/ group=chat_{rom} types=chat.message";
    let ended = running::program(&["serve", "--relay", relay]).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("from --relay is no relay"), "{said}");
    assert!(said.contains("the path has no {rom}") && said.contains("docs/relay.md"), "{said}");
    let inbox = "/ws/x/ group=x types=x inbox=x";
    let ended = running::program(&["serve", "--relay", inbox]).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(2) && said.contains("--redis-url"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_sockets_of_one_process_hear_each_other() {
    let relay = format!("{RELAY} anonymous=yes");
    let server = Running::start(&["--relay", &relay]);
    let (mut ann, mut bob) = (
        open(&server, "/ws/chat/lobby/", "theme=dark").await.unwrap(),
        open(&server, "/ws/chat/lobby/", "theme=dark").await.unwrap(),
    );
    ann.say(json!({"message": "hi"})).await;
    for page in [&mut ann, &mut bob] {
        assert_eq!(page.next("chat.message").await["message"], "hi");
    }
    let metrics = tokio::task::block_in_place(|| server.get("/metrics").send().text);
    for line in ["moorline_relay_sockets 2", "moorline_relay_to_browsers_total 2"] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
    }
    let plain = tokio::task::block_in_place(|| server.get("/ws/chat/lobby/").send());
    assert_eq!(plain.status, 426);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_at_the_backend_gets_in_and_stays_as_long() {
    let backend = Backend::start().await;
    let server = Running::start(&["--auth-url", &backend.url(), "--relay", RELAY]);
    let stranger = open(&server, "/ws/chat/lobby/", COOKIE).await.err().unwrap();
    assert!(stranger.contains("401"), "{stranger}");
    backend.answer_with(Reply::json(json!({"user":{"id":"7","name":"Ann"},"expires_in":1})));
    let mut ann = open(&server, "/ws/chat/lobby/", "sessionid=other").await.unwrap();
    // It is asked again and again, and the socket stays.
    backend.wait_for(3).await;
    ann.say(json!({"message": "still here"})).await;
    assert_eq!(ann.next("chat.message").await["message"], "still here");
    backend.answer_with(Reply::status(401));
    assert_eq!(ann.close_code().await, 4403, "signed out there is signed out here");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_says_into_which_rooms() {
    let backend = Backend::start().await;
    let relay = format!("{RELAY} room={{room}}");
    let server = Running::start(&["--auth-url", &backend.url(), "--relay", &relay]);
    let ann = |rooms: &[&str]| Reply::json(json!({"user":{"id":"7"},"rooms":rooms,"expires_in":1}));
    backend.answer_with(ann(&["lobby"]));
    let refused = open(&server, "/ws/chat/attic/", COOKIE).await.err().unwrap();
    assert!(refused.contains("403"), "{refused}");
    let mut page = open(&server, "/ws/chat/lobby/", COOKIE).await.unwrap();
    backend.wait_for(2).await;
    page.say(json!({"message": "still here"})).await;
    assert_eq!(page.next("chat.message").await["message"], "still here");
    backend.answer_with(ann(&["attic"]));
    assert_eq!(page.close_code().await, 4403, "who is out of the room hears no more of it");
}
