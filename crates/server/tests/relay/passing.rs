//! What passes in which direction, what does not, and that nothing of it ends the socket.

use moorline_layer::{Message, Options, Value};
use moorline_server::relay::RelayRule;
use tokio::time::{Duration, Instant};

use crate::layered::{close_with, closed, hear, hears_nothing_before, say};
use crate::stage::{Stage, tutorial, with_inbox, with_lifecycle};

fn chat(text: &str) -> Message {
    Message::of_type("chat.message").with("message", text)
}

#[tokio::test]
async fn a_page_of_the_tutorial_talks_with_itself_and_with_django() {
    let stage = Stage::start(tutorial()).await;
    let (mut ann, mut bob) =
        (stage.page("/ws/chat/lobby/").await, stage.page("/ws/chat/lobby/").await);
    say(&mut ann, r#"{"message":"hi"}"#).await;
    for page in [&mut ann, &mut bob] {
        assert_eq!(hear(page).await, r#"{"message": "hi"}"#);
    }
    stage.group_send("chat_lobby", chat("from Django")).await;
    stage.group_send("chat_attic", chat("for others")).await;
    stage.group_send("chat_lobby", chat("again")).await;
    for page in [&mut ann, &mut bob] {
        assert_eq!(hear(page).await, r#"{"message": "from Django"}"#);
        assert_eq!(hear(page).await, r#"{"message": "again"}"#);
    }
    stage.server.counts("relay_to_browsers_total", 6).await;
    assert_eq!(stage.server.counted("relay_from_browsers_total"), 1);
    assert_eq!(stage.server.counted("relay_sockets"), 2);
}

#[tokio::test]
async fn a_message_keeps_its_type_where_the_relay_says_so() {
    let stage = Stage::start(RelayRule { keeps_type: true, ..tutorial() }).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    stage.group_send("chat_lobby", chat("hi")).await;
    assert_eq!(hear(&mut page).await, r#"{"type": "chat.message", "message": "hi"}"#);
}

#[tokio::test]
async fn other_types_are_counted_and_what_json_cannot_carry_too() {
    let stage = Stage::start(tutorial()).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    for message in
        [Message::of_type("chat.joined"), Message::of_type("websocket.close"), Message::new()]
    {
        stage.group_send("chat_lobby", message).await;
    }
    let bytes = Message::of_type("chat.message").with("blob", Value::Bytes(vec![1]));
    stage.group_send("chat_lobby", bytes).await;
    stage.group_send("chat_lobby", chat("still here")).await;
    assert_eq!(hear(&mut page).await, r#"{"message": "still here"}"#);
    stage.server.counts("layer_messages_unknown_total", 3).await;
    assert_eq!(stage.server.counted(r#"relay_dropped_total{reason="to_browser"}"#), 1);
}

#[tokio::test]
async fn a_message_is_encoded_once_for_all_sockets_of_its_group() {
    let stage = Stage::start(tutorial()).await;
    let mut pages = Vec::new();
    for _ in 0..40 {
        pages.push(stage.page("/ws/chat/lobby/").await);
    }
    let texts: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    for text in &texts {
        stage.group_send("chat_lobby", chat(text)).await;
    }
    for page in &mut pages {
        for text in &texts {
            assert_eq!(hear(page).await, format!(r#"{{"message": "{text}"}}"#));
        }
    }
    stage.server.counts("relay_to_browsers_total", 1000).await;
    assert_eq!(stage.server.counted("relay_encoded_total"), 25);
}

#[tokio::test]
async fn a_browser_passes_on_the_named_fields_and_nothing_else() {
    let stage = Stage::start(tutorial()).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    let nonsense = ["", "7", "[]", "{}", r#"{"user":"the boss"}"#, r#"{"message":"#];
    for text in nonsense {
        say(&mut page, text).await;
    }
    say(
        &mut page,
        r#"{"type":"chat.delete","user":"the boss","message":"hi","__asgi_channel__":"x"}"#,
    )
    .await;
    assert_eq!(hear(&mut page).await, r#"{"message": "hi"}"#);
    let dropped = stage.server.counted(r#"relay_dropped_total{reason="from_browser"}"#);
    assert_eq!(dropped, nonsense.len() as u64);
}

#[tokio::test]
async fn a_worker_gets_what_the_browser_says_and_answers_that_browser_or_all() {
    let stage = Stage::start(with_inbox()).await;
    let (mut ann, mut bob) =
        (stage.page_of("ann", "/ws/chat/lobby/").await, stage.page("/ws/chat/lobby/").await);
    say(&mut ann, "whatever the page says").await;
    let got = stage.worker_gets("chat.inbox").await;
    assert_eq!(
        (got.kind(), got.text("text")),
        (Some("websocket.receive"), Some("whatever the page says"))
    );
    let scope = got.get("scope").and_then(Value::as_map).unwrap();
    assert_eq!(scope.text("user"), Some("ann"));
    assert_eq!(scope.text("path"), Some("/ws/chat/lobby/"));
    assert_eq!(scope.text("client"), Some("127.0.0.1"));
    let route = scope.get("url_route").and_then(Value::as_map).unwrap();
    let kwargs = route.get("kwargs").and_then(Value::as_map).unwrap();
    assert_eq!(kwargs.text("room"), Some("lobby"));
    let reply_to = got.text("reply_channel").unwrap();
    stage.server.layer.send(reply_to, &chat("for ann")).await.unwrap();
    assert_eq!(hear(&mut ann).await, r#"{"message": "for ann"}"#);
    stage.group_send("chat_lobby", chat("for all")).await;
    assert_eq!(hear(&mut ann).await, r#"{"message": "for all"}"#);
    assert_eq!(hear(&mut bob).await, r#"{"message": "for all"}"#);
    say(&mut bob, "x").await;
    let scope = stage.worker_gets("chat.inbox").await;
    let scope = scope.get("scope").and_then(Value::as_map).unwrap().clone();
    assert_eq!(scope.get("user"), Some(&Value::Nil));
}

#[tokio::test]
async fn a_worker_hears_of_a_sockets_beginning_and_end_in_order_where_the_relay_says_so() {
    let mut stage = Stage::start(with_lifecycle()).await;
    let mut ann = stage.page_of("ann", "/ws/chat/lobby/").await;
    say(&mut ann, "at once").await;
    close_with(&mut ann, 4321).await;
    let mut told = Vec::new();
    for kind in ["websocket.connect", "websocket.receive", "websocket.disconnect"] {
        let got = stage.worker_gets("chat.inbox").await;
        assert_eq!(got.kind(), Some(kind));
        let scope = got.get("scope").and_then(Value::as_map).unwrap();
        assert_eq!(scope.text("user"), Some("ann"));
        told.push(got);
    }
    let one = told[0].text("reply_channel").unwrap();
    assert!(told.iter().all(|got| got.text("reply_channel") == Some(one)), "{told:?}");
    assert_eq!(told[2].get("code").and_then(Value::as_i64), Some(4321));
    let torn = stage.page("/ws/chat/lobby/").await;
    assert_eq!(stage.worker_gets("chat.inbox").await.kind(), Some("websocket.connect"));
    drop(torn);
    let code = |got: &Message| got.get("code").and_then(Value::as_i64);
    assert_eq!(code(&stage.worker_gets("chat.inbox").await), Some(1006), "no close was sent");
    let mut bob = stage.page("/ws/chat/lobby/").await;
    assert_eq!(stage.worker_gets("chat.inbox").await.kind(), Some("websocket.connect"));
    stage.server.stop();
    assert_eq!(closed(&mut bob).await, 1012);
    drop(bob);
    assert_eq!(code(&stage.worker_gets("chat.inbox").await), Some(1012), "the server drains");
}

#[tokio::test]
async fn beginnings_and_ends_that_a_worker_has_no_room_for_are_counted_and_close_no_socket() {
    let options = Options { capacity: 2, ..Options::default() };
    let stage = Stage::start_with(with_lifecycle(), false, options).await;
    let mut pages = Vec::new();
    for _ in 0..4 {
        pages.push(stage.page("/ws/chat/lobby/").await);
    }
    stage.server.counts(r#"relay_dropped_total{reason="inbox_full"}"#, 2).await;
    stage.group_send("chat_lobby", chat("still here")).await;
    for page in &mut pages {
        assert_eq!(hear(page).await, r#"{"message": "still here"}"#);
    }
    assert_eq!(stage.server.counted("relay_from_browsers_total"), 0, "no browser said anything");
}

#[tokio::test]
async fn a_worker_may_send_texts_and_close_where_the_relay_lists_that() {
    let types = ["websocket.send", "websocket.close"].map(str::to_owned).to_vec();
    let stage = Stage::start(RelayRule { types, ..with_inbox() }).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    stage
        .group_send("chat_lobby", Message::of_type("websocket.send").with("text", "as it is"))
        .await;
    assert_eq!(hear(&mut page).await, "as it is");
    let close =
        Message::of_type("websocket.close").with("code", 4003).with("reason", "no".repeat(100));
    stage.group_send("chat_lobby", close).await;
    assert_eq!(closed(&mut page).await, 4003);
    let mut page = stage.page("/ws/chat/lobby/").await;
    let close = Message::of_type("websocket.close").with("code", 1006);
    stage.group_send("chat_lobby", close).await;
    assert_eq!(closed(&mut page).await, 1000, "1006 must not be sent");
}

#[tokio::test]
async fn a_worker_that_is_gone_costs_its_messages_and_no_socket() {
    let options = Options { capacity: 5, ..Options::default() };
    let stage = Stage::start_with(with_inbox(), false, options).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    for number in 0..8 {
        say(&mut page, &number.to_string()).await;
    }
    stage.server.counts(r#"relay_dropped_total{reason="inbox_full"}"#, 3).await;
    stage.group_send("chat_lobby", chat("still here")).await;
    assert_eq!(hear(&mut page).await, r#"{"message": "still here"}"#);
    for number in 0..5 {
        let got = stage.worker_gets("chat.inbox").await;
        assert_eq!(got.text("text"), Some(number.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_browser_that_says_too_much_is_slowed_down_and_loses_nothing() {
    let stage = Stage::start_with(tutorial(), true, Options::default()).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    let began = Instant::now();
    for number in 0..230 {
        say(&mut page, &format!(r#"{{"message":{number}}}"#)).await;
    }
    for number in 0..230 {
        assert_eq!(hear(&mut page).await, format!(r#"{{"message": {number}}}"#));
    }
    // 200 at once, then 50 a second.
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_drain_closes_with_1012_and_the_groups_are_left() {
    let mut stage = Stage::start(tutorial()).await;
    let mut page = stage.page("/ws/chat/lobby/").await;
    hears_nothing_before(&mut page, r#"{"message": "here"}"#).await;
    stage.server.stop();
    assert_eq!(closed(&mut page).await, 1012);
    drop(page);
    stage.is_left("chat_lobby").await;
    stage.server.counts("relay_sockets", 0).await;
}
