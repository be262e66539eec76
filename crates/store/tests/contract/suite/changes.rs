//! Edits and deletions.

use moorline_protocol::Seq;
use moorline_store::Error;

use super::stage::{Stage, line};

#[tokio::test]
async fn an_edit_has_its_own_position_and_the_message_its_new_text() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let message = stage.send("ann", "r", "c1", "helo").await.unwrap();
    stage.send("bob", "r", "c1", "?").await.unwrap();
    let edit = stage.edit("ann", "r", "c2", message.id, "hello").await.unwrap();
    assert_eq!(edit.seq, Seq(4));
    let lines =
        ["1 ann +ann +bob", "2 ann: hello (edited by 4)", "3 bob: ?", "4 ann edits 2: hello"];
    assert_eq!(stage.lines("bob", "r").await, lines);
}

#[tokio::test]
async fn only_the_author_edits() {
    let stage = Stage::with_group("r", &["ann", "bob", "eve"]).await;
    let message = stage.send("bob", "r", "c1", "mine").await.unwrap();
    assert_eq!(stage.edit("ann", "r", "c1", message.id, "no").await, Err(Error::Forbidden));
    stage.remove("ann", "r", "c2", &["eve"]).await.unwrap();
    assert_eq!(stage.edit("eve", "r", "c1", message.id, "no").await, Err(Error::NotFound));
}

#[tokio::test]
async fn the_author_or_an_owner_deletes_and_others_do_not() {
    let stage = Stage::with_group("r", &["ann", "bob", "cid"]).await;
    let one = stage.send("bob", "r", "c1", "one").await.unwrap();
    let two = stage.send("bob", "r", "c2", "two").await.unwrap();
    assert_eq!(stage.delete("cid", "r", "c1", one.id).await, Err(Error::Forbidden));
    stage.delete("bob", "r", "c3", one.id).await.unwrap();
    stage.delete("ann", "r", "c1", two.id).await.unwrap();
    let lines =
        ["2 bob: (deleted by 4)", "3 bob: (deleted by 5)", "4 bob deletes 2", "5 ann deletes 3"];
    assert_eq!(stage.lines("cid", "r").await[1..], lines);
}

#[tokio::test]
async fn a_deleted_message_is_neither_edited_nor_deleted_again() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let message = stage.send("ann", "r", "c1", "x").await.unwrap();
    let edit = stage.edit("ann", "r", "c2", message.id, "y").await.unwrap();
    let deletion = stage.delete("ann", "r", "c3", message.id).await.unwrap();
    assert_eq!(stage.edit("ann", "r", "c4", message.id, "z").await, Err(Error::Deleted));
    assert_eq!(stage.delete("ann", "r", "c5", message.id).await, Err(Error::Deleted));
    // What was carried out before keeps its answer.
    assert_eq!(stage.edit("ann", "r", "c2", message.id, "y").await.unwrap(), edit);
    assert_eq!(stage.delete("ann", "r", "c3", message.id).await.unwrap(), deletion);
    assert_eq!(stage.send("ann", "r", "c1", "x").await.unwrap(), message);
}

#[tokio::test]
async fn deleting_empties_the_message_and_all_its_edits_and_keeps_positions() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let message = stage.send("ann", "r", "c1", "secret-one").await.unwrap();
    stage.edit("ann", "r", "c2", message.id, "secret-two").await.unwrap();
    stage.edit("ann", "r", "c3", message.id, "secret-three").await.unwrap();
    stage.delete("ann", "r", "c4", message.id).await.unwrap();
    let events = stage.history("ann", "r").await.unwrap().events;
    let lines: Vec<String> = events.iter().map(line).collect();
    assert_eq!(
        lines[1..],
        ["2 ann: (deleted by 5)", "3 ann edits 2: ", "4 ann edits 2: ", "5 ann deletes 2"]
    );
    assert_eq!(events[1].id, message.id);
    assert!(events[1].cid.is_some());
}

#[tokio::test]
async fn a_message_of_another_room_cannot_be_changed_through_this_one() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.make("q", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    let message = stage.send("ann", "q", "c1", "x").await.unwrap();
    assert_eq!(stage.edit("ann", "r", "c2", message.id, "y").await, Err(Error::NotFound));
    assert_eq!(stage.delete("ann", "r", "c3", message.id).await, Err(Error::NotFound));
}

#[tokio::test]
async fn the_same_cid_for_another_command_is_a_conflict() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let message = stage.send("ann", "r", "c1", "x").await.unwrap();
    assert_eq!(stage.delete("ann", "r", "c1", message.id).await, Err(Error::CidConflict));
    assert_eq!(stage.edit("ann", "r", "c1", message.id, "x").await, Err(Error::CidConflict));
}
