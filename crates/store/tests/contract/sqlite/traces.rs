//! What is pruned or erased is really gone from the files, and not only out of sight.

use std::path::Path;

use moorline_store::{Eraser, NewAccount, Prune};

use crate::stage::{Stage, room, user};

/// Words that stand nowhere else, in bodies and in the search index.
const OLD: &str = "quoxxilane";
const NEW: &str = "vrumbalixo";

/// Whether a text is in any file of the folder.
fn is_in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Many messages, so that they stand on pages of their own and in several segments of the index. Their cids name the
/// sender: they outlive what they point to, and go with the person.
async fn fill(stage: &Stage, from: &str, word: &str) {
    let sends: Vec<_> = (0..600)
        .map(|n| stage.send(from, "r", &format!("{from}~{}", stage.now()), &format!("{word} {n}")))
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    stage.indexed().await;
}

#[tokio::test]
async fn a_pruned_text_is_gone_from_the_file_and_from_the_index_in_it() {
    let stage = Stage::with_group("r", &["ann"]).await;
    fill(&stage, "ann", OLD).await;
    let before_ms = stage.now();
    fill(&stage, "ann", NEW).await;
    let place = stage.place().clone();
    let stage = stage.reopen().await;
    assert!(is_in_files(place.folder(), OLD), "the test can see it");
    let prune = Prune { room: room("r"), before_ms };
    while stage.store.prune(prune.clone()).await.unwrap() > 0 {}
    assert!(stage.find("ann", OLD).await.is_empty());
    assert_eq!(stage.find("ann", NEW).await.len(), 100);
    stage.store.close().await;
    assert!(!is_in_files(place.folder(), OLD));
    assert!(is_in_files(place.folder(), NEW));
}

#[tokio::test]
async fn an_erased_person_is_gone_from_the_file() {
    let stage = Stage::with(&["bob"]).await;
    let account = NewAccount {
        login: "loginofhers".into(),
        name: "Nameofhers".into(),
        password_hash: "hashofhers".into(),
        at_ms: stage.now(),
    };
    let ann = stage.store.create_account(account).await.unwrap();
    stage.make("r", moorline_protocol::RoomKind::Group, &["bob", ann.as_str()]).await.unwrap();
    fill(&stage, ann.as_str(), OLD).await;
    fill(&stage, "bob", NEW).await;
    let (place, ann) = (stage.place().clone(), ann.as_str().to_owned());
    let stage = stage.reopen().await;
    let traces = [OLD, &ann, "loginofhers", "Nameofhers", "nameofhers", "hashofhers"];
    for trace in traces {
        assert!(is_in_files(place.folder(), trace), "the test can see {trace}");
    }
    stage.store.begin_erasing(user(&ann), false, stage.now()).await.unwrap();
    let erasing = stage.store.erasings().await.unwrap().pop().unwrap();
    let mut eraser = Eraser::new(stage.store.clone(), erasing);
    while eraser.step(stage.now()).await.unwrap() {}
    stage.store.close().await;
    for trace in traces {
        assert!(!is_in_files(place.folder(), trace), "{trace} is still there");
    }
    assert!(is_in_files(place.folder(), NEW));
}
