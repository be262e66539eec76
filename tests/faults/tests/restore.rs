//! An older state put back under the server's feet: every client is told (I14), by a new epoch where
//! the server can know, and by the `check` of its position where it cannot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use moorline_faults::crowd::Crowd;
use moorline_faults::raw::{Came, Raw};
use moorline_faults::recorder::{Recorder, judge};
use moorline_faults::server::Site;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

const DEADLINE: Duration = Duration::from_secs(60);

/// Copies the files whose names begin so; what was there under such a name is gone.
fn copy(from: &Path, to: &Path, prefix: &str) {
    let named = |file: &fs::DirEntry| file.file_name().to_string_lossy().starts_with(prefix);
    fs::create_dir_all(to).unwrap();
    for old in fs::read_dir(to).unwrap().flatten().filter(named) {
        fs::remove_file(old.path()).unwrap();
    }
    for file in fs::read_dir(from).unwrap().flatten().filter(named) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// Lets everybody talk until so many more answers came.
async fn talk(crowd: &mut Crowd, more: u64) {
    let over = AtomicBool::new(false);
    let answers = crowd.answers.clone();
    let enough = answers.load(Ordering::Relaxed) + more;
    let watch = async {
        while AtomicU64::load(&answers, Ordering::Relaxed) < enough {
            sleep(Duration::from_millis(2)).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let both = async { tokio::join!(crowd.talk(&over), watch).0 };
    timeout(DEADLINE, both).await.expect("nobody is answered").unwrap();
}

#[tokio::test]
async fn an_older_database_gets_new_epochs_and_every_client_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older) = (folder.path().join("data"), folder.path().join("older"));
    fs::create_dir(&data).unwrap();
    let site = Site::new(&data).unwrap();
    let history = folder.path().join("history.jsonl");
    let recorder = Recorder::create(&history, &["restart", "restore"], 25_000).unwrap();
    let mut server = site.start().await.unwrap();
    let mut crowd = Crowd::gather(site.address, &recorder, 1).await.unwrap();
    talk(&mut crowd, 50).await;
    recorder.fault("restart", "begin");
    server.stop().await.unwrap();
    copy(&data, &older, "moorline.db");
    let mut server = site.start().await.unwrap();
    recorder.fault("restart", "end");
    talk(&mut crowd, 50).await;
    crowd.settle().await.unwrap();
    recorder.fault("restore", "begin");
    crowd.disperse().await;
    server.stop().await.unwrap();
    copy(&older, &data, "moorline.db");
    let server = site.start().await.unwrap();
    recorder.fault("restore", "end");
    talk(&mut crowd, 50).await;
    crowd.conclude(&server, &recorder).await.unwrap();
    let judgement = judge(recorder.end().unwrap()).unwrap();
    assert!(judgement.ok, "{}", judgement.text);
    assert!(judgement.keeps("I14"), "{}", judgement.text);
    assert!(crowd.resets().len() >= crowd.clients.len(), "{:?}", crowd.resets());
}

/// The newest position of the room, as a client that applied everything has it.
async fn position(ann: &mut Raw) -> Value {
    let page = ann.ask(&json!({"type":"history","id":1,"room":"hall","limit":1})).await.unwrap();
    let Came::Frame(page) = page else { panic!("no page") };
    let event = &page["events"][0];
    let id = event["id"].as_str().unwrap();
    json!({"epoch":event["epoch"],"seq":event["seq"],"check":id[id.len() - 8..]})
}

async fn say(ann: &mut Raw, text: &str) {
    let send = json!({"type":"send","id":1,"room":"hall","cid":text,"body":text});
    let answer = ann.ask(&send).await.unwrap();
    assert!(matches!(&answer, Came::Frame(frame) if frame["type"] == "ack"), "{answer:?}");
}

#[tokio::test]
async fn where_the_whole_folder_is_older_the_check_of_a_position_tells() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older) = (folder.path().join("data"), folder.path().join("older"));
    fs::create_dir(&data).unwrap();
    let site = Site::new(&data).unwrap();
    let mut server = site.start().await.unwrap();
    server.api("PUT", "/api/v1/users/ann", Some(json!({"name":"Ann"}))).await.unwrap();
    let hall = json!({"id":"hall","kind":"group","name":"Hall","members":["ann"]});
    server.api("POST", "/api/v1/rooms", Some(hall)).await.unwrap();
    server.stop().await.unwrap();
    copy(&data, &older, "");
    let mut server = site.start().await.unwrap();
    let mut ann = Raw::welcome(site.address, "ann").await.unwrap();
    say(&mut ann, "lost-1").await;
    say(&mut ann, "lost-2").await;
    let known = position(&mut ann).await;
    drop(ann);
    server.stop().await.unwrap();
    copy(&older, &data, "");
    let _server = site.start().await.unwrap();
    let mut ann = Raw::welcome(site.address, "ann").await.unwrap();
    for text in ["before", "new-1", "new-2", "new-3"] {
        // At first the position is in the future; later another event stands there.
        let resume = json!({"type":"resume","positions":{"hall":known}});
        let Came::Frame(frame) = ann.ask(&resume).await.unwrap() else { panic!("no frame") };
        assert_eq!(frame["type"], "reset", "{text}: {frame}");
        say(&mut ann, text).await;
    }
}
