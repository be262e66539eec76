//! Faults of the way from outside: of proxies, of pages, of tokens, of clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moorline_protocol::api::TokenClaims;
use moorline_server::auth::jwt;

use crate::examined::{Doctor, OTHER_SECRET};
use crate::front::{Fault, Front};
use crate::running::{Running, SECRET};

fn signed(secret: &str, ends_in: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = TokenClaims {
        sub: "ann".into(),
        exp: now.checked_add_signed(ends_in).unwrap(),
        iat: Some(now - 7_200),
        nbf: None,
        name: None,
        rooms: None,
    };
    jwt::sign(&claims, secret.as_bytes()).unwrap()
}

/// A token that is good for an hour.
pub(crate) fn token(secret: &str) -> String {
    signed(secret, 3_600)
}

/// One that was good until an hour ago.
pub(crate) fn expired_token(secret: &str) -> String {
    signed(secret, -3_600)
}

fn server(words: &[&str]) -> Running {
    Running::start(&[&["--jwt-secret", SECRET], words].concat())
}

/// A doctor who comes through a proxy, with a good token.
fn through(front: &Front) -> Doctor {
    Doctor::with(&[&front.url()]).token(&token(SECRET))
}

#[test]
fn a_proxy_that_passes_no_upgrade_is_found() {
    let server = server(&[]);
    let front = Front::start(server.address, Fault::NoUpgrade);
    through(&front).finds("ML-WEB-002", "instead of 101", "proxy_set_header Upgrade");
    through(&Front::start(server.address, Fault::None)).passes("ML-WEB-002");
}

#[test]
fn a_proxy_that_ends_silent_connections_is_found_with_its_limit() {
    let server = server(&[]);
    let front = Front::start(server.address, Fault::Idle(Duration::from_secs(3)));
    let doctor = through(&front).and(&["--idle", "20s"]);
    doctor.finds("ML-WEB-008", "A silent connection dies after", "--ping-interval");
    let (_, found) = doctor.check("ML-WEB-008");
    assert!(found.told.contains("without a close frame (FIN): not the server"), "{}", found.told);
    let healthy = Front::start(server.address, Fault::None);
    through(&healthy).and(&["--idle", "6s"]).passes("ML-WEB-008");
}

#[test]
fn pings_that_come_often_enough_hold_what_silence_would_lose() {
    let server = server(&["--ping-interval", "1"]);
    let front = Front::start(server.address, Fault::Idle(Duration::from_secs(8)));
    let doctor = through(&front).and(&["--idle", "16s"]);
    let told = doctor.passes("ML-WEB-008");
    assert!(told.contains("dies after") && told.contains("often enough"), "{told}");
    let told = doctor.passes("ML-WEB-009");
    assert!(told.contains("came through"), "{told}");
}

/// The same with a limit that proxies really have, and the server's own interval and two others.
#[test]
#[ignore = "takes two minutes: cargo xtask prove doctor"]
fn a_proxy_that_ends_connections_after_thirty_seconds_is_found_with_its_limit() {
    let [own, rare, often] = [&[][..], &["--ping-interval", "40"], &["--ping-interval", "12"]];
    let found = [own, rare, often].map(|words| {
        std::thread::spawn(move || {
            let server = server(words);
            let front = Front::start(server.address, Fault::Idle(Duration::from_secs(30)));
            let doctor = through(&front).and(&["--idle", "60s"]);
            (doctor.check("ML-WEB-008"), doctor.check("ML-WEB-009"))
        })
    });
    let [own, rare, often] = found.map(|doctor| doctor.join().unwrap());
    for ((exit, silence), status) in [(&own.0, "warn"), (&rare.0, "fail"), (&often.0, "pass")] {
        assert_eq!((*exit, silence.status.as_str()), (i32::from(status == "fail"), status));
        let told = &silence.told;
        let seconds = told.split("dies after ").nth(1).and_then(|rest| rest.split(' ').next());
        let seconds: u32 = seconds.unwrap().parse().unwrap();
        assert!((30..=40).contains(&seconds), "{told}");
        assert!(told.contains("without a close frame (FIN): not the server"), "{told}");
    }
    assert!(own.0.1.fix.contains("--ping-interval 15"), "{}", own.0.1.fix);
    for ((exit, pings), status) in [(&own.1, "pass"), (&rare.1, "fail"), (&often.1, "pass")] {
        assert_eq!((*exit, pings.status.as_str()), (i32::from(status == "fail"), status));
    }
}

#[test]
fn a_proxy_that_holds_streams_back_is_found() {
    let server = server(&[]);
    let front = Front::start(server.address, Fault::Buffer);
    through(&front).finds("ML-WEB-005", "buffers the stream", "proxy_buffering off");
    through(&Front::start(server.address, Fault::None)).passes("ML-WEB-005");
}

#[test]
fn a_page_that_the_server_does_not_list_is_found() {
    let server = server(&[]);
    let doctor = Doctor::with(&[&server.origin()]);
    let page = "https://other.example.org";
    let other = doctor.clone().and(&["--origin", page]);
    other.finds("ML-WEB-003", "bad_origin", "--origin https://other.example.org");
    doctor.passes("ML-WEB-003");
}

#[test]
fn a_token_that_the_server_refuses_is_found_with_the_reason() {
    let server = server(&[]);
    let doctor = Doctor::with(&[&server.origin()]);
    doctor.clone().token(&expired_token(SECRET)).finds("ML-WEB-004", "expired", "token mint");
    doctor.clone().token(&token(OTHER_SECRET)).finds(
        "ML-WEB-004",
        "another key",
        "--jwt-secret-file",
    );
    assert!(doctor.token(&token(SECRET)).passes("ML-WEB-004").contains("`ann`"));
}

#[test]
fn a_clock_that_is_off_by_an_hour_is_found() {
    let server = server(&[]);
    let front = Front::start(server.address, Fault::Date);
    through(&front).finds("ML-WEB-006", "this machine's", "timedatectl");
    through(&Front::start(server.address, Fault::None)).passes("ML-WEB-006");
}

#[test]
fn a_server_that_is_not_there_ends_with_3_and_another_one_is_told_apart() {
    let (exit, found) = Doctor::with(&["http://127.0.0.1:1"]).check("ML-WEB-001");
    assert_eq!((exit, found.status.as_str()), (3, "fail"), "{}", found.told);
    let server = server(&[]);
    let below = format!("{}/elsewhere", server.origin());
    Doctor::with(&[&below]).finds("ML-WEB-001", "is not Moorline", "deploy/");
    Doctor::with(&[&server.origin()]).passes("ML-WEB-001");
}

#[test]
fn a_healthy_server_is_well_as_a_whole() {
    let server = server(&[]);
    let front = Front::start(server.address, Fault::None);
    let (exit, text) = through(&front).run(&[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("All is well:") && text.contains("ok   ML-WEB-007"), "{text}");
}
