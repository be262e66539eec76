//! Search on PostgreSQL: a message's words are in its row, and go when its text goes.

use moorline_store::Search;

use crate::stage::Stage;

#[tokio::test]
async fn neither_an_edit_nor_a_deletion_leaves_the_old_words_in_a_row() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let rows = |word: &str| {
        let count =
            format!("SELECT count(*) FROM moorline.events WHERE words @@ '{word}'::tsquery");
        stage.place().database().psql(&count).unwrap()
    };
    let edited = stage.send("ann", "r", "c1", "walrus seal").await.unwrap();
    let deleted = stage.send("ann", "r", "c2", "penguin").await.unwrap();
    assert_eq!([rows("walrus"), rows("penguin")], ["1", "1"]);
    stage.edit("ann", "r", "c3", edited.id, "seal otter").await.unwrap();
    stage.delete("ann", "r", "c4", deleted.id).await.unwrap();
    let found = ["walrus", "penguin", "seal", "otter"].map(rows);
    assert_eq!(found, ["0", "0", "1", "1"]);
    // What is sent and changed in one batch is no exception.
    let sent = stage.send("ann", "r", "c5", "herring");
    stage.store.flush().await.unwrap();
    let sent = sent.await.unwrap();
    stage.edit("ann", "r", "c6", sent.id, "cod from ann").await.unwrap();
    assert_eq!([rows("herring"), rows("cod")], ["0", "1"]);
    let hits = stage.search("ann", &Search::new("cod from:ann in:r", 10)).await;
    assert_eq!((hits.hits.len(), hits.behind_ms), (1, 0));
}
