//! What is asked, and what a right answer is: a wrong one ends the run.

use moorline_protocol::Seq;
use moorline_store::{Hits, Range, Resumed, Search};

use crate::fill::{Filled, ROOMS};

/// A question, as people and their clients ask it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question {
    Newest,
    Middle,
    Unread,
    Welcome,
    Resume,
    Rare,
    RareTyped,
    Common,
    CommonTyped,
    NeverSo,
    Others,
}

impl Question {
    pub(crate) const ALL: &[Self] = &[
        Self::Newest,
        Self::Middle,
        Self::Unread,
        Self::Welcome,
        Self::Resume,
        Self::Rare,
        Self::RareTyped,
        Self::Common,
        Self::CommonTyped,
        Self::NeverSo,
        Self::Others,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Newest => "history: the newest 20 of a room",
            Self::Middle => "history: 20 from the middle of a room",
            Self::Unread => "unread: 100 of 500 rooms, and the sums of all",
            Self::Welcome => "welcome of a person with 500 rooms",
            Self::Resume => "welcome, 100 of the rooms resumed, one message behind",
            Self::Rare => "search: a word in one message of a thousand, 10 hits",
            Self::RareTyped => "the same, the word perhaps not typed to its end",
            Self::Common => "search: a word in every message, 50 hits",
            Self::CommonTyped => "the same, the word perhaps not typed to its end",
            Self::NeverSo => "search: its candidates are all messages, none fits",
            Self::Others => "search: the word is only in rooms of others",
        }
    }

    /// How many times as long it may take in the large store.
    pub(crate) fn bar(self) -> f64 {
        match self {
            Self::Newest | Self::Middle | Self::Unread | Self::Welcome | Self::Resume => 2.0,
            _ => 4.0,
        }
    }

    /// Asks it for the `n`th time.
    pub(crate) async fn ask(self, store: &Filled, n: usize) {
        match self {
            Self::Newest => history(store, n, Range::Newest).await,
            Self::Middle => history(store, n, Range::Before(store.middle)).await,
            Self::Unread => {
                let rooms = store.store.rooms_of(&store.reader, None, 100).await.unwrap();
                assert!(rooms.rooms.len() == 100 && rooms.totals.rooms == ROOMS as u64);
                assert!(rooms.totals.unread > 0);
            }
            Self::Welcome => {
                let welcome = store.store.for_welcome(&store.reader, 100, vec![]).await.unwrap();
                assert!(welcome.user.is_some() && welcome.rooms.rooms.len() == 100);
            }
            Self::Resume => {
                let positions = store.positions.clone();
                let welcome = store.store.for_welcome(&store.reader, 100, positions).await.unwrap();
                let events = welcome.missed.resumed.iter().map(|room| match &room.resumed {
                    Resumed::Events { events, .. } => events.len(),
                    _ => 0,
                });
                assert_eq!(events.sum::<usize>(), 100);
            }
            Self::Rare => full(&search(store, "walrus ", 10).await, 10),
            Self::RareTyped => full(&search(store, "walrus", 10).await, 10),
            Self::Common => full(&search(store, "harbour ", 50).await, 50),
            Self::CommonTyped => full(&search(store, "harbour", 50).await, 50),
            // After a thousand candidates the answer is honest about it.
            Self::NeverSo => nothing(&search(store, "\"harbour harbour\"", 50).await),
            Self::Others => {
                let asked = Search::new("harbour ", 50);
                nothing(&store.store.search(&store.quiet, &asked).await.unwrap());
            }
        }
    }
}

async fn history(store: &Filled, n: usize, range: Range) {
    // Every room once before any twice.
    let room = &store.rooms[n * 37 % ROOMS];
    let page = store.store.events(&store.reader, room, range, 20).await.unwrap();
    assert!(!page.events.is_empty() && page.head > Seq(0));
}

async fn search(store: &Filled, query: &str, limit: usize) -> Hits {
    store.store.search(&store.reader, &Search::new(query, limit)).await.unwrap()
}

fn full(hits: &Hits, limit: usize) {
    assert!(hits.hits.len() <= limit && !hits.hits.is_empty() && !hits.partial, "{hits:?}");
}

fn nothing(hits: &Hits) {
    assert!(hits.hits.is_empty() && hits.partial && hits.more, "{hits:?}");
}
