//! Tokens of an application at the real server: who comes in, who does not, and what the log says of it.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::time::{SystemTime, UNIX_EPOCH};

use moorline_protocol::api::TokenClaims;
use moorline_server::auth::jwt;
use running::{Running, SECRET, program};
use serde_json::json;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(sub: &str) -> TokenClaims {
    TokenClaims {
        sub: sub.into(),
        exp: now() + 60,
        iat: Some(now()),
        nbf: None,
        name: None,
        rooms: None,
    }
}

fn signed(claims: &TokenClaims) -> String {
    jwt::sign(claims, SECRET.as_bytes()).unwrap()
}

async fn is_refused(server: &Running, token: &str) {
    let mut socket = server.socket(&[]).await.unwrap();
    socket.say(json!({"type": "hello", "id": 1, "token": token})).await;
    let error = socket.next("error").await;
    assert_eq!((&error["code"], &error["retry"]), (&json!("token_refused"), &json!(false)));
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test]
async fn a_minted_token_brings_its_person_in_on_first_sight() {
    let server = Running::start(&["--jwt-secret", SECRET]);
    let words = ["token", "mint", "--sub", "ann", "--name", "Ann", "--jwt-secret", SECRET];
    let minted = program(&words).output().unwrap();
    assert!(minted.status.success());
    let token = String::from_utf8(minted.stdout).unwrap();
    let mut socket = server.socket(&[("origin", "https://any.example")]).await.unwrap();
    socket.say(json!({"type": "hello", "token": token.trim()})).await;
    assert_eq!(socket.next("welcome").await["user"], json!({"id": "ann", "name": "Ann"}));
}

#[tokio::test]
async fn the_name_follows_the_token_and_never_decides_who_someone_is() {
    let server = Running::start(&["--jwt-secret", SECRET]);
    let mut welcomed = Vec::new();
    for name in [Some("Ann"), None, Some("Anna"), Some("a\u{202e}b")] {
        let claims = TokenClaims { name: name.map(str::to_owned), ..claims("ann") };
        let mut socket = server.socket(&[]).await.unwrap();
        socket.say(json!({"type": "hello", "token": signed(&claims)})).await;
        welcomed.push(socket.next("welcome").await["user"].clone());
    }
    let person = |name: &str| json!({"id": "ann", "name": name});
    assert_eq!(welcomed, [person("Ann"), person("Ann"), person("Anna"), person("Anna")]);
}

#[tokio::test]
async fn reserved_ids_belong_to_built_in_accounts() {
    let server = Running::start(&["--jwt-secret", SECRET, "--signup", "open"]);
    for sub in ["u_made_up", "moorline", "", "a\u{7}b"] {
        is_refused(&server, &signed(&claims(sub))).await;
    }
    let cookie = server.sign_up("ann");
    let user = server.get("/api/v1/session").cookie(&cookie).send().json()["user"].clone();
    let own = signed(&claims(user["id"].as_str().unwrap()));
    let mut socket = server.socket(&[]).await.unwrap();
    socket.say(json!({"type": "hello", "token": own})).await;
    assert_eq!(socket.next("welcome").await["user"], user);
}

#[tokio::test]
async fn a_bad_token_is_refused_and_the_log_says_why_without_the_token() {
    let server = Running::start(&["--jwt-secret", SECRET, "-vv"]);
    let expired = signed(&TokenClaims { exp: now() - 60, ..claims("ann") });
    let foreign = jwt::sign(&claims("ann"), b"another secret").unwrap();
    for token in [expired.as_str(), &foreign, "nonsense", ""] {
        is_refused(&server, token).await;
    }
    for why in ["it has expired", "its signature does not fit", "no well-formed JWT"] {
        server.log_with(why);
    }
    server.signal("TERM");
    let (_, log, _) = server.wait();
    let secret_parts = [expired.as_str(), &foreign, SECRET, foreign.rsplit('.').next().unwrap()];
    for secret in secret_parts {
        assert!(!log.contains(secret), "the log holds a secret");
    }
}

#[tokio::test]
async fn without_a_secret_no_token_is_good() {
    let server = Running::start(&[]);
    is_refused(&server, &signed(&claims("ann"))).await;
    is_refused(&server, &jwt::sign(&claims("ann"), b"").unwrap()).await;
    server.log_with("--jwt-secret");
}

#[tokio::test]
async fn a_token_lets_its_holder_join_its_rooms_but_not_undo_a_removal() {
    let server = Running::start(&["--jwt-secret", SECRET, "--api-key", SECRET]);
    server.api("PUT", "/api/v1/users/ann", Some(json!({"name": "Ann"})));
    let room = json!({"id": "ops", "kind": "group", "name": "Ops"});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    let ops = || Some(vec!["ops".parse().unwrap()]);
    let older = TokenClaims { rooms: ops(), iat: Some(now() - 5), ..claims("ann") };
    let join = json!({"type": "join", "id": 1, "room": "ops", "cid": "c1"});

    let mut plain = server.person(&signed(&claims("ann"))).await;
    plain.say(join.clone()).await;
    assert_eq!(plain.next("error").await["code"], "not_found");

    let mut granted = server.person(&signed(&older)).await;
    granted.say(json!({"type": "join", "id": 1, "room": "ops", "cid": "c2"})).await;
    granted.next("ack").await;
    assert_eq!(server.api("DELETE", "/api/v1/rooms/ops/members/ann", None).status, 200);

    let mut again = server.person(&signed(&older)).await;
    again.say(json!({"type": "join", "id": 1, "room": "ops", "cid": "c3"})).await;
    assert_eq!(again.next("error").await["code"], "not_found");
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let server = Running::start(&["--jwt-secret", SECRET]);
    // Good for one more second, by the leeway of 30.
    let short = TokenClaims { exp: now() - 28, ..claims("ann") };
    let mut ann = server.person(&signed(&short)).await;
    assert_eq!(ann.next("goodbye").await["code"], 4401);
    assert_eq!(ann.close_code().await, 4401);
}
