//! One room's log as its rows say it is: gathered in whatever order they come, judged when all are there.

use super::fault::Faults;

/// The numbers of the kinds of events in both back ends.
pub(super) const MESSAGE: i64 = 1;
const EDIT: i64 = 2;
const DELETE: i64 = 3;
const MEMBER: i64 = 5;

/// An event's place in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    seq: i64,
    id: u64,
    /// Its command; 0 where there is none to look for.
    claim: u64,
    messages: i64,
    kind: i8,
    is_answered: bool,
}

impl Entry {
    pub(super) fn new(seq: i64, id: u64, claim: u64, messages: i64, kind: i64) -> Self {
        let kind = i8::try_from(kind).unwrap_or(0);
        Self { seq, id, claim, messages, kind, is_answered: false }
    }

    fn is(&self, kind: i64) -> bool {
        i64::from(self.kind) == kind
    }
}

/// What an event says of others in its room.
pub(super) struct Reference {
    pub(super) seq: i64,
    pub(super) kind: i64,
    pub(super) target: Option<i64>,
    pub(super) refers: u64,
    pub(super) edited: Option<i64>,
    pub(super) deleted: Option<i64>,
    pub(super) has_text: bool,
}

/// The log.
pub(super) struct Log {
    id: String,
    epoch: i64,
    first: i64,
    head: i64,
    /// What the row says of its messages: how many, and the last one's seq.
    messages: (i64, i64),
    members: i64,
    entries: Vec<Entry>,
    references: Vec<Reference>,
    is_sorted: bool,
}

impl Log {
    pub(super) fn new(
        id: &str,
        epoch: i64,
        (first, head): (i64, i64),
        messages: (i64, i64),
        members: i64,
    ) -> Self {
        let (entries, references) = (Vec::new(), Vec::new());
        let id = id.to_owned();
        Self { id, epoch, first, head, messages, members, entries, references, is_sorted: true }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn epoch(&self) -> i64 {
        self.epoch
    }

    pub(super) fn head(&self) -> i64 {
        self.head
    }

    pub(super) fn members(&self) -> i64 {
        self.members
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.entries.iter().map(|entry| entry.id)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.is_sorted &= self.entries.last().is_none_or(|last| last.seq <= entry.seq);
        self.entries.push(entry);
    }

    /// Keeps what is more than a plain message or a change of the room.
    pub(super) fn refer(&mut self, reference: Reference) {
        let says_nothing = reference.target.is_none()
            && reference.edited.is_none()
            && reference.deleted.is_none()
            && !matches!(reference.kind, EDIT | DELETE);
        if !says_nothing {
            self.references.push(reference);
        }
    }

    fn sort(&mut self) {
        if !self.is_sorted {
            self.entries.sort_by_key(|entry| entry.seq);
            self.is_sorted = true;
        }
    }

    /// The place of a position.
    fn place(&self, seq: i64) -> Option<usize> {
        // Almost always the log is dense, and the place is where it is expected.
        let lowest = self.entries.first()?.seq;
        let guess = usize::try_from(seq.checked_sub(lowest)?).ok()?;
        if self.entries.get(guess).is_some_and(|entry| entry.seq == seq) {
            return Some(guess);
        }
        self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()
    }

    fn entry(&self, seq: i64) -> Option<&Entry> {
        self.place(seq).map(|place| &self.entries[place])
    }

    fn lowest(&self) -> i64 {
        self.entries.first().map_or(self.first, |entry| entry.seq)
    }

    /// The running number of messages at a position; none where that was pruned.
    pub(super) fn messages_at(&self, seq: i64) -> Option<i64> {
        if seq == 0 {
            return Some(0);
        }
        self.entry(seq).map(|entry| entry.messages)
    }

    /// Takes in a first answer, and tells what is wrong with it.
    pub(super) fn answer(&mut self, seq: i64, id: u64, claim: u64) -> Option<&'static str> {
        self.sort();
        if seq == 0 {
            return None;
        }
        if seq > self.head {
            return Some("it was acknowledged and lies behind the end of the log");
        }
        let Some(place) = self.place(seq) else {
            let is_pruned = seq < self.lowest();
            return (!is_pruned).then_some("it was acknowledged and is not there");
        };
        let entry = &mut self.entries[place];
        entry.is_answered |= entry.claim == claim;
        if entry.id != id {
            return Some("another event stands where this one was acknowledged");
        }
        let is_other = entry.claim != 0 && entry.claim != claim && !entry.is(MEMBER);
        is_other.then_some("the first answer of one command names the event of another")
    }

    /// Judges the log as a whole.
    pub(super) fn check(&mut self, faults: &mut Faults) {
        self.sort();
        self.check_dense(faults);
        self.check_messages(faults);
        self.check_claims(faults);
        for reference in std::mem::take(&mut self.references) {
            if let Some(what) = self.check_reference(&reference) {
                faults.add("I5", Some(&self.id), Some(reference.seq), what);
            }
        }
    }

    fn check_dense(&self, faults: &mut Faults) {
        let mut next = self.lowest().min(self.first.max(1));
        for entry in &self.entries {
            if entry.seq < next {
                faults.add("I3", Some(&self.id), Some(entry.seq), "two events stand here");
                continue;
            }
            self.missing(next, entry.seq - 1, faults);
            next = entry.seq + 1;
        }
        if next > self.head + 1 {
            let what = format!("the room's row says that the log ends at {}", self.head);
            faults.add("I3", Some(&self.id), Some(next - 1), what);
        }
        self.missing(next, self.head, faults);
    }

    fn missing(&self, from: i64, to: i64, faults: &mut Faults) {
        match to - from {
            ..0 => {}
            0 => faults.add("I3", Some(&self.id), Some(from), "the event is missing"),
            _ => {
                let what = format!("the events from here to {to} are missing");
                faults.add("I3", Some(&self.id), Some(from), what);
            }
        }
    }

    fn check_messages(&self, faults: &mut Faults) {
        let mut last_message = 0;
        let mut before: Option<i64> = (self.lowest() <= 1).then_some(0);
        for entry in &self.entries {
            let own = i64::from(entry.is(MESSAGE));
            let wanted = before.unwrap_or(entry.messages - own) + own;
            if entry.messages != wanted {
                let what = format!("it counts {} messages instead of {wanted}", entry.messages);
                faults.add("sums", Some(&self.id), Some(entry.seq), what);
            }
            before = Some(entry.messages);
            if own == 1 {
                last_message = entry.seq;
            }
        }
        let (count, last) = self.messages;
        if let Some(found) = before.filter(|found| *found != count) {
            let what = format!("the log counts {found} messages, the room's row says {count}");
            faults.add("sums", Some(&self.id), None, what);
        }
        if last != last_message && last >= self.lowest() {
            let what = format!("the last message is {last_message}, the room's row says {last}");
            faults.add("sums", Some(&self.id), None, what);
        }
    }

    fn check_claims(&self, faults: &mut Faults) {
        let mut claims: Vec<(u64, i64)> = self
            .entries
            .iter()
            .filter(|entry| entry.claim != 0)
            .map(|entry| (entry.claim, entry.seq))
            .collect();
        claims.sort_unstable();
        for pair in claims.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            let what = format!("the same command is stored at {} too", pair[0].1);
            faults.add("I2", Some(&self.id), Some(pair[1].1), what);
        }
        for entry in self.entries.iter().filter(|entry| entry.claim != 0 && !entry.is_answered) {
            let what = "its first answer is not kept: sent again, it would be stored twice";
            faults.add("I2", Some(&self.id), Some(entry.seq), what);
        }
    }

    fn check_reference(&self, reference: &Reference) -> Option<&'static str> {
        if matches!(reference.kind, EDIT | DELETE) {
            let target = reference.target.unwrap_or(0);
            match self.entry(target) {
                None if target < self.lowest() => {}
                None => return Some("it changes a message that is not there"),
                Some(entry) if !entry.is(MESSAGE) || entry.id != reference.refers => {
                    return Some("it changes what is not the message that it names");
                }
                Some(_) => {}
            }
        }
        let is_kind = |seq: Option<i64>, kind: i64| {
            seq.is_none_or(|seq| self.entry(seq).is_some_and(|entry| entry.is(kind)))
        };
        if !is_kind(reference.edited, EDIT) {
            return Some("the edit that it was changed by is not there");
        }
        if !is_kind(reference.deleted, DELETE) {
            return Some("the deletion that erased it is not there");
        }
        let is_erased = reference.kind == MESSAGE && reference.deleted.is_some();
        (is_erased && reference.has_text).then_some("it is deleted and its text is still there")
    }
}
