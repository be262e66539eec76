//! Erasing a person: nothing of them is left but what they were asked to leave, whenever it was interrupted.

use moorline_protocol::{RoomKind, Seq};
use moorline_store::{DELETED_NAME, Eraser, Error, NewAccount, NewSession};

use super::stage::{Stage, room, user};

impl Stage {
    /// Erases somebody; the runner is thrown away and begun anew after every `steps` steps.
    async fn erase(&self, who: &str, keeps: bool, steps: usize) {
        assert!(self.store.begin_erasing(user(who), keeps, self.now()).await.unwrap());
        self.finish_erasing(steps).await;
    }

    async fn finish_erasing(&self, steps: usize) {
        while let Some(erasing) = self.store.erasings().await.unwrap().pop() {
            let mut eraser = Eraser::new(self.store.clone(), erasing);
            for _ in 0..steps {
                if !eraser.step(self.now()).await.unwrap() {
                    break;
                }
            }
        }
    }

    /// Everybody's view of everything, as text.
    async fn everything(&self, who: &str, of: &str) -> String {
        let page = self.history(who, of).await.unwrap();
        let rooms = self.store.rooms_of(&user(who), None, 10).await.unwrap();
        format!(
            "{:?} {:?} {:?} {rooms:?}",
            page.events,
            page.people,
            self.find(who, "walrus").await
        )
    }
}

/// Ann and bob with a room and a direct room, in both of which ann has written.
async fn stage() -> Stage {
    let stage = Stage::with_public("r", &["bob", "anna-of-old", "cleo"]).await;
    stage.direct("anna-of-old", "bob", "d").await.unwrap();
    for n in 0..3 {
        stage.send("anna-of-old", "r", &format!("a{n}"), &format!("a walrus {n}")).await.unwrap();
        stage.send("bob", "r", &format!("b{n}"), &format!("no walrus {n}")).await.unwrap();
    }
    let edited = stage.send("anna-of-old", "r", "e", "frist").await.unwrap();
    stage.edit("anna-of-old", "r", "e2", edited.id, "first walrus").await.unwrap();
    let direct = stage.direct("bob", "anna-of-old", "again").await.unwrap().room;
    stage.send("anna-of-old", direct.as_str(), "d1", "a secret walrus").await.unwrap();
    stage.indexed().await;
    stage
}

#[tokio::test]
async fn an_erased_persons_messages_become_tombstones_of_nobody() {
    let stage = stage().await;
    stage.erase("anna-of-old", false, usize::MAX).await;
    let lines = stage.lines("bob", "r").await;
    assert_eq!(
        lines,
        [
            "1 bob +bob +deleted +cleo",
            "2 deleted: (deleted by 11)",
            "3 bob: no walrus 0",
            "4 deleted: (deleted by 12)",
            "5 bob: no walrus 1",
            "6 deleted: (deleted by 13)",
            "7 bob: no walrus 2",
            "8 deleted: (deleted by 14)",
            "9 deleted edits 8: ",
            "10 moorline !deleted",
            "11 moorline deletes 2",
            "12 moorline deletes 4",
            "13 moorline deletes 6",
            "14 moorline deletes 8",
        ]
    );
    let page = stage.history("bob", "r").await.unwrap();
    assert!(page.events.iter().all(|event| event.from != user("deleted") || event.cid.is_none()));
    let nobody = page.people.iter().find(|person| person.id == user("deleted")).unwrap();
    assert_eq!(nobody.name, DELETED_NAME);
    assert_eq!(stage.find("bob", "walrus").await.len(), 3);
    let seen = stage.everything("bob", "r").await.to_lowercase();
    assert!(!seen.contains("anna") && !seen.contains("secret"), "{seen}");
}

#[tokio::test]
async fn their_messages_may_be_kept_under_the_name_of_nobody() {
    let stage = stage().await;
    stage.erase("anna-of-old", true, usize::MAX).await;
    let lines = stage.lines("bob", "r").await;
    assert_eq!(lines[1], "2 deleted: a walrus 0");
    assert_eq!(lines[7], "8 deleted: first walrus (edited by 9)");
    assert_eq!(lines[9], "10 moorline !deleted");
    assert_eq!(lines.len(), 10);
    let page = stage.history("bob", "r").await.unwrap();
    assert!(page.events.iter().all(|event| event.from != user("deleted") || event.cid.is_none()));
    let found = stage.find("bob", "walrus").await;
    assert!(found.contains(&"8 deleted: first walrus (edited by 9)".to_owned()), "{found:?}");
    let seen = stage.everything("bob", "r").await.to_lowercase();
    assert!(!seen.contains("anna"), "{seen}");
}

#[tokio::test]
async fn commits_tell_of_it_while_it_happens() {
    let stage = stage().await;
    stage.told.lock().events.clear();
    stage.erase("anna-of-old", false, usize::MAX).await;
    let told = stage.told.lock();
    assert!(
        told.revoked.iter().any(|gone| gone.user == user("anna-of-old") && gone.session.is_none())
    );
    let lines: Vec<String> = told.events.iter().map(|event| super::stage::line(event)).collect();
    assert!(lines.contains(&"10 moorline !anna-of-old".to_owned()), "{lines:?}");
    assert!(lines.contains(&"14 moorline deletes 8".to_owned()), "{lines:?}");
    let members = told.rooms.iter().rfind(|touched| touched.room == room("r")).unwrap().members;
    assert_eq!(members, 2);
}

#[tokio::test]
async fn a_direct_room_stays_with_the_one_who_is_left() {
    let stage = stage().await;
    stage.erase("anna-of-old", false, usize::MAX).await;
    let rooms = stage.store.rooms_of(&user("bob"), None, 10).await.unwrap();
    let direct = rooms.rooms.iter().find(|room| room.kind == RoomKind::Direct).unwrap();
    assert_eq!((direct.peer.clone(), direct.members), (Some(user("deleted")), 1));
    assert!(rooms.people.iter().any(|person| person.name == DELETED_NAME));
    let lines = stage.lines("bob", direct.id.as_str()).await;
    assert_eq!(lines[1], "2 deleted: (deleted by 4)");
    stage.send("bob", direct.id.as_str(), "alone", "hello?").await.unwrap();
}

#[tokio::test]
async fn the_person_is_gone_at_once_and_the_id_is_nobodys_again() {
    let stage = stage().await;
    let ann = user("anna-of-old");
    let token = [7; 32];
    let (at_ms, expires_ms) = (stage.now(), u64::MAX >> 1);
    let session =
        NewSession { token_hash: token, user: ann.clone(), device: None, at_ms, expires_ms };
    stage.store.add_session(session.clone()).await.unwrap();
    assert!(stage.store.begin_erasing(ann.clone(), false, stage.now()).await.unwrap());
    for is_through in [false, true] {
        if is_through {
            stage.finish_erasing(usize::MAX).await;
        }
        assert!(stage.store.user(&ann).await.unwrap().unwrap().removed);
        let welcome = stage.store.for_welcome(&ann, 10, Vec::new()).await.unwrap();
        assert!(welcome.user.unwrap().removed && welcome.rooms.rooms.is_empty());
        assert_eq!(stage.store.session(token, 1).await.unwrap(), None);
        assert!(stage.store.names(std::slice::from_ref(&ann)).await.unwrap().is_empty());
        assert!(stage.store.people_by_name("anna", None, 10).await.unwrap().is_empty());
        assert!(stage.store.profile(&ann).await.unwrap().is_none());
        let again = stage.store.put_user(ann.clone(), "Anna".into(), stage.now()).await;
        assert_eq!(again, Err(Error::Erased));
        let again = stage.store.add_session(session.clone()).await;
        assert_eq!(again, Err(Error::UnknownUser));
        let sent = stage.send("anna-of-old", "r", "late", "still here").await;
        assert_eq!(sent, Err(Error::NotFound));
        let invited = stage.invite("bob", "r", &format!("i{is_through}"), &["anna-of-old"]).await;
        assert_eq!(invited, Err(Error::UnknownUser));
        let begun = stage.store.begin_erasing(ann.clone(), false, stage.now()).await;
        assert_eq!(begun, Ok(!is_through));
    }
    let stage = stage.reopen().await;
    assert!(stage.store.user(&ann).await.unwrap().unwrap().removed, "also after a restart");
}

#[tokio::test]
async fn an_account_is_gone_and_its_sign_in_name_is_free() {
    let stage = Stage::with(&[]).await;
    let account = |at_ms| NewAccount {
        login: "Ann".into(),
        name: "Ann".into(),
        password_hash: "hash".into(),
        at_ms,
    };
    let id = stage.store.create_account(account(1)).await.unwrap();
    assert_eq!(stage.store.profile(&id).await.unwrap().unwrap().login.as_deref(), Some("ann"));
    stage.erase(id.as_str(), false, usize::MAX).await;
    assert_eq!(stage.store.account_by_login("ann").await.unwrap(), None);
    let other = stage.store.create_account(account(2)).await.unwrap();
    assert_ne!(other, id);
}

#[tokio::test]
async fn interrupted_after_any_step_it_goes_on_and_does_nothing_twice() {
    let whole = stage().await;
    whole.erase("anna-of-old", false, usize::MAX).await;
    let wanted = whole.lines("bob", "r").await;
    for steps in [5, 6, 7] {
        let stage = stage().await;
        stage.erase("anna-of-old", false, steps).await;
        assert_eq!(stage.lines("bob", "r").await, wanted, "interrupted every {steps} steps");
    }
    // Two at once, as on two nodes.
    let stage = stage().await;
    stage.store.begin_erasing(user("anna-of-old"), false, stage.now()).await.unwrap();
    let erasing = stage.store.erasings().await.unwrap().pop().unwrap();
    let mut one = Eraser::new(stage.store.clone(), erasing.clone());
    let mut other = Eraser::new(stage.store.clone(), erasing);
    loop {
        let (more, still) = tokio::join!(one.step(1), other.step(1));
        if !more.unwrap() && !still.unwrap() {
            break;
        }
    }
    assert_eq!(stage.lines("bob", "r").await, wanted);
}

#[tokio::test]
async fn an_erasing_that_was_cut_off_by_the_end_of_the_process_is_found_again() {
    let stage = stage().await;
    stage.store.begin_erasing(user("anna-of-old"), true, stage.now()).await.unwrap();
    let erasing = stage.store.erasings().await.unwrap().pop().unwrap();
    Eraser::new(stage.store.clone(), erasing).step(stage.now()).await.unwrap();
    let stage = stage.reopen().await;
    let erasings = stage.store.erasings().await.unwrap();
    assert_eq!((erasings.len(), erasings[0].keeps_messages), (1, true));
    stage.finish_erasing(usize::MAX).await;
    assert_eq!(stage.lines("bob", "r").await[1], "2 deleted: a walrus 0");
    assert!(stage.store.erasings().await.unwrap().is_empty());
}

#[tokio::test]
async fn cids_go_with_the_person_and_those_of_others_stay() {
    let stage = stage().await;
    let first = stage.send("bob", "r", "b0", "no walrus 0").await.unwrap();
    stage.erase("anna-of-old", false, usize::MAX).await;
    assert_eq!(stage.send("bob", "r", "b0", "no walrus 0").await.unwrap(), first);
    assert_eq!(first.seq, Seq(3));
}

#[tokio::test]
async fn a_long_past_is_erased_in_bounded_pieces() {
    let stage = Stage::with_group("r", &["bob", "ann"]).await;
    let sends: Vec<_> = (0..2_500)
        .map(|n| {
            let from = if n % 10 == 0 { "ann" } else { "bob" };
            stage.send(from, "r", &format!("c{n}"), "x")
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    stage.erase("ann", false, usize::MAX).await;
    let page = stage.store.log(&room("r"), Seq(0), 5_000).await.unwrap();
    let from_nobody = page.events.iter().filter(|event| event.from == user("deleted")).count();
    assert_eq!(from_nobody, 250);
    assert_eq!(page.head, Seq(2_501 + 1 + 250));
}

#[tokio::test]
async fn those_who_are_nobody_cannot_be_erased() {
    let stage = Stage::with(&["ann"]).await;
    for id in ["moorline", "deleted", "stranger"] {
        let begun = stage.store.begin_erasing(user(id), false, 1).await;
        assert_eq!(begun, Err(Error::UnknownUser), "{id}");
    }
    assert_eq!(
        stage.store.put_user(user("deleted"), "Me".into(), 1).await,
        Err(Error::Erased),
        "nobody's id is nobody's"
    );
}
