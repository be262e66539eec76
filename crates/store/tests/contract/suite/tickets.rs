//! Tickets: good once, then with one cookie, and never longer than what they stand for.

use std::time::Duration;

use moorline_store::{
    Error, Holder, NewSession, NewTicket, OPEN_TICKETS, SessionId, Store, TicketRow, USED_TICKETS,
    UseTicket,
};

use super::stage::{Stage, user};

const NOW: u64 = 1_000_000;
const SECOND: u64 = 1_000;
/// When the token or the session of the tickets of these tests ends.
const END: u64 = NOW + 600 * SECOND;
const COOKIE: [u8; 32] = [200; 32];

fn hash(number: u64) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

/// A ticket of a token.
fn ticket(of: &str, number: u64) -> NewTicket {
    NewTicket {
        hash: hash(number),
        user: user(of),
        session: None,
        issued_ms: NOW,
        at_ms: NOW,
        until_ms: NOW + 30 * SECOND,
        ends_ms: END,
    }
}

fn using(number: u64, shown: Option<[u8; 32]>, at_ms: u64) -> UseTicket {
    UseTicket { hash: hash(number), shown, fresh: COOKIE, at_ms }
}

async fn session(store: &Store, of: &str) -> SessionId {
    let session = NewSession {
        token_hash: [9; 32],
        user: user(of),
        device: None,
        at_ms: NOW,
        expires_ms: END,
    };
    store.add_session(session).await.unwrap()
}

async fn found(store: &Store, number: u64, at_ms: u64) -> Option<TicketRow> {
    store.ticket(hash(number), at_ms).await.unwrap()
}

#[tokio::test]
async fn a_ticket_is_used_once_and_goes_on_with_its_cookie_until_its_token_ends() {
    let stage = Stage::with(&["ann"]).await;
    let store = &stage.store;
    store.add_ticket(ticket("ann", 1)).await.unwrap();
    let row = found(store, 1, NOW).await.unwrap();
    assert_eq!((row.user, row.name.as_str(), row.session), (user("ann"), "ANN", None));
    assert_eq!((row.issued_ms, row.ends_ms, row.holder), (NOW, END, None));
    let used = store.use_ticket(using(1, None, NOW + SECOND)).await.unwrap();
    assert_eq!(used, Some(Holder { was_shown: false, ends_ms: END }));
    let other = UseTicket { fresh: [1; 32], ..using(1, None, NOW + SECOND) };
    assert_eq!(store.use_ticket(other).await.unwrap(), None, "twice");
    // The thirty seconds were for its use.
    assert_eq!(found(store, 1, END - 1).await.unwrap().holder, Some(COOKIE));
    assert_eq!(found(store, 1, END).await, None);
    assert_eq!(store.use_ticket(using(2, None, NOW)).await.unwrap(), None, "unknown");
}

#[tokio::test]
async fn a_ticket_that_nobody_used_in_time_is_none() {
    let stage = Stage::with(&["ann"]).await;
    stage.store.add_ticket(ticket("ann", 1)).await.unwrap();
    let late = NOW + 30 * SECOND;
    assert!(found(&stage.store, 1, late - 1).await.is_some());
    assert_eq!(found(&stage.store, 1, late).await, None);
    assert_eq!(stage.store.use_ticket(using(1, None, late)).await.unwrap(), None);
}

#[tokio::test]
async fn of_many_who_use_one_ticket_at_once_one_gets_it() {
    let stage = Stage::with(&["ann"]).await;
    stage.store.add_ticket(ticket("ann", 1)).await.unwrap();
    let uses: Vec<_> = (0..20)
        .map(|number| {
            stage.store.use_ticket(UseTicket { fresh: [number; 32], ..using(1, None, NOW) })
        })
        .collect();
    let mut good = 0;
    for used in uses {
        good += usize::from(used.await.unwrap().is_some());
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn windows_of_one_browser_share_a_cookie_that_one_of_them_knows_and_no_other() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let store = &stage.store;
    for (of, number) in [("ann", 1), ("ann", 2), ("ann", 3), ("bob", 4)] {
        store.add_ticket(NewTicket { ends_ms: END + number, ..ticket(of, number) }).await.unwrap();
    }
    // A cookie that somebody else may have planted is not kept.
    let planted = Some([66; 32]);
    let first = store.use_ticket(using(1, planted, NOW)).await.unwrap();
    assert_eq!(first, Some(Holder { was_shown: false, ends_ms: END + 1 }));
    let fresh = |number| UseTicket { fresh: [201; 32], ..using(number, Some(COOKIE), NOW) };
    let second = store.use_ticket(fresh(3)).await.unwrap();
    assert_eq!(second, Some(Holder { was_shown: true, ends_ms: END + 3 }));
    let third = store.use_ticket(fresh(2)).await.unwrap();
    assert_eq!(third, Some(Holder { was_shown: true, ends_ms: END + 3 }), "the last end of all");
    let others = store.use_ticket(fresh(4)).await.unwrap();
    assert_eq!(others, Some(Holder { was_shown: false, ends_ms: END + 4 }));
}

#[tokio::test]
async fn a_person_has_so_many_unused_tickets_and_others_have_theirs() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let store = &stage.store;
    for number in 0..OPEN_TICKETS as u64 {
        store.add_ticket(ticket("ann", number)).await.unwrap();
    }
    let one_more = NewTicket { at_ms: NOW + 10 * SECOND, ..ticket("ann", 100) };
    let retry_after = Duration::from_secs(20);
    assert_eq!(
        store.add_ticket(one_more.clone()).await,
        Err(Error::TooManyTickets { limit: OPEN_TICKETS, retry_after })
    );
    store.add_ticket(ticket("bob", 101)).await.unwrap();
    store.use_ticket(using(3, None, NOW)).await.unwrap().unwrap();
    store.add_ticket(one_more).await.unwrap();
    let later = NewTicket { at_ms: NOW + 30 * SECOND, ..ticket("ann", 102) };
    store.add_ticket(later).await.unwrap();
    assert_eq!(store.add_ticket(ticket("eve", 1_000)).await, Err(Error::UnknownUser));
}

#[tokio::test]
async fn of_used_tickets_the_oldest_make_room_for_new_ones() {
    let stage = Stage::with(&["ann"]).await;
    let many = USED_TICKETS as u64;
    for number in 0..=many {
        let at_ms = NOW + number;
        stage.store.add_ticket(NewTicket { at_ms, ..ticket("ann", number) }).await.unwrap();
        stage.store.use_ticket(using(number, None, NOW)).await.unwrap().unwrap();
    }
    assert!(found(&stage.store, 0, NOW).await.is_none());
    for number in 1..=many {
        assert!(found(&stage.store, number, NOW).await.is_some(), "{number}");
    }
}

#[tokio::test]
async fn a_ticket_ends_with_its_session_and_with_no_other() {
    let stage = Stage::with(&["ann"]).await;
    let store = &stage.store;
    let own = session(store, "ann").await;
    let of_session = NewTicket { session: Some(own.clone()), ..ticket("ann", 1) };
    let of_none = NewTicket { session: Some(SessionId("none".into())), ..ticket("ann", 3) };
    for new in [of_session.clone(), ticket("ann", 2), of_none] {
        store.add_ticket(new).await.unwrap();
    }
    assert_eq!(found(store, 1, NOW).await.unwrap().session, Some(own.clone()));
    assert_eq!(found(store, 3, NOW).await, None);
    store.use_ticket(using(1, None, NOW)).await.unwrap().unwrap();
    assert!(store.revoke_session(user("ann"), own).await.unwrap());
    assert_eq!(found(store, 1, NOW).await, None);
    assert!(found(store, 2, NOW).await.is_some());
    // One that was asked for while the session ended is none either.
    store.add_ticket(NewTicket { hash: hash(4), ..of_session }).await.unwrap();
    assert_eq!(found(store, 4, NOW).await, None);
}

#[tokio::test]
async fn all_tickets_of_a_person_end_with_their_tokens() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let store = &stage.store;
    for (of, number) in [("ann", 1), ("bob", 2)] {
        store.add_ticket(ticket(of, number)).await.unwrap();
    }
    store.revoke_sessions(user("ann"), NOW + 5).await.unwrap();
    assert_eq!(found(store, 1, NOW + 6).await, None);
    assert!(found(store, 2, NOW + 6).await.is_some());
    // Of a token that was shown just before.
    store.add_ticket(ticket("ann", 3)).await.unwrap();
    assert_eq!(found(store, 3, NOW + 6).await, None);
    store.add_ticket(NewTicket { issued_ms: NOW + 5, ..ticket("ann", 4) }).await.unwrap();
    assert!(found(store, 4, NOW + 6).await.is_some());
    assert!(store.begin_erasing(user("bob"), false, NOW + 7).await.unwrap());
    assert_eq!(found(store, 2, NOW + 8).await, None);
    assert!(store.add_ticket(ticket("bob", 5)).await.is_err());
}

#[tokio::test]
async fn upkeep_drops_what_has_ended_and_nothing_else() {
    let stage = Stage::with(&["ann"]).await;
    let store = &stage.store;
    for number in 0..3 {
        store.add_ticket(ticket("ann", number)).await.unwrap();
    }
    store.use_ticket(using(2, None, NOW)).await.unwrap().unwrap();
    assert_eq!(store.drop_tickets(NOW + 29 * SECOND).await.unwrap(), 0);
    assert_eq!(store.drop_tickets(NOW + 30 * SECOND).await.unwrap(), 2);
    assert!(found(store, 2, END - 1).await.is_some());
    assert_eq!(store.drop_tickets(END).await.unwrap(), 1);
    assert_eq!(store.drop_tickets(END).await.unwrap(), 0);
}

#[tokio::test]
async fn tickets_outlive_a_restart() {
    let stage = Stage::with(&["ann"]).await;
    stage.store.add_ticket(ticket("ann", 1)).await.unwrap();
    stage.store.use_ticket(using(1, None, NOW)).await.unwrap().unwrap();
    let stage = stage.reopen().await;
    assert_eq!(found(&stage.store, 1, NOW).await.unwrap().holder, Some(COOKIE));
}

#[test]
fn no_hash_is_shown() {
    let shown = format!("{:?} {:?}", ticket("ann", 1), using(1, Some(COOKIE), NOW));
    assert!(shown.contains("ann") && !shown.contains("hash") && !shown.contains("200"), "{shown}");
}
