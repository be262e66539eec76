//! A disk that fills up under the whole server: sends are refused as `storage_full`, reading goes on, and it recovers
//! without a restart, with nothing acknowledged lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use moorline_faults::crowd::Crowd;
use moorline_faults::raw::{Came, Raw};
use moorline_faults::recorder::{Recorder, judge};
use moorline_faults::server::{Server, Site};
use moorline_faults::small_disk::SmallDisk;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

const DEADLINE: Duration = Duration::from_secs(60);

fn send(number: usize) -> Value {
    let body = format!("{number} {}", "y".repeat(500));
    json!({"type":"send","id":number,"room":"room","cid":format!("c{number}"),"body":body})
}

/// Sends until the disk has no more room; answers the last one that was acknowledged and the one that was refused.
async fn until_refused(disk: &SmallDisk, eve: &mut Raw) -> (usize, usize) {
    for number in 2.. {
        disk.fill().unwrap();
        let answer = eve.ask(&send(number)).await.unwrap();
        match answer.error() {
            None => continue,
            Some("storage_full") => {
                let Came::Frame(error) = answer else { panic!("no frame") };
                assert_eq!(error["retry"], true, "{error}");
                assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
                return (number - 1, number);
            }
            Some(other) => panic!("refused as {other}"),
        }
    }
    unreachable!()
}

/// The same command again and again, until it is acknowledged.
async fn until_acked(eve: &mut Raw, number: usize) -> Value {
    loop {
        let answer = eve.ask(&send(number)).await.unwrap();
        if answer.error().is_none() {
            let Came::Frame(ack) = answer else { panic!("no frame") };
            return ack;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The disk is full for a while and then has room again; eve sees what people must see.
async fn fill_and_free(disk: &SmallDisk, server: &Server, eve: &mut Raw) {
    let (stored, refused) = until_refused(disk, eve).await;
    // For a while, so that the others are refused as well.
    for _ in 0..50 {
        disk.fill().unwrap();
        assert_eq!(eve.ask(&send(refused)).await.unwrap().error(), Some("storage_full"));
        sleep(Duration::from_millis(20)).await;
    }
    let history = json!({"type":"history","id":9_000,"room":"room","limit":1});
    let Came::Frame(page) = eve.ask(&history).await.unwrap() else { panic!("no page") };
    assert_eq!(page["events"][0]["cid"], format!("c{stored}"), "reading goes on: {page}");
    assert_eq!(server.request("GET", "/readyz", None, &[]).await.unwrap().status, 503);
    disk.free().unwrap();
    let ack = timeout(DEADLINE, until_acked(eve, refused)).await.unwrap();
    assert_eq!(ack["type"], "ack", "{ack}");
}

async fn until_answered(answers: &AtomicU64, enough: u64) {
    while answers.load(Ordering::Relaxed) < enough {
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_sends_goes_on_reading_and_recovers_without_a_restart() {
    let Some(disk) = SmallDisk::new(24) else { return };
    let outside = tempfile::tempdir().unwrap();
    let data = disk.path().join("data");
    fs::create_dir(&data).unwrap();
    let site = Site::new(&data).unwrap();
    let history = outside.path().join("history.jsonl");
    let recorder = Recorder::create(&history, &["full_disk"], 25_000).unwrap();
    let mut server = site.start().await.unwrap();
    let mut crowd = Crowd::gather(site.address, &recorder, 3).await.unwrap();
    server.api("PUT", "/api/v1/users/eve", Some(json!({"name":"Eve"}))).await.unwrap();
    let room = json!({"id":"room","kind":"group","name":"Room","members":["eve"]});
    server.api("POST", "/api/v1/rooms", Some(room)).await.unwrap();
    let mut eve = Raw::welcome(site.address, "eve").await.unwrap();
    assert_eq!(eve.ask(&send(1)).await.unwrap().error(), None);

    let over = AtomicBool::new(false);
    let answers = crowd.answers.clone();
    let fault = async {
        until_answered(&answers, 100).await;
        recorder.fault("full_disk", "begin");
        fill_and_free(&disk, &server, &mut eve).await;
        recorder.fault("full_disk", "end");
        until_answered(&answers, answers.load(Ordering::Relaxed) + 100).await;
        over.store(true, Ordering::Relaxed);
    };
    let both = async { tokio::join!(crowd.talk(&over), fault).0 };
    timeout(DEADLINE, both).await.expect("it does not recover").unwrap();
    assert!(server.is_running().unwrap());
    crowd.conclude(&server, &recorder).await.unwrap();
    let judgement = judge(recorder.end().unwrap()).unwrap();
    assert!(judgement.ok, "{}", judgement.text);
}
