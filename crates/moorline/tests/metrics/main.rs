//! The numbers of a real server: what the documentation, the dashboard and the alert rules say of them is held against
//! scrapes, and they are held against work of which the exact amount is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]
#![allow(clippy::float_cmp, reason = "what is counted is whole")]

#[path = "../auth_url/backend.rs"]
#[allow(dead_code, reason = "this test uses a part")]
mod backend;
mod counted;
mod promtool;
#[path = "../running/mod.rs"]
mod running;
mod scrape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use backend::{Backend, Reply};
use moorline_test_postgres::Database;
use moorline_test_redis::Server;
use promtool::promtool;
use running::{PATIENCE, Running};
use scrape::{Scrape, names_in};
use serde_json::json;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The scrape once it says this.
fn scrape_with(server: &Running, part: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = server.get("/metrics").send().text;
        if text.contains(part) {
            return text;
        }
        assert!(Instant::now() < deadline, "{part} is not in:\n{text}");
        std::thread::yield_now();
    }
}

/// A scrape of a server on which everything is switched on that counts, and has happened that is counted by a word.
async fn everything() -> String {
    let (database, redis, backend) = (Database::new(), Server::start(), Backend::start().await);
    backend.answer_with(Reply::json(json!({"user": {"id": "7", "name": "Ann"}})));
    let (database_url, redis_url, auth_url) = (database.url(), redis.url(0), backend.url());
    let relay = "/ws/chat/{room}/ group=chat_{room} types=chat.message anonymous=yes";
    let server = Running::start(&[
        "--database-url",
        &database_url,
        "--redis-url",
        &redis_url,
        "--events-url",
        &redis_url,
        "--auth-url",
        &auth_url,
        "--relay",
        relay,
    ]);
    let origin = server.origin();
    let refused = server
        .socket(&[("origin", "https://evil.example"), ("cookie", "moorline_session=x")])
        .await;
    assert!(refused.is_err(), "a foreign page got in");
    let known = [("origin", origin.as_str()), ("cookie", "sessionid=abc")];
    let mut ann = server.socket(&known).await.unwrap();
    ann.say(json!({"type": "hello"})).await;
    ann.next("welcome").await;
    let mut guest = server.socket_at("/ws/chat/lobby/", &[("origin", &origin)]).await.unwrap();
    guest.say(json!({"said": "where nobody listens"})).await;
    drop(ann);
    drop(redis);
    for part in ["moorline_closes_total{", "moorline_relay_dropped_total{", "moorline_degraded{"] {
        tokio::task::block_in_place(|| scrape_with(&server, part));
    }
    tokio::task::block_in_place(|| server.get("/metrics").send().text)
}

/// Kind and labels of each metric that the page's tables name.
fn documented(page: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `moorline_")?.split(" | ");
        let (name, kind) = (cells.next()?.trim_end_matches('`'), cells.next()?);
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        Some((format!("moorline_{name}"), (kind.to_owned(), labels.map(str::to_owned).collect())))
    });
    rows.collect()
}

fn scraped(scrape: &Scrape) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let families = scrape.families.iter();
    families.map(|(name, of)| (name.clone(), (of.kind.clone(), of.labels.clone()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documentation_dashboard_and_rules_name_what_a_whole_server_tells_and_promtool_likes_it() {
    let text = everything().await;
    let scrape = Scrape::parse(&text);
    let page = read("docs/metrics.md");
    let (in_docs, in_scrape) = (documented(&page), scraped(&scrape));
    for (name, told) in &in_scrape {
        assert_eq!(in_docs.get(name), Some(told), "{name} in docs/metrics.md");
    }
    let only_in_docs: Vec<_> =
        in_docs.keys().filter(|name| !in_scrape.contains_key(*name)).collect();
    assert!(only_in_docs.is_empty(), "told by no server: {only_in_docs:?}");
    let none = BTreeSet::new();
    for path in ["deploy/grafana/moorline.json", "deploy/prometheus/alerts.yml"] {
        let book = read(path);
        assert!(names_in(&book).len() > 8, "{path} names hardly anything");
        assert_eq!(scrape.unknown_in(&book), none, "{path}");
        // One that is renamed is found.
        let renamed =
            book.replace("moorline_slow_reader_closes_total", "moorline_slow_readers_total");
        let found = scrape.unknown_in(&renamed);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["moorline_slow_readers_total"],
            "{path}"
        );
    }
    let (is_fine, said) = promtool(&repository(), &["check", "metrics"], &Scrape::plain(&text));
    assert!(is_fine && said.is_empty(), "{said}");
    let wrong = Scrape::plain(&text).replace("messages_accepted_total", "messagesAccepted");
    let (is_fine, said) = promtool(&repository(), &["check", "metrics"], &wrong);
    assert!(!is_fine && said.contains("messagesAccepted"), "{said}");
}

#[test]
fn each_alert_rule_fires_on_its_series_and_is_silent_without() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, tests) =
        (read("deploy/prometheus/alerts.yml"), read("deploy/prometheus/alerts_test.yml"));
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(alerts.len(), 9);
    let page = read("docs/metrics.md");
    for alert in &alerts {
        for case in [format!("name: {alert} fires\n"), format!("name: {alert} is silent\n")] {
            assert!(tests.contains(&case), "alerts_test.yml has no case `{case}`");
        }
        assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not in docs/metrics.md");
    }
    let run = |rules: &str| {
        std::fs::write(folder.path().join("alerts.yml"), rules).unwrap();
        std::fs::write(folder.path().join("alerts_test.yml"), &tests).unwrap();
        promtool(folder.path(), &["test", "rules", "alerts_test.yml"], "")
    };
    let (is_fine, said) = run(&rules);
    assert!(is_fine, "{said}");
    let (is_fine, said) = promtool(folder.path(), &["check", "rules", "alerts.yml"], "");
    assert!(is_fine && said.contains("9 rules found"), "{said}");
    // A rule that never fires, and one that always does.
    for (right, wrong) in [
        ("gap_detected_total > 0", "gap_detected_total > 9"),
        ("closes_total[15m]) > 5", "closes_total[15m]) >= 0"),
    ] {
        assert!(rules.contains(right), "{right}");
        let (is_fine, said) = run(&rules.replace(right, wrong));
        assert!(!is_fine && said.contains("FAILED"), "{wrong} is not found: {said}");
    }
}

#[test]
fn the_dashboard_can_be_imported_anywhere() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/moorline.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|one| one["type"] == "datasource" && one["name"] == "datasource"));
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!target["expr"].as_str().unwrap().is_empty(), "{title}");
        }
    }
}
