//! Search finds messages as they are now, for those who may see them.

use moorline_store::Store;

use super::stage::{Stage, eventually, line, room, user};

#[tokio::test]
async fn all_words_must_occur_and_the_last_may_be_unfinished() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for (n, body) in
        ["The ship sails at dawn", "Dawn over the harbour", "shipping costs"].iter().enumerate()
    {
        stage.send("ann", "r", &format!("c{n}"), body).await.unwrap();
    }
    stage.indexed().await;
    assert_eq!(
        stage.find("ann", "DAWN").await,
        ["3 ann: Dawn over the harbour", "2 ann: The ship sails at dawn"]
    );
    assert_eq!(stage.find("ann", "dawn ship").await, ["2 ann: The ship sails at dawn"]);
    assert_eq!(stage.find("ann", "ship").await.len(), 2);
    assert_eq!(stage.find("ann", "ship ").await.len(), 1);
    assert_eq!(stage.find("ann", "shark").await.len(), 0);
}

#[tokio::test]
async fn letters_of_many_scripts_are_found_and_signs_break_nothing() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let bodies = [
        "Crème brûlée",
        "Привет мир",
        "नमस्ते दुनिया",
        "a-b \"quoted\" c++ x@y.z",
        "日本語 です",
        "Ⓐ 𞤀𞤣",
    ];
    for (n, body) in bodies.iter().enumerate() {
        stage.send("ann", "r", &format!("c{n}"), body).await.unwrap();
    }
    stage.indexed().await;
    for (query, wanted) in [
        ("creme", 1),
        ("Brûlée ", 1),
        ("привет", 1),
        ("नमस्ते", 1),
        ("quoted", 1),
        ("y.z", 1),
        ("日本", 1),
        ("\"", 0),
        ("", 0),
        ("*", 0),
        ("a AND b", 0),
        ("NEAR(a b)", 0),
        ("body:a", 0),
        ("Ⓐ", 0),
        ("(((", 0),
        ("a\0b", 1),
        ("^a", 1),
    ] {
        assert_eq!(stage.find("ann", query).await.len(), wanted, "{query:?}");
    }
}

#[tokio::test]
async fn search_obeys_membership_and_how_far_back_one_sees() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for who in ["bob", "eve"] {
        stage.store.put_user(user(who), who.to_owned(), 1).await.unwrap();
    }
    stage.send("ann", "r", "c1", "secret old").await.unwrap();
    stage.invite("ann", "r", "c2", &["bob"]).await.unwrap();
    stage.send("ann", "r", "c3", "secret new").await.unwrap();
    stage.indexed().await;
    assert_eq!(stage.find("ann", "secret").await.len(), 2);
    assert_eq!(stage.find("bob", "secret").await, ["4 ann: secret new"]);
    assert!(stage.find("eve", "secret").await.is_empty());
    stage.remove("ann", "r", "c4", &["bob"]).await.unwrap();
    assert!(stage.find("bob", "secret").await.is_empty());
    stage.invite("ann", "r", "c5", &["bob"]).await.unwrap();
    assert!(stage.find("bob", "secret").await.is_empty());
}

#[tokio::test]
async fn an_edited_message_is_found_by_its_new_words_only() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let indexed = stage.send("ann", "r", "c1", "walrus").await.unwrap();
    stage.indexed().await;
    let fresh = stage.send("ann", "r", "c2", "walrus").await.unwrap();
    stage.edit("ann", "r", "c3", indexed.id, "penguin").await.unwrap();
    stage.edit("ann", "r", "c4", fresh.id, "penguin").await.unwrap();
    stage.indexed().await;
    assert!(stage.find("ann", "walrus").await.is_empty());
    assert_eq!(stage.find("ann", "penguin").await.len(), 2);
}

#[tokio::test]
async fn a_deleted_message_is_not_found_whether_indexed_or_not() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let indexed = stage.send("ann", "r", "c1", "walrus").await.unwrap();
    stage.indexed().await;
    let fresh = stage.send("ann", "r", "c2", "walrus").await.unwrap();
    stage.delete("ann", "r", "c3", indexed.id).await.unwrap();
    stage.delete("ann", "r", "c4", fresh.id).await.unwrap();
    stage.indexed().await;
    assert!(stage.find("ann", "walrus").await.is_empty());
}

#[tokio::test]
async fn hits_come_page_by_page_the_newest_first() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let replies: Vec<_> =
        (0..25).map(|n| stage.send("ann", "r", &format!("c{n}"), &format!("walrus {n}"))).collect();
    for reply in replies {
        reply.await.unwrap();
    }
    stage.indexed().await;
    let page = async |before| {
        let hits =
            stage.store.search(&user("ann"), "walrus", Some(&room("r")), before, 10).await.unwrap();
        let lines: Vec<String> = hits.hits.iter().map(line).collect();
        (lines, hits.more, hits.before)
    };
    let (first, more, before) = page(None).await;
    assert_eq!((first.len(), first[0].as_str(), more), (10, "26 ann: walrus 24", true));
    let (second, more, before) = page(before).await;
    assert_eq!((second.len(), second[0].as_str(), more), (10, "16 ann: walrus 14", true));
    let (third, more, before) = page(before).await;
    assert_eq!((third.len(), third[0].as_str(), more, before), (5, "6 ann: walrus 4", false, None));
}

#[tokio::test]
async fn matches_in_rooms_of_others_do_not_hide_ones_own() {
    let stage = Stage::with_group("mine", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    stage.make("theirs", moorline_protocol::RoomKind::Group, &["bob"]).await.unwrap();
    stage.send("ann", "mine", "c", "walrus").await.unwrap();
    let replies: Vec<_> =
        (0..6_000).map(|n| stage.send("bob", "theirs", &format!("c{n}"), "walrus")).collect();
    for reply in replies {
        reply.await.unwrap();
    }
    stage.indexed().await;
    let (mut before, mut found) = (None, Vec::new());
    loop {
        let hits = stage.store.search(&user("ann"), "walrus", None, before, 10).await.unwrap();
        found.extend(hits.hits.iter().map(line));
        before = hits.before;
        if !hits.more {
            break;
        }
    }
    assert_eq!(found, ["2 ann: walrus"]);
}

async fn is_found(store: &Store, words: &str) -> bool {
    !store.search(&user("ann"), words, None, None, 1).await.unwrap().hits.is_empty()
}

#[tokio::test]
async fn the_index_goes_on_where_it_was_after_a_restart() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "walrus").await.unwrap();
    let stage = stage.reopen().await;
    stage.send("ann", "r", "c2", "penguin").await.unwrap();
    for word in ["walrus", "penguin"] {
        eventually(async || is_found(&stage.store, word).await).await;
    }
}
