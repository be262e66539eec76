//! Tickets on several nodes of one database.

use moorline_store::{NewTicket, OPEN_TICKETS, UseTicket};

use crate::stage::{Stage, follow, user};

const NOW: u64 = 1_000_000;

fn hash(number: u64) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

fn ticket(of: &str, number: u64) -> NewTicket {
    NewTicket {
        hash: hash(number),
        user: user(of),
        session: None,
        issued_ms: NOW,
        at_ms: NOW,
        until_ms: NOW + 30_000,
        ends_ms: NOW + 60_000,
    }
}

#[tokio::test]
async fn a_ticket_of_one_node_is_good_on_another_and_on_both_at_once_only_on_one() {
    let stage = Stage::with(&["ann"]).await;
    let (_folder, opened) = stage.place().another_node();
    let (other, commits) = opened.unwrap();
    follow(commits);
    let mut wins = [0; 2];
    for number in 0..50 {
        stage.store.add_ticket(ticket("ann", number)).await.unwrap();
        assert!(other.ticket(hash(number), NOW).await.unwrap().is_some());
        let using = |fresh| UseTicket { hash: hash(number), shown: None, fresh, at_ms: NOW };
        let (one, two) =
            tokio::join!(stage.store.use_ticket(using([1; 32])), other.use_ticket(using([2; 32])));
        let (one, two) = (one.unwrap().is_some(), two.unwrap().is_some());
        assert!(one != two, "{number}: {one} {two}");
        wins[usize::from(two)] += 1;
        let holder = stage.store.ticket(hash(number), NOW).await.unwrap().unwrap().holder;
        assert_eq!(holder, Some(if one { [1; 32] } else { [2; 32] }));
    }
    println!("the first node used {}, the second {}", wins[0], wins[1]);
}

#[tokio::test]
async fn nodes_count_a_persons_unused_tickets_together() {
    let stage = Stage::with(&["ann"]).await;
    let (_folder, opened) = stage.place().another_node();
    let (other, commits) = opened.unwrap();
    follow(commits);
    let adds: Vec<_> = (0..OPEN_TICKETS as u64 * 2)
        .map(|number| {
            let store = if number % 2 == 0 { &stage.store } else { &other };
            store.add_ticket(ticket("ann", number))
        })
        .collect();
    let mut kept = 0;
    for add in adds {
        kept += usize::from(add.await.is_ok());
    }
    assert_eq!(kept, OPEN_TICKETS);
}
