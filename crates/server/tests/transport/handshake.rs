//! Opening: what is accepted, what is refused before it becomes a socket, and what the consumer knows then.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_websockets::{CloseCode, Message};

use crate::site::{SOON, Site, WebSocket, handshake};

async fn hear(socket: &mut WebSocket) -> Message {
    timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn text_and_bytes_come_back() {
    let site = Site::start().await;
    let mut socket = site.websocket("/echo").await;
    for message in [Message::text("grüße"), Message::binary(vec![0, 255]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        let heard = hear(&mut socket).await;
        assert_eq!(heard.as_payload()[..], message.as_payload()[..]);
        assert_eq!(heard.is_text(), message.is_text());
    }
}

#[tokio::test]
async fn many_messages_in_one_go_come_back_in_order() {
    let site = Site::start().await;
    let mut socket = site.websocket("/echo").await;
    for number in 0..1000 {
        socket.feed(Message::text(format!("{number}"))).await.unwrap();
    }
    socket.flush().await.unwrap();
    for number in 0..1000 {
        assert_eq!(hear(&mut socket).await.as_text(), Some(format!("{number}").as_str()));
    }
}

#[tokio::test]
async fn the_consumer_knows_path_query_and_client() {
    let site = Site::start().await;
    let mut socket = site.websocket("/rooms/lob%20by/?name=Ann+B").await;
    socket.send(Message::text("about")).await.unwrap();
    let about = hear(&mut socket).await;
    assert_eq!(about.as_text(), Some("lob by Ann B Some(127.0.0.1)"));
}

#[tokio::test]
async fn a_subprotocol_is_spoken_if_it_is_offered() {
    let site = Site::start().await;
    let offer = "Sec-WebSocket-Protocol: other, moorline.v1";
    let (_, head) = site.try_shake("/echo", &[offer]).await;
    assert!(head.contains("sec-websocket-protocol: moorline.v1\r\n"), "{head}");
    let (_, head) = site.try_shake("/echo", &["Sec-WebSocket-Protocol: other"]).await;
    assert!(!head.contains("sec-websocket-protocol"), "{head}");
}

#[tokio::test]
async fn what_is_sent_behind_the_handshake_is_not_lost() {
    let site = Site::start().await;
    let mut socket = site.socket().await;
    let hello = [0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o'];
    let request = [handshake("/echo", &[]).as_bytes(), &hello[..]].concat();
    socket.write_all(&request).await.unwrap();
    let head = crate::site::read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let mut answer = [0; 7];
    timeout(SOON, socket.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"\x81\x05hello");
}

#[tokio::test]
async fn refusals_are_http_answers() {
    let site = Site::start().await;
    assert_eq!(site.shake("/echo", &[]).await, 101);
    assert_eq!(site.shake("/echo?please=refuse", &[]).await, 403);
    assert_eq!(site.shake("/echo?please=panic", &[]).await, 500);
    assert_eq!(site.shake("/nowhere", &[]).await, 404);
    let plain = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(site.answer(plain).await.starts_with("HTTP/1.1 426"));
    let old = handshake("/echo", &["Connection: close"]).replace("Version: 13", "Version: 8");
    let answer = site.answer(old).await;
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    assert!(answer.contains("sec-websocket-version: 13"), "{answer}");
}

#[tokio::test]
async fn a_cookie_needs_the_own_origin() {
    let site = Site::start().await;
    let cookie = "Cookie: moorline_session=x";
    for (lines, expected) in [
        (&[cookie, "Origin: http://localhost"][..], 101),
        (&["Origin: http://evil.example"], 101),
        (&[cookie, "Origin: http://evil.example"], 403),
        (&[cookie, "Origin: https://localhost"], 403),
        (&[cookie, "Origin: http://localhost:81"], 403),
        (&[cookie, "Origin: http://localhost.evil.example"], 403),
        (&[cookie, "Origin: null"], 403),
        (&[cookie], 403),
        (&[], 101),
    ] {
        assert_eq!(site.shake("/own", lines).await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_no_other() {
    let site = Site::start().await;
    let mut other = site.websocket("/echo").await;
    let mut socket = site.websocket("/echo").await;
    socket.send(Message::text("panic")).await.unwrap();
    let close = hear(&mut socket).await;
    assert_eq!(close.as_close().unwrap().0, CloseCode::INTERNAL_SERVER_ERROR);
    other.send(Message::text("still here")).await.unwrap();
    assert_eq!(hear(&mut other).await.as_text(), Some("still here"));
    assert!(site.metrics.render().contains("moorline_connection_panics_total 1"));
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let site = Site::start().await;
    let mut socket = site.websocket("/echo").await;
    for length in [999, 1000] {
        socket.send(Message::binary(vec![7; length])).await.unwrap();
        assert_eq!(hear(&mut socket).await.as_payload().len(), length);
    }
    socket.send(Message::binary(vec![7; 1001])).await.unwrap();
    let close = hear(&mut socket).await;
    assert_eq!(close.as_close().unwrap().0, CloseCode::MESSAGE_TOO_BIG);
}

#[tokio::test]
async fn a_close_is_counted_by_code_and_side() {
    let site = Site::start().await;
    let mut socket = site.websocket("/echo").await;
    assert!(site.metrics.render().contains("moorline_connections{transport=\"websocket\"} 1"));
    socket.close().await.unwrap();
    while let Ok(Some(Ok(_))) = timeout(SOON, socket.next()).await {}
    let closes = "moorline_closes_total{code=\"1000\",side=\"client\"} 1";
    let deadline = tokio::time::Instant::now() + SOON;
    while !site.metrics.render().contains(closes) {
        assert!(tokio::time::Instant::now() < deadline, "{}", site.metrics.render());
        tokio::task::yield_now().await;
    }
}
