//! I14: a standby that takes over gives a new life to the rooms of which it lacks something that was shown, and to no other.

use std::sync::Arc;

use moorline_protocol::{Position, ResetReason, RoomId, RoomKind};
use moorline_store::{Commits, Resumed, Since, Store, StoreConfig};
use moorline_test_postgres::Server;
use tempfile::TempDir;

use crate::backend::Place;
use crate::stage::{Stage, eventually, follow, room, user};

/// A primary, its standby, and a node that uses whichever of them can be written to.
struct Pair {
    primary: Server,
    standby: Server,
    stage: Stage,
}

impl Pair {
    /// With these rooms of Ann, each with one message, all of it on the standby as well.
    async fn with(rooms: &[&str]) -> Self {
        let primary = Server::start();
        let standby = Server::replica_of(&primary);
        let stage = Stage::at(Arc::new(Place::on_either(&primary, &standby)));
        stage.store.put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
        for id in rooms {
            stage.make(id, RoomKind::Group, &["ann"]).await.unwrap();
            stage.send("ann", id, "kept", "kept").await.unwrap();
        }
        standby.catch_up_with(&primary);
        Self { primary, standby, stage }
    }

    /// The primary is gone, and the standby takes over.
    fn fail_over(&mut self) {
        self.primary.kill("KILL");
        self.standby.promote();
    }

    /// Another node on the same pair.
    fn another_node(&self) -> (TempDir, Store, Commits) {
        let folder = TempDir::new().unwrap();
        let url = self.primary.url_or(&self.standby, "postgres");
        let config = StoreConfig::new(folder.path()).in_database(url.parse().unwrap());
        let (store, commits) = Store::open(config).unwrap();
        (folder, store, commits)
    }

    async fn epoch(&self, of: &str) -> u64 {
        let mut found = None;
        eventually(async || {
            found = self.stage.store.head(&room(of)).await.ok();
            found.is_some()
        })
        .await;
        found.unwrap().epoch.0
    }

    async fn resume(&self, of: &str, from: Position) -> Resumed {
        let mut found = None;
        eventually(async || {
            let (ann, of, from) = (user("ann"), room(of), from.clone());
            found = self.stage.store.resume(&ann, &of, from, 100).await.ok();
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}

fn is_new_life(resumed: &Resumed) -> bool {
    matches!(resumed, Resumed::Reset { reason: ResetReason::Epoch, .. })
}

#[tokio::test]
async fn a_standby_that_has_everything_takes_over_and_nobody_is_reset() {
    let mut pair = Pair::with(&["r", "q"]).await;
    let before = (pair.epoch("r").await, pair.epoch("q").await);
    let position = pair.stage.position("r", 2).await;
    pair.fail_over();
    eventually(async || pair.stage.send("ann", "r", "next", "next").await.is_ok()).await;
    assert_eq!((pair.epoch("r").await, pair.epoch("q").await), before);
    let resumed = pair.resume("r", position).await;
    assert!(matches!(&resumed, Resumed::Events { events, .. } if events.len() == 1), "{resumed:?}");
}

#[tokio::test]
async fn a_standby_that_lacks_messages_gives_their_rooms_alone_a_new_life_before_they_are_read() {
    let mut pair = Pair::with(&["r", "q", "p"]).await;
    let before = (pair.epoch("r").await, pair.epoch("q").await, pair.epoch("p").await);
    pair.standby.fall_behind();
    pair.stage.send("ann", "r", "lost", "lost").await.unwrap();
    // What a read showed counts as well as what an ack said.
    let (_folder, other, commits) = pair.another_node();
    follow(commits);
    let send = moorline_store::Send {
        from: user("ann"),
        room: room("p"),
        cid: crate::stage::cid("lost"),
        body: "lost".to_owned(),
        reply_to: None,
        at_ms: 1,
    };
    other.send(send).await.unwrap();
    assert_eq!(pair.stage.history("ann", "p").await.unwrap().events.len(), 3);
    let positions = (pair.stage.position("r", 3).await, pair.stage.position("p", 3).await);
    let kept = pair.stage.position("q", 2).await;
    drop(other);
    pair.fail_over();
    // The first thing that is asked is a read.
    assert!(is_new_life(&pair.resume("r", positions.0).await));
    assert!(is_new_life(&pair.resume("p", positions.1).await));
    assert!(matches!(pair.resume("q", kept).await, Resumed::Events { .. }));
    assert_ne!(pair.epoch("r").await, before.0);
    assert_eq!(pair.epoch("q").await, before.1);
    assert_ne!(pair.epoch("p").await, before.2);
    eventually(async || pair.stage.send("ann", "r", "lost", "again").await.is_ok()).await;
    assert_eq!(pair.stage.lines("ann", "r").await[1..], ["2 ann: kept", "3 ann: again"]);
}

#[tokio::test]
async fn what_another_node_sent_and_a_look_told_of_is_missed_too_even_where_something_stands_in_its_place()
 {
    let mut pair = Pair::with(&["r", "q"]).await;
    let before = pair.epoch("r").await;
    let (_folder, looking, commits) = pair.another_node();
    follow(commits);
    let since = looking.changed_rooms(None).await.unwrap().unwrap().since;
    pair.standby.fall_behind();
    pair.stage.send("ann", "r", "lost", "lost").await.unwrap();
    let changed = looking.changed_rooms(Some(since)).await.unwrap().unwrap();
    assert!(changed.rooms.iter().any(|touched| touched.room == room("r")));
    pair.fail_over();
    // Somebody else writes at the same place, in the same life, before the node that knows comes back.
    let put = "INSERT INTO moorline.events (room, seq, kind, id, sender, at, messages, body)
         SELECT n, 3, 1, gen_random_uuid(), 2, 1, 2, 'other' FROM moorline.rooms WHERE id = 'r';
         UPDATE moorline.rooms SET head = 3 WHERE id = 'r'";
    pair.standby.psql("postgres", put).unwrap();
    eventually(async || looking.head(&room("r")).await.is_ok_and(|head| head.epoch.0 != before))
        .await;
}

#[tokio::test]
async fn a_room_whose_making_was_lost_is_told_to_whoever_followed_it() {
    let mut pair = Pair::with(&["r"]).await;
    pair.standby.fall_behind();
    pair.stage.make("new", RoomKind::Group, &["ann"]).await.unwrap();
    pair.fail_over();
    let mut lost: Vec<RoomId> = Vec::new();
    let mut since: Option<Since> = None;
    eventually(async || {
        if let Ok(Some(changed)) = pair.stage.store.changed_rooms(since).await {
            since = Some(changed.since);
            lost.extend(changed.lost);
        }
        lost == [room("new")]
    })
    .await;
}

#[tokio::test]
async fn a_node_that_starts_on_a_promoted_standby_cannot_know_and_gives_every_room_a_new_life_once()
{
    let mut pair = Pair::with(&["r"]).await;
    let before = pair.epoch("r").await;
    let (_folder, other, commits) = pair.another_node();
    follow(commits);
    other.close().await;
    pair.stage.store.clone().close().await;
    pair.fail_over();
    let (_folder, fresh, commits) = pair.another_node();
    follow(commits);
    let after = fresh.head(&room("r")).await.unwrap().epoch.0;
    assert_ne!(after, before);
    let (_folder, fresh, commits) = pair.another_node();
    follow(commits);
    assert_eq!(fresh.head(&room("r")).await.unwrap().epoch.0, after);
}

#[tokio::test]
async fn a_server_that_comes_back_with_an_older_state_of_its_own_files_is_found_out() {
    // The disk said that it had synced, and had not: same cluster, same timeline, same generation.
    let mut server = Server::start();
    let stage = Stage::at(Arc::new(Place::on(&server)));
    stage.store.put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    for id in ["r", "q"] {
        stage.make(id, RoomKind::Group, &["ann"]).await.unwrap();
    }
    let before = (
        stage.store.head(&room("r")).await.unwrap().epoch,
        stage.store.head(&room("q")).await.unwrap().epoch,
    );
    server.kill("INT");
    server.keep_copy();
    server.resume();
    eventually(async || stage.send("ann", "r", "lost", "lost").await.is_ok()).await;
    server.kill("KILL");
    server.put_copy_back();
    server.resume();
    eventually(async || {
        stage.store.head(&room("r")).await.is_ok_and(|head| head.epoch != before.0)
    })
    .await;
    assert_eq!(stage.store.head(&room("q")).await.unwrap().epoch, before.1);
}
