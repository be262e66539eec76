//! Tickets: what stands in the URL of an `EventSource`, which repeats it whenever it comes back.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use moorline_chat::now_ms;
use moorline_server::auth::cookie::SessionToken;
use moorline_store::{NewSession, OPEN_TICKETS, SessionId, Store};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::http::{Answer, Http, Stream};
use crate::people::TestServer;

/// What a browser says of a request of the own page.
const OWN_PAGE: &str = "Sec-Fetch-Site: same-origin";

/// The URL of a stream with a new ticket of somebody.
pub(crate) async fn url(server: &TestServer, user: &str) -> String {
    url_by(server, &format!("Authorization: Bearer {}", server.token(user))).await
}

async fn url_by(server: &TestServer, line: &str) -> String {
    let made = Http::connect(server, &[line, OWN_PAGE]).await.ask("/api/v1/tickets").await;
    assert_eq!(made.status, 201, "{made:?}");
    format!("/api/v1/stream?ticket={}", made.body["ticket"].as_str().unwrap())
}

/// Opens a stream as an `EventSource` of the own page does.
pub(crate) async fn open(server: &TestServer, url: &str, lines: &[&str]) -> Stream {
    let lines = [lines, &[OWN_PAGE]].concat();
    Http::connect(server, &lines).await.stream("GET", url, Value::Null).await
}

/// The answer where no stream is opened.
pub(crate) async fn refused(server: &TestServer, url: &str, lines: &[&str]) -> Answer {
    let lines = [lines, &[OWN_PAGE]].concat();
    Http::connect(server, &lines).await.get(url).await
}

pub(crate) async fn is_refused(server: &TestServer, url: &str, lines: &[&str]) {
    let answer = refused(server, url, lines).await;
    let code = &answer.body["error"]["code"];
    assert_eq!((answer.status, code), (401, &json!("ticket_refused")), "{answer:?}");
    assert!(answer.body["error"]["message"].to_string().contains("POST /api/v1/tickets"));
    assert!(!answer.head.contains("set-cookie"), "{answer:?}");
}

/// The cookie that a stream brought, as the browser sends it back.
pub(crate) fn cookie(stream: &Stream) -> String {
    let set = set_cookie(stream).unwrap_or_else(|| panic!("no cookie in {}", stream.head));
    format!("Cookie: {}", set.split(';').next().unwrap())
}

fn set_cookie(stream: &Stream) -> Option<&str> {
    stream.head.lines().find_map(|line| line.strip_prefix("set-cookie: "))
}

/// A session of a page: the line of its cookie, and its id.
async fn session(store: &Store, user: &str) -> (String, SessionId) {
    let (token, at_ms) = (SessionToken::random(), now_ms());
    store.put_user(user.parse().unwrap(), user.to_owned(), at_ms).await.unwrap();
    let session = NewSession {
        token_hash: token.hash(),
        user: user.parse().unwrap(),
        device: None,
        at_ms,
        expires_ms: at_ms + 3_600_000,
    };
    let id = store.add_session(session).await.unwrap();
    let line = token.set_cookie(false);
    (format!("Cookie: {}", line.split(';').next().unwrap()), id)
}

#[tokio::test]
async fn a_ticket_opens_a_stream_and_its_cookie_goes_on_with_the_same_url_without_loss() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let url = format!("{}&room={room}", url(&server, "bob").await);
    let mut stream = open(&server, &url, &[]).await;
    let welcome = stream.next("welcome").await;
    assert_eq!(welcome["user"]["id"], "bob");
    let set = set_cookie(&stream).unwrap().to_owned();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/stream"] {
        assert!(set.contains(flag), "{set}");
    }
    assert!(!set.contains("Secure"), "{set}");
    let age = set.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap();
    // The token's hour and the half minute in which it is still taken.
    assert!((3_000..=3_630).contains(&age.parse::<u32>().unwrap()), "{set}");
    let cookie = cookie(&stream);
    for round in 0..3 {
        let text = format!("while connected {round}");
        ann.send(&room, &text).await;
        assert_eq!(stream.message().await, text);
        let last = format!("Last-Event-ID: {}", stream.id.clone().unwrap());
        drop(stream);
        ann.send(&room, "meanwhile").await;
        stream = open(&server, &url, &[&cookie, &last]).await;
        assert_eq!(stream.message().await, "meanwhile");
        assert_eq!(set_cookie(&stream), None);
    }
}

#[tokio::test]
async fn a_ticket_that_is_not_good_is_refused_and_told_what_to_do() {
    let server = TestServer::start().await;
    let used = url(&server, "ann").await;
    let stream = open(&server, &used, &[]).await;
    is_refused(&server, &used, &[]).await;
    let (name, _) = cookie(&stream).split_once('=').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
    let other = format!("{name}={}", "x".repeat(43));
    is_refused(&server, &used, &[&other]).await;
    for ticket in ["", "x", &"x".repeat(43), &"x".repeat(4_000), "%00%ff", "%27--"] {
        is_refused(&server, &format!("/api/v1/stream?ticket={ticket}"), &[]).await;
    }
    // Neither does the page's session stand in for it: whose stream it would be was said.
    let (session, _) = session(server.chat.store(), "eve").await;
    is_refused(&server, &used, &[&session]).await;
}

#[tokio::test]
async fn a_ticket_and_its_cookie_end_with_their_token() {
    let server = TestServer::start().await;
    // Taken for half a minute beyond its end: ten seconds are left of that.
    let line = format!("Authorization: Bearer {}", server.token_ending("ann", -20));
    let (used, unused) = (url_by(&server, &line).await, url_by(&server, &line).await);
    let mut stream = open(&server, &used, &[]).await;
    let set = set_cookie(&stream).unwrap().to_owned();
    let age = set.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap();
    assert!(age.parse::<u32>().unwrap() <= 10, "{set}");
    assert_eq!(stream.goodbye().await, 4401);
    is_refused(&server, &used, &[&cookie(&stream)]).await;
    is_refused(&server, &unused, &[]).await;
}

#[tokio::test]
async fn a_session_gives_a_ticket_too_and_signing_out_ends_both() {
    let server = TestServer::start().await;
    let (page, id) = session(server.chat.store(), "ann").await;
    let (used, unused) = (url_by(&server, &page).await, url_by(&server, &page).await);
    let mut stream = open(&server, &used, &[]).await;
    assert_eq!(stream.next("welcome").await["user"]["id"], "ann");
    let again = open(&server, &used, &[&cookie(&stream)]).await;
    assert!(server.chat.store().revoke_session("ann".parse().unwrap(), id).await.unwrap());
    for mut stream in [stream, again] {
        assert_eq!(stream.goodbye().await, 4403);
    }
    let again = open(&server, &url(&server, "ann").await, &[]).await;
    for url in [used, unused] {
        is_refused(&server, &url, &[&cookie(&again)]).await;
    }
}

#[tokio::test]
async fn revoked_tokens_and_erased_people_have_no_tickets_any_more() {
    let server = TestServer::start().await;
    for user in ["ann", "bob"] {
        let (used, unused) = (url(&server, user).await, url(&server, user).await);
        let mut stream = open(&server, &used, &[]).await;
        stream.next("welcome").await;
        let id = user.parse().unwrap();
        if user == "ann" {
            server.chat.store().revoke_sessions(id, now_ms() + 1_000).await.unwrap();
        } else {
            server.chat.erase(&id, false, Duration::from_secs(20)).await.unwrap();
        }
        assert_eq!(stream.goodbye().await, 4403, "{user}");
        is_refused(&server, &used, &[&cookie(&stream)]).await;
        is_refused(&server, &unused, &[]).await;
        let line = format!("Authorization: Bearer {}", server.token(user));
        let made = Http::connect(&server, &[&line]).await.ask("/api/v1/tickets").await;
        let code = made.body["error"]["code"].clone();
        assert_eq!((made.status, code), (401, json!("token_refused")), "{made:?}");
    }
}

#[tokio::test]
async fn a_foreign_page_neither_asks_by_its_visitors_session_nor_goes_on_by_their_cookie() {
    let server = TestServer::start().await;
    let (session, _) = session(server.chat.store(), "ann").await;
    let url = url(&server, "ann").await;
    let cookie = cookie(&open(&server, &url, &[]).await);
    for (line, is_own) in [
        ("Origin: http://localhost", true),
        (OWN_PAGE, true),
        ("Sec-Fetch-Site: same-site", false),
        ("Sec-Fetch-Site: cross-site", false),
        ("Origin: http://evil.example", false),
        ("Origin: http://localhost.evil.example", false),
        ("Origin: null", false),
    ] {
        let mut asks = Http::connect(&server, &[&session, line]).await;
        let made = asks.ask("/api/v1/tickets").await;
        let mut goes_on = Http::connect(&server, &[&cookie, line]).await;
        if is_own {
            assert_eq!(made.status, 201, "{line}: {made:?}");
            goes_on.stream("GET", &url, Value::Null).await;
        } else {
            let answer = goes_on.get(&url).await;
            for answer in [made, answer] {
                let code = &answer.body["error"]["code"];
                assert_eq!((answer.status, code), (403, &json!("bad_origin")), "{line}");
            }
        }
    }
    let nobody = Http::connect(&server, &[]).await.ask("/api/v1/tickets").await;
    assert_eq!((nobody.status, &nobody.body["error"]["code"]), (401, &json!("unauthorized")));
}

#[tokio::test]
async fn a_page_of_another_site_opens_a_stream_by_a_ticket_but_cannot_go_on_by_a_cookie() {
    let server = TestServer::start().await;
    let foreign = "Origin: https://shop.example";
    let line = format!("Authorization: Bearer {}", server.token("ann"));
    let made = Http::connect(&server, &[&line, foreign]).await.ask("/api/v1/tickets").await;
    assert!(made.head.contains("access-control-allow-origin: *"), "{made:?}");
    let url = format!("/api/v1/stream?ticket={}", made.body["ticket"].as_str().unwrap());
    let http = Http::connect(&server, &[foreign]).await;
    let mut stream = http.stream("GET", &url, Value::Null).await;
    stream.next("welcome").await;
    assert!(stream.head.contains("access-control-allow-origin: *"), "{}", stream.head);
    assert!(!stream.head.contains("access-control-allow-credentials"), "{}", stream.head);
    // No browser sends the cookie along; one that did would be refused.
    let answer = Http::connect(&server, &[foreign, &cookie(&stream)]).await.get(&url).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = Http::connect(&server, &[foreign]).await.get(&url).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (401, &json!("ticket_refused")));
    assert!(answer.head.contains("access-control-allow-origin: *"), "{answer:?}");
}

#[tokio::test]
async fn where_a_browser_says_nothing_of_its_page_as_over_plain_http_a_stream_goes_on_by_its_cookie()
 {
    let server = TestServer::start().await;
    let url = url(&server, "ann").await;
    let cookie = cookie(&Http::connect(&server, &[]).await.stream("GET", &url, Value::Null).await);
    let again = Http::connect(&server, &[&cookie]).await;
    let mut stream = again.stream("GET", &url, Value::Null).await;
    assert_eq!(stream.next("welcome").await["user"]["id"], "ann");
    for foreign in ["Origin: https://shop.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        let answer = Http::connect(&server, &[&cookie, foreign]).await.get(&url).await;
        assert_eq!(answer.status, 403, "{foreign}: {answer:?}");
    }
    // Asking for a ticket by a session's cookie alone needs the page's word.
    let (session, _) = session(server.chat.store(), "ann").await;
    let asked = Http::connect(&server, &[&session]).await.ask("/api/v1/tickets").await;
    assert_eq!((asked.status, &asked.body["error"]["code"]), (403, &json!("bad_origin")));
}

#[tokio::test]
async fn windows_of_one_browser_go_on_side_by_side_and_two_people_are_never_mixed_up() {
    let server = TestServer::start().await;
    let (first, second) = (url(&server, "ann").await, url(&server, "ann").await);
    let ann = cookie(&open(&server, &first, &[]).await);
    let window = open(&server, &second, &[&ann]).await;
    assert_eq!(cookie(&window), ann, "one cookie for both");
    let of_bob = url(&server, "bob").await;
    let bob = cookie(&open(&server, &of_bob, &[&ann]).await);
    assert_ne!(bob.split('=').next(), ann.split('=').next(), "one does not take the other's place");
    let both = format!("{ann}; {}", bob.strip_prefix("Cookie: ").unwrap());
    for (url, user) in [(&first, "ann"), (&second, "ann"), (&of_bob, "bob")] {
        let mut stream = open(&server, url, &[&both]).await;
        assert_eq!(stream.next("welcome").await["user"]["id"], user);
    }
    is_refused(&server, &first, &[&bob]).await;
    is_refused(&server, &of_bob, &[&ann]).await;
    // A cookie that somebody planted is not taken over.
    let planted = format!("{}={}", ann.split('=').next().unwrap(), "x".repeat(43));
    let third = url(&server, "ann").await;
    let given = cookie(&open(&server, &third, &[&planted]).await);
    assert_ne!(given, planted);
    is_refused(&server, &third, &[&planted]).await;
}

#[tokio::test]
async fn the_unused_tickets_of_a_person_are_limited() {
    let server = TestServer::start().await;
    let mut http = Http::of(&server, "ann").await;
    let mut last = String::new();
    for _ in 0..OPEN_TICKETS {
        let made = http.ask("/api/v1/tickets").await;
        assert_eq!(made.status, 201, "{made:?}");
        last = format!("/api/v1/stream?ticket={}", made.body["ticket"].as_str().unwrap());
    }
    let made = http.ask("/api/v1/tickets").await;
    let error = &made.body["error"];
    assert_eq!((made.status, &error["code"]), (429, &json!("rate_limited")), "{made:?}");
    let wait = error["retry_after_ms"].as_u64().unwrap();
    assert!(wait <= 30_000 && made.head.contains("retry-after: "), "{made:?}");
    open(&server, &last, &[]).await;
    assert_eq!(http.ask("/api/v1/tickets").await.status, 201);
    url(&server, "bob").await;
}

#[tokio::test]
async fn asking_for_tickets_counts_for_a_persons_rates() {
    let server = TestServer::start_limited().await;
    let mut http = Http::of(&server, "ann").await;
    let mut pauses = 0;
    for _ in 0..2_000 {
        let answer = http.ask("/api/v1/tickets").await;
        let text = answer.body["error"]["message"].as_str().unwrap_or_default().to_owned();
        pauses += usize::from(answer.status == 429 && text.contains("Too many commands"));
        if pauses > 0 {
            break;
        }
    }
    assert!(pauses > 0, "two thousand were never too many");
}

#[tokio::test]
async fn a_ticket_is_for_a_stream_by_get_and_a_token_in_the_header_wins() {
    let server = TestServer::start().await;
    let url = url(&server, "ann").await;
    let query = url.split('?').nth(1).unwrap();
    let mut http = Http::of(&server, "bob").await;
    for answer in [
        http.get(&format!("/api/v1/poll?{query}")).await,
        http.post(&format!("/api/v1/poll?{query}"), json!({})).await,
        http.post(&url, json!({})).await,
    ] {
        let code = &answer.body["error"]["code"];
        assert_eq!((answer.status, code), (400, &json!("invalid")), "{answer:?}");
    }
    let mut stream = http.stream("GET", &url, Value::Null).await;
    assert_eq!(stream.next("welcome").await["user"]["id"], "bob");
    let mut stream = open(&server, &url, &[]).await;
    assert_eq!(stream.next("welcome").await["user"]["id"], "ann", "it was not used up");
    let answer = Http::of(&server, "ann").await.get("/api/v1/tickets").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn behind_https_the_cookie_is_secure_and_only_that_one_counts() {
    let server = TestServer::start().await;
    let url = url(&server, "ann").await;
    let https = "X-Forwarded-Proto: https";
    let stream = open(&server, &url, &[https]).await;
    let set = set_cookie(&stream).unwrap();
    assert!(set.starts_with("__Secure-moorline_stream_") && set.contains("; Secure"), "{set}");
    open(&server, &url, &[https, &cookie(&stream)]).await;
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_ticket_nor_cookie_stands_in_the_log_or_in_metrics() {
    let log = Log::default();
    let kept = log.clone();
    let all = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || kept.clone())
        .finish();
    // The server's tasks are on this thread too.
    let _guard = tracing::subscriber::set_default(all);
    let server = TestServer::start().await;
    let url = url(&server, "ann").await;
    let stream = open(&server, &url, &[]).await;
    let cookie = cookie(&stream);
    drop(stream);
    open(&server, &url, &[&cookie]).await.next("welcome").await;
    is_refused(&server, &url, &[]).await;
    let metrics = server.metrics.render();
    server.drain().await;
    let said = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(said.contains("draining"), "the log was not heard: {said}");
    assert!(metrics.contains("ticket_refused"), "the refusal was not counted: {metrics}");
    let secrets = [url.split('=').nth(1).unwrap(), cookie.split('=').nth(1).unwrap()];
    for secret in secrets {
        assert_eq!(secret.len(), 43);
        assert!(!said.contains(secret) && !metrics.contains(secret), "{secret}");
    }
}
