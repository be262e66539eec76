//! Tickets on several servers over one database: whichever a balancer picks takes them.

use moorline_test_postgres::Database;

use crate::http::Stream;
use crate::people::TestServer;
use crate::tickets::{cookie, is_refused, open, refused, url};

#[tokio::test]
async fn servers_over_one_store_take_each_others_tickets_and_cookies_once_in_all() {
    let database = Database::new();
    let one = TestServer::start_in(&database.url(), None).await;
    let two = TestServer::start_in(&database.url(), None).await;
    let (mut ann, bob, room) = one.ann_and_bob().await;
    drop(bob);
    let url = format!("{}&room={room}", url(&one, "bob").await);
    let mut stream = open(&two, &url, &[]).await;
    stream.next("welcome").await;
    is_refused(&one, &url, &[]).await;
    is_refused(&two, &url, &[]).await;
    let cookie = cookie(&stream);
    for (round, server) in [&one, &two, &one].into_iter().enumerate() {
        let (live, meanwhile) = (format!("live {round}"), format!("meanwhile {round}"));
        ann.send(&room, &live).await;
        hears(&mut stream, &live).await;
        let last = format!("Last-Event-ID: {}", stream.id.clone().unwrap());
        drop(stream);
        ann.send(&room, &meanwhile).await;
        stream = open(server, &url, &[&cookie, &last]).await;
        hears(&mut stream, &meanwhile).await;
    }
}

/// What a server that is behind the one before brings once more is passed over.
async fn hears(stream: &mut Stream, text: &str) {
    while stream.message().await != text {}
}

#[tokio::test]
async fn who_is_signed_out_on_one_server_has_no_ticket_on_another() {
    let database = Database::new();
    let one = TestServer::start_in(&database.url(), None).await;
    let two = TestServer::start_in(&database.url(), None).await;
    let (used, unused) = (url(&one, "ann").await, url(&one, "ann").await);
    let mut stream = open(&two, &used, &[]).await;
    stream.next("welcome").await;
    let at_ms = moorline_chat::now_ms() + 1_000;
    one.chat.store().revoke_sessions("ann".parse().unwrap(), at_ms).await.unwrap();
    // On the store at once, wherever it is asked.
    is_refused(&two, &used, &[&cookie(&stream)]).await;
    is_refused(&two, &unused, &[]).await;
    assert_eq!(stream.goodbye().await, 4403, "the stream that is open ends as well");
}

#[tokio::test]
async fn a_server_with_another_secret_takes_no_ticket_as_it_takes_no_token() {
    let database = Database::new();
    let one = TestServer::start_in(&database.url(), None).await;
    let (used, unused) = (url(&one, "ann").await, url(&one, "ann").await);
    let cookie = cookie(&open(&one, &used, &[]).await);
    let other = TestServer::start_in(&database.url(), Some("another secret, long enough")).await;
    is_refused(&other, &unused, &[]).await;
    let answer = refused(&other, &used, &[&cookie]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    open(&one, &unused, &[]).await;
}
