//! The tap: what happens on this node, for an operator who watches it live.
//!
//! The hub tells of commits, the server of connections, the troubles of parts; the admin interface watches. While nobody
//! does it costs one relaxed read of a number. A watch is bounded: what it does not take in time is counted and not kept,
//! so that no sender ever waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use moorline_protocol::admin::{Line, SHOWN_LETTERS, What, cut};
use moorline_protocol::{Change, Event, EventKind, MemberChange, RoomId, UserId};
use moorline_store::Receipt;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::now_ms;

/// Lines that may wait for one watch: with texts cut as they are, some megabytes.
const WAITING: usize = 1_024;

/// Watches at a time; each costs every event a little.
const WATCHES: usize = 16;

/// What a watch wants to hear of; nothing named is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only what is about one of these rooms.
    pub rooms: Vec<RoomId>,
    /// Only what one of these people does, or is done to them.
    pub users: Vec<UserId>,
    /// Only these kinds.
    pub kinds: Vec<String>,
    /// With the texts of messages.
    pub with_texts: bool,
}

impl Wanted {
    fn takes(&self, line: &Line) -> bool {
        let is_about = |user: &UserId| {
            line.user.as_ref() == Some(user)
                || matches!(&line.what, What::Member { joined, gone, .. }
                    if joined.contains(user) || gone.contains(user))
        };
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == line.what.kind()))
            && (self.rooms.is_empty()
                || line.room.as_ref().is_some_and(|room| self.rooms.contains(room)))
            && (self.users.is_empty() || self.users.iter().any(is_about))
    }
}

/// Where what happens is told and watched.
#[derive(Debug, Default)]
pub struct Tap {
    watched: AtomicUsize,
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    number: u64,
    wanted: Wanted,
    lines: mpsc::Sender<Line>,
    dropped: Arc<AtomicU64>,
}

/// One who watches. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    tap: Arc<Tap>,
    number: u64,
    lines: mpsc::Receiver<Line>,
    dropped: Arc<AtomicU64>,
}

impl Tap {
    /// Whether anybody watches.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed) > 0
    }

    /// Begins to watch; none where too many do already.
    #[must_use]
    pub fn watch(self: &Arc<Self>, wanted: Wanted) -> Option<Watch> {
        let (sender, lines) = mpsc::channel(WAITING);
        let (number, dropped) = (rand::random(), Arc::new(AtomicU64::new(0)));
        let mut watchers = self.watchers.lock();
        if watchers.len() >= WATCHES {
            return None;
        }
        watchers.push(Watcher { number, wanted, lines: sender, dropped: Arc::clone(&dropped) });
        self.watched.store(watchers.len(), Ordering::Relaxed);
        Some(Watch { tap: Arc::clone(self), number, lines, dropped })
    }

    /// Tells those who watch; the line is made only if somebody does.
    pub fn tell(&self, user: Option<&UserId>, what: impl FnOnce() -> What) {
        if self.is_watched() {
            let line = Line { at: now_ms(), room: None, user: user.cloned(), what: what() };
            self.watchers.lock().iter().for_each(|watcher| watcher.push(line.clone()));
        }
    }

    /// Tells of what was committed.
    pub(crate) fn tell_commit(&self, events: &[Arc<Event>], receipts: &[Receipt]) {
        for watcher in self.watchers.lock().iter() {
            for event in events {
                watcher.push(line_of(event, watcher.wanted.with_texts));
            }
            for Receipt { room, user, seq } in receipts {
                let (room, user) = (Some(room.clone()), Some(user.clone()));
                watcher.push(Line { at: now_ms(), room, user, what: What::Read { seq: *seq } });
            }
        }
    }

    /// Ends all watches; what waits can still be taken.
    pub fn end(&self) {
        self.watchers.lock().clear();
        self.watched.store(0, Ordering::Relaxed);
    }
}

impl Watcher {
    fn push(&self, line: Line) {
        if self.wanted.takes(&line) && self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Watch {
    /// Waits for the next line; before it comes the number of those that were dropped, if any were. None at the end.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Line> {
        let lines = self.dropped.swap(0, Ordering::Relaxed);
        if lines > 0 {
            let what = What::Dropped { lines };
            return Some(Line { at: now_ms(), room: None, user: None, what });
        }
        self.lines.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watchers = self.tap.watchers.lock();
        watchers.retain(|watcher| watcher.number != self.number);
        self.tap.watched.store(watchers.len(), Ordering::Relaxed);
    }
}

fn line_of(event: &Event, with_texts: bool) -> Line {
    let (seq, bytes) = (event.seq, |body: &str| body.len() as u64);
    let text = |body: &str| with_texts.then(|| cut(body, SHOWN_LETTERS).to_owned());
    let what = match &event.kind {
        EventKind::Message { body, .. } => {
            What::Message { seq, bytes: bytes(body), text: text(body) }
        }
        EventKind::Edit { body, of, .. } => {
            What::Edit { seq, of: *of, bytes: bytes(body), text: text(body) }
        }
        EventKind::Delete { of, .. } => What::Delete { seq, of: *of },
        EventKind::Member { changes } => What::Member {
            seq,
            joined: people(changes, |change| change == Change::Joined),
            gone: people(changes, |change| change != Change::Joined),
        },
        EventKind::Rename { .. } => What::Rename { seq },
    };
    Line { at: event.at, room: Some(event.room.clone()), user: Some(event.from.clone()), what }
}

fn people(changes: &[MemberChange], is_wanted: impl Fn(Change) -> bool) -> Vec<UserId> {
    let wanted = changes.iter().filter(|change| is_wanted(change.change));
    wanted.map(|change| change.user.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(room: &str, from: &str, body: &str) -> Arc<Event> {
        let event = json!({
            "type": "event", "room": room, "epoch": "00000000000000ff", "seq": 1, "kind": "message", "body": body,
            "n": 1, "id": "01930000-0000-7000-8000-00009c41f07b", "from": from, "at": 5,
        });
        Arc::new(serde_json::from_value(event).unwrap())
    }

    fn removal(room: &str, by: &str, of: &str) -> Arc<Event> {
        let event = json!({
            "type": "event", "room": room, "epoch": "00000000000000ff", "seq": 2, "kind": "member",
            "changes": [{"user": of, "change": "removed"}],
            "id": "01930000-0000-7000-8000-00009c41f07c", "from": by, "at": 6,
        });
        Arc::new(serde_json::from_value(event).unwrap())
    }

    fn watch(tap: &Arc<Tap>, wanted: Wanted) -> Watch {
        tap.watch(wanted).unwrap()
    }

    async fn kinds(tap: &Tap, mut watch: Watch) -> Vec<&'static str> {
        tap.end();
        let mut kinds = Vec::new();
        while let Some(line) = watch.next().await {
            kinds.push(line.what.kind());
        }
        kinds
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[tokio::test]
    async fn a_text_is_told_by_its_length_unless_it_was_asked_for() {
        let tap = Arc::new(Tap::default());
        let mut masked = watch(&tap, Wanted::default());
        let mut open = watch(&tap, Wanted { with_texts: true, ..Wanted::default() });
        tap.tell_commit(&[message("ops", "ann", &"ä".repeat(1_500))], &[]);
        let line = masked.next().await.unwrap();
        assert_eq!(
            line.what,
            What::Message { seq: moorline_protocol::Seq(1), bytes: 3_000, text: None }
        );
        let What::Message { text: Some(text), .. } = open.next().await.unwrap().what else {
            panic!("no text came")
        };
        assert_eq!(text, "ä".repeat(SHOWN_LETTERS));
    }

    #[tokio::test]
    async fn one_hears_only_of_what_one_asked_for() {
        let tap = Arc::new(Tap::default());
        let of = |rooms: &[&str], users: &[&str], kinds: &[&str]| Wanted {
            rooms: rooms.iter().map(|room| RoomId::new(room).unwrap()).collect(),
            users: users.iter().map(|id| user(id)).collect(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            with_texts: false,
        };
        let cases = [
            (of(&[], &[], &[]), vec!["message", "message", "member", "read", "signed_in"]),
            (of(&["ops"], &[], &[]), vec!["message", "read"]),
            (of(&[], &["bob"], &[]), vec!["member", "signed_in"]),
            (of(&[], &[], &["member"]), vec!["member"]),
            (of(&["art"], &["eve"], &["read"]), vec![]),
        ];
        let watches: Vec<_> = cases.iter().map(|(wanted, _)| watch(&tap, wanted.clone())).collect();
        let receipt = Receipt {
            room: RoomId::new("ops").unwrap(),
            user: user("ann"),
            seq: moorline_protocol::Seq(1),
        };
        tap.tell_commit(&[message("ops", "ann", "x"), message("art", "eve", "y")], &[]);
        tap.tell_commit(&[removal("art", "eve", "bob")], &[receipt]);
        tap.tell(Some(&user("bob")), || What::SignedIn { connection: "1".into() });
        for ((wanted, expected), watch) in cases.iter().zip(watches) {
            assert_eq!(kinds(&tap, watch).await, *expected, "{wanted:?}");
        }
    }

    #[tokio::test]
    async fn a_watch_that_is_not_read_drops_lines_and_says_how_many() {
        let tap = Arc::new(Tap::default());
        let mut watch = watch(&tap, Wanted::default());
        for _ in 0..WAITING + 5 {
            tap.tell_commit(&[message("ops", "ann", "x")], &[]);
        }
        assert_eq!(watch.next().await.unwrap().what, What::Dropped { lines: 5 });
        assert_eq!(kinds(&tap, watch).await.len(), WAITING);
    }

    #[tokio::test]
    async fn nobody_watches_once_the_last_watch_is_gone_and_there_are_not_too_many() {
        let tap = Arc::new(Tap::default());
        tap.tell(None, || panic!("a line was made though nobody watches"));
        let watches: Vec<Watch> = (0..WATCHES).map(|_| watch(&tap, Wanted::default())).collect();
        assert!(tap.is_watched() && tap.watch(Wanted::default()).is_none());
        drop(watches);
        assert!(!tap.is_watched());
    }
}
