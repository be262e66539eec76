//! Mailboxes alone: order, bounds, waking, and that nothing is lost when a receive is dropped.

use futures_util::FutureExt as _;

use super::*;
use crate::gaps::Gap;

fn mailboxes(capacity: usize) -> (Arc<Mailboxes>, Reporter) {
    let reporter = Reporter::new();
    let expiry = Duration::from_secs(10);
    (Arc::new(Mailboxes::new(capacity, expiry, reporter.clone())), reporter)
}

fn message(number: i32) -> Message {
    Message::new().with("n", number)
}

async fn number(mailboxes: &Mailboxes, channel: &str) -> i64 {
    let message = mailboxes.receive(channel, || ()).await.unwrap();
    message.get("n").unwrap().as_i64().unwrap()
}

#[tokio::test]
async fn a_full_mailbox_loses_its_oldest_and_says_so() {
    let (mailboxes, reporter) = mailboxes(2);
    let mut gaps = reporter.listen();
    (1..=3).for_each(|n| mailboxes.deliver("a", message(n), None));
    assert_eq!(gaps.next().await, Some(Gap::Overflowed { channel: "a".to_owned() }));
    assert_eq!((number(&mailboxes, "a").await, number(&mailboxes, "a").await), (2, 3));
    assert_eq!(reporter.tally().read().dropped_at_capacity, 1);
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing() {
    let (mailboxes, _) = mailboxes(10);
    for n in 0..100 {
        let mut receive = Box::pin(mailboxes.receive("a", || ()));
        assert!(receive.as_mut().now_or_never().is_none());
        mailboxes.deliver("a", message(n), None);
        drop(receive);
        assert_eq!(number(&mailboxes, "a").await, i64::from(n));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_wakes_one_of_many_who_wait() {
    let (mailboxes, _) = mailboxes(10_000);
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mailboxes = Arc::clone(&mailboxes);
            tokio::spawn(async move {
                for _ in 0..500 {
                    number(&mailboxes, "a").await;
                }
            })
        })
        .collect();
    (0..4000).for_each(|n| mailboxes.deliver("a", message(n), None));
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(20), reader).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_read_expires_and_leaves_nothing_behind() {
    let (mailboxes, reporter) = mailboxes(10);
    mailboxes.deliver("a", message(1), None);
    tokio::time::advance(Duration::from_secs(11)).await;
    mailboxes.deliver("a", message(2), None);
    assert_eq!(number(&mailboxes, "a").await, 2);
    mailboxes.deliver("closed", message(1), None);
    tokio::time::advance(Duration::from_secs(11)).await;
    (0..SWEEP_EVERY).for_each(|n| mailboxes.deliver(&format!("b{n}"), message(1), None));
    let state = mailboxes.state.lock();
    assert!(!state.boxes.contains_key("closed") && !state.boxes.contains_key("a"));
    assert_eq!(reporter.tally().read().expired, 2);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_given_back_to_its_host() {
    let (mailboxes, _) = mailboxes(10);
    let origin = |host| Some(Origin { host, member: vec![host as u8], score: b"1.5".to_vec() });
    mailboxes.deliver("worker", message(1), origin(0));
    mailboxes.deliver("worker", message(2), origin(1));
    let left = mailboxes.demand_on("worker", 1).await;
    assert_eq!(left, Demand::Left(vec![origin(1).unwrap()]));
    assert_eq!(number(&mailboxes, "worker").await, 1);
    let mut receive = Box::pin(mailboxes.receive("worker", || ()));
    assert!(receive.as_mut().now_or_never().is_none());
    assert_eq!(mailboxes.demand_on("worker", 0).await, Demand::Wanted(1));
}

#[tokio::test]
async fn closing_ends_those_who_wait_and_those_who_come() {
    let (mailboxes, _) = mailboxes(10);
    let mut waiting = Box::pin(mailboxes.receive("a", || ()));
    assert!(waiting.as_mut().now_or_never().is_none());
    mailboxes.close();
    assert_eq!(waiting.await, Err(Error::Closed));
    assert_eq!(mailboxes.receive("a", || ()).await, Err(Error::Closed));
}
