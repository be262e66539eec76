//! Too much of what is right: commands, handshakes, sockets without hello. The servers of these
//! tests apply their limits to this machine too.

use std::time::Duration;

use moorline_faults::raw::{Came, Raw, TEXT, frame};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::canary::Ground;

#[tokio::test]
async fn commands_over_the_burst_are_rate_limited_and_say_when_to_retry() {
    let ground = Ground::with(&["--limit-loopback"]).await;
    let mut ann = ground.person("ann").await;
    let mut flood = Vec::new();
    for id in 0..400 {
        flood.extend(frame(TEXT, json!({"type":"ping","id":id}).to_string().as_bytes()));
    }
    ann.send(&flood).await.unwrap();
    let (mut passed, mut limited) = (0, 0);
    for _ in 0..400 {
        match ann.next().await.unwrap() {
            Came::Frame(frame) if frame["type"] == "pong" => passed += 1,
            Came::Frame(frame) if frame["code"] == "rate_limited" => {
                assert!(frame["retry_after_ms"].as_u64().is_some_and(|after| after > 0), "{frame}");
                limited += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // The hello was one of the burst.
    assert!(passed >= 199, "only {passed} passed");
    assert!(limited > 50, "only {limited} were limited");
    ground.stayed_calm().await;
}

#[tokio::test]
async fn more_than_20_handshakes_a_second_from_one_address_are_429() {
    let ground = Ground::with(&["--limit-loopback"]).await;
    let address = ground.site.address;
    let mut refused = 0;
    let mut open = Vec::new();
    for _ in 0..60 {
        match Raw::connect(address).await {
            Ok(socket) => open.push(socket),
            Err(error) => {
                assert!(error.to_string().contains(" 429 "), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "only {refused} were refused");
    drop(open);
    ground.stayed_calm().await;
}

#[tokio::test]
async fn without_the_limit_for_loopback_this_machine_is_exempt() {
    let ground = Ground::new().await;
    let mut open = Vec::new();
    for _ in 0..60 {
        open.push(Raw::connect(ground.site.address).await.unwrap());
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_socket_that_never_says_hello_is_closed_with_4400_after_10_seconds() {
    let ground = Ground::new().await;
    let mut socket = Raw::connect(ground.site.address).await.unwrap();
    let began = Instant::now();
    loop {
        match socket.next().await.unwrap() {
            Came::Close(code) => break assert_eq!(code, 4400),
            Came::Frame(frame) => {
                assert!(matches!(frame["type"].as_str(), Some("error" | "goodbye")))
            }
            Came::End => panic!("closed without a code"),
        }
    }
    let took = began.elapsed();
    // Never much sooner; later only as far as a busy machine makes it.
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(20), "{took:?}");
    ground.stayed_calm().await;
}

#[tokio::test]
async fn more_than_a_thousand_sockets_without_hello_are_refused_until_those_are_gone() {
    let ground = Ground::with(&["--limit-loopback"]).await;
    let address = ground.site.address;
    // Sixty addresses with twenty handshakes each are within the rate.
    let (mut silent, mut refused) = (Vec::new(), 0);
    for last in 2..62 {
        for _ in 0..19 {
            match Raw::connect_from(last, address).await {
                Ok(socket) => silent.push(socket),
                // One too many is not worth an answer: its connection ends at once.
                Err(_) => refused += 1,
            }
        }
    }
    assert!((900..=1_000).contains(&silent.len()), "{} came in", silent.len());
    assert!(refused > 100, "only {refused} were refused");
    let deadline = Instant::now() + Duration::from_secs(25);
    while let Err(error) = Raw::welcome(address, "bob").await {
        assert!(Instant::now() < deadline, "nobody gets in any more: {error}");
        sleep(Duration::from_millis(100)).await;
    }
    drop(silent);
    ground.stayed_calm().await;
}
