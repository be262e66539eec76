//! One inbox alone: order, bound, waking, and that nothing is lost when a receive is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

const ROOMY: usize = 10_000;

fn message(number: i32) -> Message {
    Message::new().with("n", number)
}

/// A receive that says whether it was woken.
struct Receive<'a> {
    next: Pin<Box<Next<'a>>>,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a> Receive<'a> {
    fn on(inbox: &'a Inbox) -> Self {
        Self { next: Box::pin(inbox.next()), woken: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<Message, Error>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.next.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed)
    }
}

fn has_listed(inbox: &Inbox) -> bool {
    let state = inbox.state.lock();
    state.waiter.is_some() || !state.others.is_empty()
}

async fn number(inbox: &Inbox) -> i64 {
    inbox.next().await.unwrap().get("n").unwrap().as_i64().unwrap()
}

#[tokio::test]
async fn a_full_inbox_loses_its_oldest_and_says_so() {
    let inbox = Inbox::default();
    let kept: Vec<bool> = (1..=4).map(|n| inbox.deliver(message(n), 2)).collect();
    assert_eq!(kept, [true, true, false, false]);
    assert_eq!((number(&inbox).await, number(&inbox).await), (3, 4));
    assert!(inbox.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_neither_its_message_nor_the_wake_up_of_another() {
    let inbox = Inbox::default();
    for n in 0..100 {
        let (mut first, mut second) = (Receive::on(&inbox), Receive::on(&inbox));
        assert!(first.poll().is_pending() && second.poll().is_pending());
        inbox.deliver(message(n), ROOMY);
        assert!(first.is_woken() && !second.is_woken());
        drop(first);
        assert!(second.is_woken(), "the message waits and nobody knows");
        assert_eq!(second.poll(), Poll::Ready(Ok(message(n))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_wakes_one_of_many_who_wait() {
    let inbox = Arc::new(Inbox::default());
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let inbox = Arc::clone(&inbox);
            tokio::spawn(async move {
                for _ in 0..500 {
                    number(&inbox).await;
                }
            })
        })
        .collect();
    for n in 0..4000 {
        inbox.deliver(message(n), ROOMY);
    }
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(20), reader).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_receive_that_is_polled_again_before_the_one_that_was_woken_may_take_the_message() {
    let inbox = Inbox::default();
    let (mut first, mut second) = (Receive::on(&inbox), Receive::on(&inbox));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    inbox.deliver(message(1), ROOMY);
    assert!(first.is_woken());
    assert_eq!(second.poll(), Poll::Ready(Ok(message(1))));
    assert!(first.poll().is_pending(), "it waits again");
    inbox.deliver(message(2), ROOMY);
    assert!(first.is_woken());
    assert_eq!(first.poll(), Poll::Ready(Ok(message(2))));
    assert!(!has_listed(&inbox));
}

#[tokio::test]
async fn receives_that_give_up_leave_nothing_behind_and_the_order_of_the_others_as_it_was() {
    let inbox = Inbox::default();
    let mut receives: Vec<_> = (0..5).map(|_| Receive::on(&inbox)).collect();
    receives.iter_mut().for_each(|receive| assert!(receive.poll().is_pending()));
    // The first in line, and one in the middle.
    drop((receives.remove(2), receives.remove(0)));
    (1..=4).for_each(|n| assert!(inbox.deliver(message(n), ROOMY)));
    for (mut receive, n) in receives.into_iter().zip(1..) {
        assert!(receive.is_woken());
        assert_eq!(receive.poll(), Poll::Ready(Ok(message(n))));
    }
    assert_eq!(number(&inbox).await, 4);
    assert!(!has_listed(&inbox));
}

#[tokio::test]
async fn what_is_cleared_is_gone_and_who_waits_gets_the_next() {
    let inbox = Inbox::default();
    inbox.deliver(message(1), ROOMY);
    inbox.clear();
    let mut receive = Box::pin(inbox.next());
    assert!(receive.as_mut().now_or_never().is_none());
    inbox.clear();
    inbox.deliver(message(2), ROOMY);
    assert_eq!(receive.now_or_never(), Some(Ok(message(2))));
}

#[tokio::test]
async fn the_end_reaches_who_waits_and_who_comes_later() {
    let inbox = Inbox::default();
    let mut receives = [Receive::on(&inbox), Receive::on(&inbox)];
    receives.iter_mut().for_each(|receive| assert!(receive.poll().is_pending()));
    inbox.close();
    for mut receive in receives {
        assert!(receive.is_woken());
        assert_eq!(receive.poll(), Poll::Ready(Err(Error::Closed)));
    }
    inbox.deliver(message(1), ROOMY);
    assert_eq!(inbox.next().now_or_never(), Some(Err(Error::Closed)));
}
