//! Search, as far as it is the same on both back ends: what is asked, where a page begins and ends, and which of the
//! messages that an index names are hits. The back ends ask their index and offer what it names, the newest first.

mod query;

use std::fmt;
use std::str::FromStr;

use moorline_protocol::{Event, EventKind, Person, RoomId, SearchSort, UserId};

use crate::Hits;
pub(crate) use query::{Query, is_meant};

/// Messages that one search looks at because its index names them; then the page ends and says so.
pub(crate) const CANDIDATES: usize = 1_000;
/// Up to so many rooms a person's search asks the index for messages of these rooms alone. In more rooms it looks at
/// what others wrote to others too, and the page may end before it is full.
pub(crate) const SCOPE_ROOMS: usize = 64;
/// People whom one `from:` may mean.
pub(crate) const SENDERS: usize = 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Words, `"phrases"` and operators; `docs/protocol.md` has the language.
    pub query: String,
    /// Only there.
    pub room: Option<RoomId>,
    /// In which order.
    pub sort: SearchSort,
    /// Where the page begins.
    pub after: Option<SearchCursor>,
    /// At most so many hits.
    pub limit: usize,
}

impl Search {
    /// The newest `limit` messages that fit a query.
    #[must_use]
    pub fn new(query: impl Into<String>, limit: usize) -> Self {
        Self { query: query.into(), limit, ..Self::default() }
    }
}

/// Where a message stands in the order of search: a back end's own numbers, a higher one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64, pub(crate) u64);

/// Where a search goes on. A text on the wire, which means something only to the store that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchCursor {
    /// Only what is older than this.
    below: Place,
    /// Of what fits best, only what fits less well than this.
    last: Option<(u32, Place)>,
}

impl fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.below.0, self.below.1)?;
        match self.last {
            Some((score, place)) => write!(f, "~{score}.{}.{}", place.0, place.1),
            None => Ok(()),
        }
    }
}

impl FromStr for SearchCursor {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD: crate::Error = crate::Error::Invalid("this is no cursor of a search");
        let place = |text: &str| {
            let (one, two) = text.split_once('.')?;
            Some(Place(one.parse().ok()?, two.parse().ok()?))
        };
        let read = || match text.split_once('~') {
            None => Some(Self { below: place(text)?, last: None }),
            Some((below, last)) => {
                let (score, at) = last.split_once('.')?;
                Some(Self { below: place(below)?, last: Some((score.parse().ok()?, place(at)?)) })
            }
        };
        read().ok_or(BAD)
    }
}

/// A hit, and why it stands where it does.
struct Hit {
    score: u32,
    place: Place,
    event: Event,
    name: String,
}

/// Makes a page out of what a back end offers, the newest first.
pub(crate) struct Picker<'a> {
    query: &'a Query,
    asked: &'a Search,
    hits: Vec<Hit>,
    candidates: usize,
    first: Option<Place>,
    last: Option<Place>,
    /// Whether the back end stopped for another reason than having nothing more.
    is_cut: bool,
}

impl<'a> Picker<'a> {
    pub(crate) fn new(query: &'a Query, asked: &'a Search) -> Self {
        let (hits, first, last) = (Vec::new(), None, None);
        Self { query, asked, hits, candidates: 0, first, last, is_cut: false }
    }

    /// What is asked for is older than this.
    pub(crate) fn below(&self) -> Place {
        // What fits best is chosen again for each page, of the same messages.
        self.asked.after.map_or(Place(u64::MAX, u64::MAX), |cursor| cursor.below)
    }

    /// Notes that the index named a message, seen or not.
    pub(crate) fn looked_at(&mut self, place: Place) {
        self.candidates += 1;
        self.last = Some(place);
    }

    /// Takes a message that the asker may see, if it fits.
    pub(crate) fn offer(
        &mut self,
        place: Place,
        event: Event,
        name: impl FnOnce() -> String,
    ) -> bool {
        let EventKind::Message { body, deleted: None, .. } = &event.kind else { return false };
        let Some(score) = self.query.score(body) else { return false };
        self.first.get_or_insert(place);
        let is_shown = match (self.asked.sort, self.asked.after.and_then(|cursor| cursor.last)) {
            (SearchSort::Best, Some(last)) => (score, place) < last,
            _ => true,
        };
        if is_shown {
            self.hits.push(Hit { score, place, event, name: name() });
            // Nothing beyond a page is kept.
            if self.asked.sort == SearchSort::Best && self.hits.len() > 4 * (self.asked.limit + 1) {
                self.sort();
                self.hits.truncate(self.asked.limit + 1);
            }
        }
        true
    }

    /// Whether the page has what it needs, or has looked at enough.
    pub(crate) fn is_done(&mut self) -> bool {
        if self.asked.sort == SearchSort::Newest && self.hits.len() > self.asked.limit {
            return true;
        }
        self.is_cut |= self.candidates >= CANDIDATES;
        self.is_cut
    }

    /// Messages that make a page and show whether there are more.
    pub(crate) fn page(&self) -> usize {
        match self.asked.sort {
            SearchSort::Newest => self.asked.limit + 1,
            SearchSort::Best => CANDIDATES,
        }
    }

    /// Candidates that may still be looked at.
    pub(crate) fn left(&self) -> usize {
        CANDIDATES.saturating_sub(self.candidates)
    }

    /// The back end stops, though there may be more.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }

    fn sort(&mut self) {
        self.hits.sort_unstable_by_key(|hit| std::cmp::Reverse((hit.score, hit.place)));
    }

    /// The page.
    pub(crate) fn into_hits(mut self) -> Hits {
        let limit = self.asked.limit;
        let is_best = self.asked.sort == SearchSort::Best;
        if is_best {
            self.sort();
        }
        let is_full = self.hits.len() > limit;
        self.hits.truncate(limit);
        let after = match (is_full, self.hits.last()) {
            (true, Some(last)) if is_best => {
                Some(SearchCursor { below: self.window(), last: Some((last.score, last.place)) })
            }
            (true, Some(last)) => Some(SearchCursor { below: last.place, last: None }),
            _ => self.last.filter(|_| self.is_cut).map(|below| SearchCursor { below, last: None }),
        };
        let mut people: Vec<Person> = Vec::new();
        for hit in &self.hits {
            let id: &UserId = &hit.event.from;
            if let Err(at) = people.binary_search_by(|person| person.id.cmp(id)) {
                people
                    .insert(at, Person { id: id.clone(), name: hit.name.clone(), presence: None });
            }
        }
        Hits {
            hits: self.hits.into_iter().map(|hit| hit.event).collect(),
            more: after.is_some(),
            after,
            partial: !is_full && after.is_some(),
            people,
            ..Hits::default()
        }
    }

    /// Where the messages begin of which the best are told: the newest that fits, so that younger ones change nothing.
    fn window(&self) -> Place {
        let begun = self.asked.after.map(|cursor| cursor.below);
        begun.or(self.first.map(|Place(one, two)| Place(one, two + 1))).unwrap_or(Place(0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_from_its_text_and_nothing_else_is_one() {
        for cursor in [
            SearchCursor { below: Place(7, 9), last: None },
            SearchCursor { below: Place(u64::MAX, 0), last: Some((3, Place(1, 2))) },
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "7", "7.", "7.9~", "7.9~3", "7.9~3.1", "x.y", "-1.2", "7.9~-3.1.2"] {
            assert!(bad.parse::<SearchCursor>().is_err(), "{bad}");
        }
    }
}
