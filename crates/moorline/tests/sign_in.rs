//! Signing up, in and out over the real server: cookies, sessions, uniform refusals, foreign pages.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use running::Running;
use serde_json::json;

#[test]
fn a_person_makes_an_account_and_is_signed_in_by_its_cookie() {
    let server = Running::start(&[]);
    let body = json!({"name": "Ann", "display": "Ann B.", "password": "correct horse"});
    let answer = server.post("/api/v1/signup", body).send();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let user = answer.json()["user"].clone();
    assert!(user["id"].as_str().unwrap().starts_with("u_"), "{user}");
    assert_eq!(user["name"], "Ann B.");
    for flag in ["moorline_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(answer.set_cookie.contains(flag), "{flag} is not in {}", answer.set_cookie);
    }
    let now = server.get("/api/v1/session").cookie(&answer.cookie()).send().json();
    assert_eq!(now["user"], user);
    assert_eq!(now["signup"], "open");
    assert_eq!(server.get("/api/v1/session").send().json()["user"], json!(null));
}

#[test]
fn behind_https_the_cookie_is_secure_and_bound_to_the_host() {
    let server = Running::start(&[]);
    let body = json!({"name": "ann", "password": "correct horse"});
    let answer = server
        .request("POST", "/api/v1/signup")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-for", "192.0.2.7")
        .header("origin", &format!("https://{}", server.address))
        .json(body)
        .send();
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(answer.set_cookie.starts_with("__Host-moorline_session="), "{}", answer.set_cookie);
    assert!(answer.set_cookie.contains("Secure"), "{}", answer.set_cookie);
}

#[test]
fn what_cannot_be_an_account_is_refused_with_a_reason() {
    let server = Running::start(&[]);
    server.sign_up("ann");
    let long = "x".repeat(81);
    let cases = [
        (json!({"name": "ANN", "password": "correct horse"}), 409, "name_taken"),
        (json!({"name": "ａｎｎ", "password": "correct horse"}), 409, "name_taken"),
        (json!({"name": "bob", "password": "short"}), 400, "invalid"),
        (json!({"name": "bob", "password": "x".repeat(129)}), 400, "invalid"),
        (json!({"name": "", "password": "correct horse"}), 400, "invalid"),
        (json!({"name": long, "password": "correct horse"}), 400, "invalid"),
        (json!({"name": "bob\u{202e}", "password": "correct horse"}), 400, "invalid"),
        (
            json!({"name": "bob", "display": "a\u{200b}", "password": "correct horse"}),
            400,
            "invalid",
        ),
        (json!({"name": "bob"}), 400, "invalid"),
        (json!({"name": 7, "password": "correct horse"}), 400, "invalid"),
        (json!([1]), 400, "invalid"),
    ];
    for (body, status, code) in cases {
        let answer = server.post("/api/v1/signup", body.clone()).send();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    let broken = server.request("POST", "/api/v1/signup").raw("application/json", "{").send();
    assert_eq!((broken.status, broken.code().as_str()), (400, "bad_json"));
    let huge = format!("\"{}\"", "x".repeat(1_100_000));
    let huge = server.request("POST", "/api/v1/signup").raw("application/json", &huge).send();
    assert_eq!((huge.status, huge.code().as_str()), (413, "too_large"));
}

#[test]
fn an_unknown_name_and_a_wrong_password_look_the_same() {
    let server = Running::start(&[]);
    server.sign_up("ann");
    let login = |name: &str, password: &str| {
        server.post("/api/v1/login", json!({"name": name, "password": password})).send()
    };
    let wrong = login("ann", "wrong horse");
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "bad_credentials"));
    for (name, password) in [("bob", "correct horse"), ("", ""), ("\u{202e}", "x"), ("ann", "")] {
        let unknown = login(name, password);
        assert_eq!((unknown.status, &unknown.text), (401, &wrong.text), "{name:?}");
        assert_eq!(unknown.set_cookie, "");
    }
    assert_eq!(login(" Ann ", "correct horse").status, 200);
}

#[test]
fn signing_in_again_ends_the_old_session_of_this_browser() {
    let server = Running::start(&[]);
    let old = server.sign_up("ann");
    let body = json!({"name": "ann", "password": "correct horse"});
    let new = server.post("/api/v1/login", body).cookie(&old).send().cookie();
    assert_ne!(old, new);
    let user =
        |cookie: &str| server.get("/api/v1/session").cookie(cookie).send().json()["user"].clone();
    assert_eq!(user(&old), json!(null));
    assert_eq!(user(&new)["name"], "ann");
}

#[test]
fn one_sees_and_revokes_ones_own_sessions_and_nobody_elses() {
    let server = Running::start(&[]);
    let (first, bob) = (server.sign_up("ann"), server.sign_up("bob"));
    let body = json!({"name": "ann", "password": "correct horse"});
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let second = server.post("/api/v1/login", body).header("user-agent", firefox).send().cookie();
    let list = server.get("/api/v1/sessions").cookie(&second).send().json();
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{list}");
    let current: Vec<_> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["device"], "Firefox on Linux");
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/v1/sessions/{}", other["id"].as_str().unwrap());
    let revoke = |cookie: &str| {
        server.request("DELETE", &path).cookie(cookie).header("origin", &server.origin()).send()
    };
    assert_eq!(revoke(&bob).status, 404);
    assert_eq!(revoke(&second).status, 204);
    assert_eq!(revoke(&second).status, 404);
    assert_eq!(server.get("/api/v1/sessions").cookie(&first).send().status, 401);
}

#[test]
fn signing_out_ends_the_session_and_clears_the_cookie() {
    let server = Running::start(&[]);
    let cookie = server.sign_up("ann");
    let request = server.request("POST", "/api/v1/logout").header("origin", &server.origin());
    let answer = request.cookie(&cookie).send();
    assert_eq!(answer.status, 204);
    assert!(answer.set_cookie.contains("Max-Age=0"), "{}", answer.set_cookie);
    let after = server.get("/api/v1/session").cookie(&cookie).send();
    assert_eq!(after.json()["user"], json!(null));
    assert!(after.set_cookie.contains("Max-Age=0"), "a dead cookie is taken away");
}

#[test]
fn foreign_pages_change_nothing() {
    let server = Running::start(&[]);
    let cookie = server.sign_up("ann");
    let port = server.address.port();
    let foreign = [
        "null".to_owned(),
        "http://127.0.0.1".into(),
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{}", port ^ 1),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}.evil.example"),
        format!("http://evil.example:{port}"),
        format!("http://127.0.0.1.evil.example:{port}"),
    ];
    for origin in foreign {
        for path in ["/api/v1/signup", "/api/v1/login", "/api/v1/logout", "/api/v1/invites"] {
            let request = server.request("POST", path).header("origin", &origin).cookie(&cookie);
            let answer = request.json(json!({"name": "eve", "password": "correct horse"})).send();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "bad_origin"),
                "{origin} {path}"
            );
        }
    }
    let without = server.request("POST", "/api/v1/logout").cookie(&cookie).send();
    assert_eq!(without.code(), "bad_origin");
    let cross = server.request("POST", "/api/v1/logout").header("sec-fetch-site", "cross-site");
    assert_eq!(cross.cookie(&cookie).send().code(), "bad_origin");
    assert_eq!(server.get("/api/v1/session").cookie(&cookie).send().json()["user"]["name"], "ann");
}

#[test]
fn a_form_of_a_foreign_page_has_the_wrong_content_type() {
    let server = Running::start(&[]);
    let body = r#"{"name":"ann","password":"correct horse"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let answer = server.request("POST", "/api/v1/login").raw(kind, body).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (415, "unsupported_media_type"),
            "{kind}"
        );
    }
    let kind = "Application/JSON; charset=utf-8";
    assert_eq!(server.request("POST", "/api/v1/login").raw(kind, body).send().status, 401);
}

#[test]
fn no_other_origin_is_ever_let_in_by_cors() {
    let server = Running::start(&[]);
    for method in ["GET", "POST", "OPTIONS"] {
        let request = server.request(method, "/api/v1/session");
        let answer = request.header("origin", "https://evil.example").send();
        assert!(!answer.head.contains("access-control-"), "{}", answer.head);
    }
}

#[test]
fn a_page_of_another_site_may_use_the_ways_beside_the_socket_without_a_cookie() {
    let server = Running::start(&[]);
    for path in ["/api/v1/poll", "/api/v1/stream", "/api/v1/commands"] {
        let ask = server.request("OPTIONS", path).header("origin", "https://shop.example");
        let answer = ask.header("access-control-request-method", "POST").send();
        assert_eq!(answer.status, 204, "{path}");
        let post = server.post(path, json!({})).header("origin", "https://shop.example").send();
        assert_eq!(post.status, 401, "{path}");
        for head in [answer.head, post.head] {
            assert!(head.contains("access-control-allow-origin: *"), "{path}: {head}");
            assert!(!head.contains("credentials"), "{path}: {head}");
        }
    }
}

#[test]
fn sign_up_is_closed_where_it_was_closed() {
    let server = Running::start(&["--signup", "closed"]);
    let body = json!({"name": "ann", "password": "correct horse"});
    let answer = server.post("/api/v1/signup", body).send();
    assert_eq!((answer.status, answer.code().as_str()), (403, "signup_closed"));
}

#[test]
fn an_invitation_lets_a_person_in_who_may_invite_the_next() {
    let server = Running::start(&["--signup", "invite"]);
    let body = |name: &str, invite: &str| json!({"name": name, "password": "correct horse", "invite": invite});
    let uninvited = server.post("/api/v1/signup", body("eve", "")).send();
    assert_eq!(uninvited.code(), "signup_closed");
    let first = server.said.split("#invite=").nth(1).unwrap().lines().next().unwrap();
    let ann = server.post("/api/v1/signup", body("ann", first)).send();
    assert_eq!(ann.status, 201, "{}", ann.text);
    let invited = server.post("/api/v1/invites", json!({})).cookie(&ann.cookie()).send();
    let second = invited.json()["invite"].as_str().unwrap().to_owned();
    assert_eq!(server.post("/api/v1/signup", body("bob", &second)).send().status, 201);
    assert_eq!(server.post("/api/v1/invites", json!({})).send().status, 401);
}

#[test]
fn guessing_is_slowed_down_with_the_time_to_wait() {
    for words in [&["--limit-loopback"][..], &[]] {
        let server = Running::start(words);
        server.sign_up("ann");
        let login = |password: &str| {
            server.post("/api/v1/login", json!({"name": "ann", "password": password})).send()
        };
        let refused = (0..20).map(|_| login("guess")).find(|answer| answer.status != 401).unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
        assert!(refused.json()["error"]["retry_after_ms"].as_u64().unwrap() > 0);
        assert!(refused.header("retry-after").is_some());
        assert_eq!(login("correct horse").status, 429, "also the right one waits");
    }
}

#[test]
fn many_may_sign_in_at_once() {
    let server = Running::start(&[]);
    server.sign_up("ann");
    let login = || {
        let body = json!({"name": "ann", "password": "correct horse"});
        server.post("/api/v1/login", body).send().status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50).map(|_| scope.spawn(login)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 50]);
}

#[test]
fn an_unknown_path_or_method_is_answered_in_the_same_shape() {
    let server = Running::start(&[]);
    assert_eq!(server.get("/api/v1/nothing").send().code(), "not_found");
    let wrong = server.request("PUT", "/api/v1/login").send();
    assert_eq!((wrong.status, wrong.code().as_str()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_cookie_opens_a_socket_for_the_own_page_only() {
    let server = Running::start(&[]);
    let cookie = server.sign_up("ann");
    let origin = server.origin();
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let mut socket = server.socket(&own).await.unwrap();
    socket.say(json!({"type": "hello"})).await;
    assert_eq!(socket.next("welcome").await["user"]["name"], "ann");
    for headers in [
        vec![("cookie", cookie.as_str())],
        vec![("cookie", cookie.as_str()), ("origin", "null")],
        vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")],
    ] {
        let refused = server.socket(&headers).await.err().unwrap();
        assert!(refused.contains("403"), "{refused}");
    }
}

#[tokio::test]
async fn signing_out_closes_the_sockets_of_that_session() {
    let server = Running::start(&[]);
    let cookie = server.sign_up("ann");
    let origin = server.origin();
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let mut socket = server.socket(&own).await.unwrap();
    socket.say(json!({"type": "hello"})).await;
    socket.next("welcome").await;
    let request = server.request("POST", "/api/v1/logout").header("origin", &origin);
    assert_eq!(request.cookie(&cookie).send().status, 204);
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test]
async fn a_person_changes_the_own_name_and_open_windows_hear_of_it() {
    let server = Running::start(&[]);
    let cookie = server.sign_up("ann");
    let origin = server.origin();
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let mut socket = server.socket(&own).await.unwrap();
    socket.say(json!({"type": "hello"})).await;
    let ann = socket.next("welcome").await["user"]["id"].clone();
    let rename = |cookie: Option<&str>, name: &str| {
        let request = server.request("PUT", "/api/v1/profile").header("origin", &origin);
        cookie
            .into_iter()
            .fold(request, |request, cookie| request.cookie(cookie))
            .json(json!({"name": name}))
            .send()
    };
    assert_eq!(rename(None, "Eve").status, 401);
    assert_eq!(rename(Some(&cookie), " \u{202e}").code(), "invalid");
    let renamed = rename(Some(&cookie), "Anna");
    assert_eq!((renamed.status, &renamed.json()["user"]["name"]), (200, &json!("Anna")));
    assert_eq!(socket.next("people").await["people"], json!([{"id": ann, "name": "Anna"}]));
    let now = server.get("/api/v1/session").cookie(&cookie).send().json();
    assert_eq!(now["user"]["name"], "Anna");
}
