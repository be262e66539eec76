//! The example of Channels' tutorial, spoken to as the tutorial's page speaks: in one process, and over a real Redis.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test says so")]

#[path = "../examples/tutorial_chat.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod example;
mod layered;
use layered::{Layered, SOON, hear, hears_nothing_before, memory, say};
use std::time::{Duration, Instant};

use moorline_layer::{ChannelLayer, Host, Message, Options};
use moorline_server::{Route, Scope};
use moorline_test_redis::Server;

async fn tutorial(layer: ChannelLayer) -> Layered {
    let of_layer = layer.clone();
    let chat = move |_: &Scope| example::consumer(of_layer.clone());
    Layered::start(layer, Route::new("/ws/chat/{room_name}/", chat)).await
}

#[tokio::test]
async fn people_in_one_room_hear_each_other_and_themselves_and_nobody_else() {
    let server = tutorial(memory(Options::default())).await;
    let (mut ann, mut bob) =
        (server.socket("/ws/chat/lobby/").await, server.socket("/ws/chat/lobby/").await);
    let mut cleo = server.socket("/ws/chat/attic/").await;
    say(&mut ann, r#"{"message":"hello, \u00e4nd \"you\""}"#).await;
    for person in [&mut ann, &mut bob] {
        assert_eq!(hear(person).await, r#"{"message":"hello, änd \"you\""}"#);
    }
    say(&mut cleo, r#"{"message":"all alone"}"#).await;
    assert_eq!(hear(&mut cleo).await, r#"{"message":"all alone"}"#);
}

#[tokio::test]
async fn what_is_no_message_disturbs_nobody() {
    let server = tutorial(memory(Options::default())).await;
    let mut ann = server.socket("/ws/chat/lobby/").await;
    for nonsense in ["", "{", "[]", "{}", r#"{"message":7}"#, r#"{"type":"chat.message"}"#] {
        say(&mut ann, nonsense).await;
    }
    server.layer.group_send("chat_lobby", &Message::of_type("chat.unheard_of")).await.unwrap();
    hears_nothing_before(&mut ann, r#"{"message":"still here"}"#).await;
}

#[tokio::test]
async fn two_processes_on_one_redis_share_the_rooms() {
    let redis = Server::start();
    let options =
        || Options { hosts: vec![Host::parse(&redis.url(0)).unwrap()], ..Options::default() };
    let one = tutorial(ChannelLayer::redis(options()).unwrap()).await;
    let two = tutorial(ChannelLayer::redis(options()).unwrap()).await;
    let (mut ann, mut bob) =
        (one.socket("/ws/chat/lobby/").await, two.socket("/ws/chat/lobby/").await);
    say(&mut ann, r#"{"message":"from one to the other"}"#).await;
    assert_eq!(hear(&mut bob).await, r#"{"message":"from one to the other"}"#);
    let members = async || redis.query::<usize>(&["ZCARD", "asgi:group:chat_lobby"]).await;
    assert_eq!(members().await, 2);
    drop((ann, bob));
    let until = Instant::now() + SOON;
    while members().await > 0 {
        assert!(Instant::now() < until, "the group is not left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
