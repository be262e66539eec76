//! Frames that are no commands: broken text, JSON, UTF-8 and framing.

use moorline_faults::raw::{BINARY, Came, Raw, TEXT, frame};
use serde_json::json;

use super::canary::Ground;

/// The connection still answers.
async fn still_answers(socket: &mut Raw) {
    let answer = socket.ask(&json!({"type":"ping","id":9})).await.unwrap();
    assert!(matches!(&answer, Came::Frame(frame) if frame["type"] == "pong"), "{answer:?}");
}

#[tokio::test]
async fn text_that_is_no_json_object_is_bad_json_and_the_socket_stays() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    for text in
        ["", "hello", "{", "[1,2]", "7", "null", "{\"type\":}", "{'type':'ping'}", "\u{feff}{}x"]
    {
        let answer = ann.ask_text(text).await.unwrap();
        assert_eq!(answer.error(), Some("bad_json"), "{text:?}: {answer:?}");
    }
    still_answers(&mut ann).await;
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_binary_frame_is_bad_json_and_the_socket_stays() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    for bytes in [&b""[..], b"{\"type\":\"ping\"}", &[0xff; 1000]] {
        ann.send(&frame(BINARY, bytes)).await.unwrap();
        assert_eq!(ann.next().await.unwrap().error(), Some("bad_json"));
    }
    still_answers(&mut ann).await;
    ground.stayed_calm().await;
}

#[tokio::test]
async fn json_deeper_than_32_levels_is_too_deep() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    for depth in [33, 100, 100_000] {
        let text =
            format!("{{\"type\":\"ping\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let answer = ann.ask_text(&text).await.unwrap();
        assert_eq!(answer.error(), Some("too_deep"), "{depth} levels: {answer:?}");
    }
    let unclosed = format!("{{\"type\":{}", "{\"a\":".repeat(40_000));
    let code = ann.ask_text(&unclosed).await.unwrap();
    assert!(matches!(code.error(), Some("too_deep" | "bad_json")), "{code:?}");
    still_answers(&mut ann).await;
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_message_over_64_kib_is_too_large_and_one_of_64_kib_is_not() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let send = |length: usize| json!({"type":"send","id":length,"room":"hall","cid":format!("of-{length}"),"body":"x".repeat(length)});
    assert_eq!(ann.ask(&send(65_537)).await.unwrap().error(), Some("too_large"));
    assert_eq!(ann.ask(&send(200_000)).await.unwrap().error(), Some("too_large"));
    let answer = ann.ask(&send(65_536)).await.unwrap();
    assert!(matches!(&answer, Came::Frame(frame) if frame["type"] == "ack"), "{answer:?}");
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_closes_with_1009_without_being_read() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    ann.send(&frame(TEXT, &vec![b' '; 262_145])).await.unwrap();
    assert_eq!(ann.next().await.unwrap(), Came::Close(1009));
    // Only the header says that two gigabytes follow.
    let mut bob = ground.person("bob").await;
    let mut header = vec![0x81, 0xff];
    header.extend((2_u64 << 30).to_be_bytes());
    header.extend([1, 2, 3, 4]);
    bob.send(&header).await.unwrap();
    assert_eq!(bob.next().await.unwrap(), Came::Close(1009));
    ground.stayed_calm().await;
}

#[tokio::test]
async fn fragments_that_sum_up_over_the_limit_close_with_1009() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let mut first = frame(TEXT, &[b' '; 60_000]);
    first[0] = TEXT;
    ann.send(&first).await.unwrap();
    for _ in 0..5 {
        let mut more = frame(0, &[b' '; 60_000]);
        more[0] = 0;
        if ann.send(&more).await.is_err() {
            break;
        }
    }
    assert_eq!(ann.next().await.unwrap(), Came::Close(1009));
    ground.stayed_calm().await;
}

#[tokio::test]
async fn broken_utf_8_closes_with_1007() {
    let ground = Ground::new().await;
    for bytes in [&b"{\"type\":\"\xff\"}"[..], b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        let mut ann = ground.person("ann").await;
        ann.send(&frame(TEXT, bytes)).await.unwrap();
        assert_eq!(ann.next().await.unwrap(), Came::Close(1007), "{bytes:?}");
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_lone_surrogate_is_bad_json() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    for body in ["\\ud800", "\\udfff", "\\ud83d x", "\\ud83d\\ud83d"] {
        let text = format!(
            "{{\"type\":\"send\",\"id\":1,\"room\":\"hall\",\"cid\":\"c\",\"body\":\"{body}\"}}"
        );
        let answer = ann.ask_text(&text).await.unwrap();
        assert_eq!(answer.error(), Some("bad_json"), "{body}: {answer:?}");
    }
    still_answers(&mut ann).await;
    ground.stayed_calm().await;
}

#[tokio::test]
async fn broken_framing_closes_with_1002() {
    let ground = Ground::new().await;
    let unmasked = b"\x81\x02{}".to_vec();
    let reserved_bit = {
        let mut bytes = frame(TEXT, b"{}");
        bytes[0] |= 0x40;
        bytes
    };
    let fragmented_ping = {
        let mut bytes = frame(9, b"x");
        bytes[0] = 9;
        bytes
    };
    let cases = [
        unmasked,
        reserved_bit,
        fragmented_ping,
        frame(3, b""),
        frame(11, b""),
        frame(0, b"x"),
        frame(9, &[b'x'; 126]),
        frame(8, b"\x00"),
    ];
    for bytes in cases {
        let mut ann = ground.person("ann").await;
        ann.send(&bytes).await.unwrap();
        assert_eq!(ann.next().await.unwrap(), Came::Close(1002), "{bytes:?}");
    }
    ground.stayed_calm().await;
}
