//! Clocks that are an hour apart, against a real Redis and a real PostgreSQL: the doctor's own clock is set back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

use std::time::{Duration, SystemTime};

use moorline_doctor::{Layer, Listening, Local, Mask, Report, Status, Subject, Wanted, examine};
use moorline_layer::{Host, Options};
use moorline_test_postgres::Database;
use moorline_test_redis::Server;

fn an_hour_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(3_600)
}

async fn examined(code: &str, local: Local, now: fn() -> SystemTime) -> Report {
    let subject = Subject {
        local: Ok(local),
        misspelt: vec![],
        web: None,
        token: None,
        mask: Mask::default(),
        now,
    };
    examine(subject, &Wanted::of(&[code.to_owned()]).unwrap()).await
}

fn local(redis: Option<&Server>, database: Option<&Database>) -> Local {
    let layer = redis.map(|server| Layer {
        options: Options {
            hosts: vec![Host::parse(&server.url(0)).unwrap()],
            ..Options::default()
        },
        is_pubsub: false,
    });
    Local {
        data_dir: std::env::temp_dir(),
        listening: Listening::default(),
        database: database.map(|database| database.url().parse().unwrap()),
        layer,
        events: None,
        ping_interval: Duration::from_secs(25),
        jwt_secret: None,
        running: None,
    }
}

async fn is_found(code: &str, local: Local) {
    let report = examined(code, local.clone(), an_hour_ago).await;
    let found = &report.findings[0];
    assert_eq!(found.status, Status::Fail, "{found:?}");
    // The moment between the two readings is part of what is told.
    assert!(
        found.seen.contains("59 min ahead") || found.seen.contains("60 min ahead"),
        "{found:?}"
    );
    assert!(found.fix.as_ref().unwrap().contains("timedatectl"), "{found:?}");
    let report = examined(code, local, SystemTime::now).await;
    assert_eq!(report.findings[0].status, Status::Pass, "{:?}", report.findings[0]);
}

#[tokio::test]
async fn a_redis_whose_clock_is_an_hour_ahead_is_found() {
    let server = Server::start();
    is_found("ML-REDIS-006", local(Some(&server), None)).await;
}

#[tokio::test]
async fn a_database_whose_clock_is_an_hour_ahead_is_found() {
    let database = Database::new();
    is_found("ML-STORE-007", local(None, Some(&database))).await;
}
