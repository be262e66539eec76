//! Who gets in, into which groups, and until when.

use moorline_chat::now_ms;
use moorline_layer::Message;
use moorline_server::relay::{RelayRule, Template};

use crate::layered::{closed, hear};
use crate::stage::{PAGE, Stage, tutorial, with_inbox};

const LOBBY: &str = "/ws/chat/lobby/";

fn for_people() -> RelayRule {
    RelayRule { anonymous: false, ..tutorial() }
}

#[tokio::test]
async fn only_who_has_signed_in_gets_in_unless_the_relay_says_otherwise() {
    let stage = Stage::start(for_people()).await;
    let (cookie, token) = (stage.cookie("ann").await, stage.token("bob", 60));
    let subprotocols = format!("moorline.token, {token}");
    let bearer = format!("Bearer {token}");
    for (header, status) in [
        (None, Some(401)),
        (Some(("cookie", "sessionid=of-django")), Some(401)),
        (Some(("cookie", cookie.as_str())), None),
        (Some(("authorization", bearer.as_str())), None),
        (Some(("authorization", "Bearer nonsense")), Some(401)),
        (Some(("sec-websocket-protocol", "moorline.token, nonsense")), Some(401)),
    ] {
        let headers: Vec<(&str, &str)> = std::iter::once(PAGE).chain(header).collect();
        let refused = stage.server.try_socket(LOBBY, &headers).await.err();
        assert_eq!(refused, status, "{header:?}");
    }
    let by_subprotocol = shake(&stage, &["Sec-WebSocket-Protocol", &subprotocols]).await;
    assert!(by_subprotocol.contains("101"), "{by_subprotocol}");
    assert!(by_subprotocol.to_lowercase().contains("sec-websocket-protocol: moorline.token\r\n"));
    let in_query = stage.server.try_socket(&format!("{LOBBY}?token={token}"), &[PAGE]).await;
    assert_eq!(in_query.err(), Some(401), "a token in the query is in every proxy's log");
}

/// The head of the answer to a handshake with one more header.
async fn shake(stage: &Stage, header: &[&str; 2]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(stage.server.address).await.unwrap();
    let request = format!(
        "GET {LOBBY} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: {}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}: {}\r\n\r\n",
        PAGE.1, header[0], header[1]
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_foreign_page_is_refused_whoever_looks_at_it() {
    let stage = Stage::start(tutorial()).await;
    let cookie = stage.cookie("ann").await;
    for origin in
        [None, Some("http://evil.example"), Some("null"), Some("http://django.example:8002")]
    {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        assert_eq!(stage.server.try_socket(LOBBY, &headers).await.err(), Some(403), "{origin:?}");
    }
}

#[tokio::test]
async fn a_path_that_makes_no_name_of_a_group_is_refused_before_the_upgrade() {
    let stage = Stage::start(tutorial()).await;
    let long = format!("/ws/chat/{}/", "x".repeat(95));
    for path in [
        "/ws/chat/a%20b/",
        "/ws/chat/%C3%A9/",
        "/ws/chat/a%2Fb/",
        "/ws/chat/a!b/",
        "/ws/chat/a%00/",
        &long,
    ] {
        assert_eq!(stage.server.try_socket(path, &[PAGE]).await.err(), Some(400), "{path}");
    }
    let own = RelayRule { groups: vec![Template::parse("{room}").unwrap()], ..tutorial() };
    let stage = Stage::start(own).await;
    let refused = stage.server.try_socket("/ws/chat/moorline.nodes/", &[PAGE]).await;
    assert_eq!(refused.err(), Some(400), "what the nodes tell each other is nobody else's");
}

#[tokio::test]
async fn a_person_has_a_group_of_their_own_where_the_relay_says_so() {
    let groups = ["chat_{room}", "user_{user}"].map(|text| Template::parse(text).unwrap()).to_vec();
    let stage = Stage::start(RelayRule { groups, anonymous: false, ..with_inbox() }).await;
    let (mut ann, mut bob) = (stage.page_of("ann", LOBBY).await, stage.page_of("bob", LOBBY).await);
    let message = |text: &str| Message::of_type("chat.message").with("message", text);
    stage.group_send("user_ann", message("for ann")).await;
    stage.group_send("chat_lobby", message("for both")).await;
    assert_eq!(hear(&mut ann).await, r#"{"message": "for ann"}"#);
    assert_eq!(hear(&mut ann).await, r#"{"message": "for both"}"#);
    assert_eq!(hear(&mut bob).await, r#"{"message": "for both"}"#);
}

#[tokio::test]
async fn a_relay_may_ask_that_the_token_names_the_room() {
    let stage =
        Stage::start(RelayRule { room: Template::parse("{room}").ok(), ..for_people() }).await;
    let (cookie, token) =
        (stage.cookie("ann").await, stage.token_for("bob", 60, &["lobby", "loft"]));
    let bearer = format!("Bearer {token}");
    for (path, header, status) in [
        (LOBBY, ("authorization", bearer.as_str()), None),
        ("/ws/chat/loft/", ("authorization", bearer.as_str()), None),
        ("/ws/chat/attic/", ("authorization", bearer.as_str()), Some(403)),
        ("/ws/chat/lobb/", ("authorization", bearer.as_str()), Some(403)),
        (LOBBY, ("cookie", cookie.as_str()), Some(403)),
    ] {
        let refused = stage.server.try_socket(path, &[PAGE, header]).await.err();
        assert_eq!(refused, status, "{path} {header:?}");
    }
}

#[tokio::test]
async fn signing_out_closes_the_persons_sockets_without_a_word_that_the_page_does_not_know() {
    let stage = Stage::start(tutorial()).await;
    let (mut ann, mut bob) = (stage.page_of("ann", LOBBY).await, stage.page_of("bob", LOBBY).await);
    let mut of_token = {
        let bearer = format!("Bearer {}", stage.token("ann", 60));
        stage.server.try_socket(LOBBY, &[PAGE, ("authorization", &bearer)]).await.unwrap()
    };
    stage.chat.store().revoke_sessions("ann".parse().unwrap(), now_ms()).await.unwrap();
    assert_eq!(closed(&mut ann).await, 4403);
    assert_eq!(closed(&mut of_token).await, 4403);
    let message = Message::of_type("chat.message").with("message", "still here");
    stage.group_send("chat_lobby", message).await;
    assert_eq!(hear(&mut bob).await, r#"{"message": "still here"}"#);
    drop((ann, of_token, bob));
    stage.is_left("chat_lobby").await;
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let stage = Stage::start(for_people()).await;
    let bearer = format!("Bearer {}", stage.token("ann", -24)); // Six seconds more, with the leeway: enough for a busy machine to come in.
    let mut page =
        stage.server.try_socket(LOBBY, &[PAGE, ("authorization", &bearer)]).await.unwrap();
    assert_eq!(closed(&mut page).await, 4401);
    let over = format!("Bearer {}", stage.token("ann", -60));
    let refused = stage.server.try_socket(LOBBY, &[PAGE, ("authorization", &over)]).await;
    assert_eq!(refused.err(), Some(401));
}
