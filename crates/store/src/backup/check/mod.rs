//! Whether the rows of a store keep the promises that rows can show: I2 (once), I3 (dense), I14 (epochs), and that sums
//! are what they sum up. Reads rows as they come, from a file or a store, in about 40 bytes of memory an event.

mod fault;
mod log;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

pub use self::fault::Fault;
pub(crate) use self::fault::Faults;
use self::log::{Entry, Log, Reference};
use super::row::{Row, Value};
use super::tables::TABLES;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// People, those who were removed included.
    pub people: u64,
    /// Rooms.
    pub rooms: u64,
    /// Memberships.
    pub members: u64,
    /// Events of all logs.
    pub events: u64,
    /// Messages among them, deleted ones included.
    pub messages: u64,
    /// First answers of commands.
    pub cids: u64,
    /// Built-in accounts.
    pub accounts: u64,
    /// Sessions, ended ones included.
    pub sessions: u64,
    /// When the newest event happened; ms since 1970.
    pub newest_ms: u64,
}

/// A person as far as it matters here.
struct User {
    id: String,
    is_removed: bool,
    /// In how many rooms the row says that they are, and in how many they are.
    rooms: (i64, i64),
}

/// A member's marker.
struct Member {
    user: i64,
    joined: i64,
    read: i64,
    read_messages: i64,
}

/// Looks at rows.
pub(crate) struct Checker {
    counts: Counts,
    faults: Faults,
    users: HashMap<i64, User>,
    rooms: HashMap<i64, Log>,
    members: HashMap<i64, Vec<Member>>,
    hasher: RandomState,
    last_cid: Option<(Value, i64, i64)>,
}

/// A row with its columns by name.
struct Named<'r>(usize, &'r Row);

impl Named<'_> {
    fn value(&self, name: &str) -> &Value {
        TABLES[self.0].position(name).map_or(&Value::Null, |place| &self.1[place])
    }

    fn int(&self, name: &str) -> i64 {
        self.value(name).int()
    }

    fn text(&self, name: &str) -> &str {
        self.value(name).text()
    }

    /// The random end of an id; 0 where there is none.
    fn id(&self, name: &str) -> u64 {
        let Value::Uuid(uuid) = self.value(name) else { return 0 };
        (uuid.as_u128() & u128::from(u64::MAX)) as u64
    }
}

impl Checker {
    pub(crate) fn new() -> Self {
        Self {
            counts: Counts::default(),
            faults: Faults::default(),
            users: HashMap::new(),
            rooms: HashMap::new(),
            members: HashMap::new(),
            hasher: RandomState::new(),
            last_cid: None,
        }
    }

    /// Takes a row in; tables come in the order of [`TABLES`].
    pub(crate) fn row(&mut self, table: usize, row: &Row) {
        let named = Named(table, row);
        match TABLES[table].name {
            "rooms" => self.room(&named),
            "users" => self.user(&named),
            "members" => self.member(&named),
            "removals" => self.person_of(&named, "a removal"),
            "accounts" => {
                self.counts.accounts += 1;
                self.person_of(&named, "an account");
            }
            "sessions" => {
                self.counts.sessions += 1;
                self.person_of(&named, "a session");
            }
            "events" => self.event(&named),
            "cids" => self.cid(&named),
            _ => {}
        }
    }

    fn room(&mut self, row: &Named<'_>) {
        self.counts.rooms += 1;
        let log = Log::new(
            row.text("id"),
            row.int("epoch"),
            (row.int("first"), row.int("head")),
            (row.int("messages"), row.int("last_message")),
            row.int("members"),
        );
        if self.rooms.insert(row.int("n"), log).is_some() {
            self.faults.add(
                "I3",
                Some(row.text("id")),
                None,
                "there are two rooms under its number",
            );
        }
    }

    fn user(&mut self, row: &Named<'_>) {
        let is_removed = row.value("removed").some_int().is_some();
        self.counts.people += u64::from(row.int("n") != 1 && !is_removed);
        let user = User { id: row.text("id").to_owned(), is_removed, rooms: (row.int("rooms"), 0) };
        if self.users.insert(row.int("n"), user).is_some() {
            self.faults.add(
                "sums",
                None,
                None,
                format!("two people have the number {}", row.int("n")),
            );
        }
    }

    fn member(&mut self, row: &Named<'_>) {
        self.counts.members += 1;
        let (user, room) = (row.int("user"), row.int("room"));
        if let Some(user) = self.users.get_mut(&user) {
            user.rooms.1 += 1;
        }
        if !self.rooms.contains_key(&room) {
            self.faults.add(
                "sums",
                None,
                None,
                format!("a member of no room: person {user}, room {room}"),
            );
        }
        self.person_of(row, "a membership");
        self.members.entry(room).or_default().push(Member {
            user,
            joined: row.int("joined"),
            read: row.int("read"),
            read_messages: row.int("read_messages"),
        });
    }

    fn person_of(&mut self, row: &Named<'_>, what: &str) {
        let user = row.int("user");
        if !self.users.contains_key(&user) {
            self.faults.add("sums", None, None, format!("{what} of nobody: person {user}"));
        }
    }

    fn event(&mut self, row: &Named<'_>) {
        self.counts.events += 1;
        self.counts.messages += u64::from(row.int("kind") == log::MESSAGE);
        self.counts.newest_ms = self.counts.newest_ms.max(row.int("at").max(0).cast_unsigned());
        let (room, seq, sender) = (row.int("room"), row.int("seq"), row.int("sender"));
        let claim = match self.users.get(&sender) {
            None => {
                let what = format!("it is from nobody: person {sender}");
                self.faults.add("I4", self.rooms.get(&room).map(Log::id), Some(seq), what);
                0
            }
            // The cids of somebody who was removed may be gone with them.
            Some(user) if user.is_removed => 0,
            Some(_) => self.claim(row.value("cid"), sender),
        };
        let Some(log) = self.rooms.get_mut(&room) else {
            let what = format!("an event of no room: room {room}, seq {seq}");
            self.faults.add("I3", None, None, what);
            return;
        };
        let has_text = !row.text("body").is_empty();
        log.push(Entry::new(seq, row.id("id"), claim, row.int("messages"), row.int("kind")));
        let number = |name: &str| row.value(name).some_int();
        log.refer(Reference {
            seq,
            kind: row.int("kind"),
            target: number("target"),
            refers: row.id("refers"),
            edited: number("edited"),
            deleted: number("deleted"),
            has_text,
        });
    }

    /// A number for a command of a person; 0 for none.
    fn claim(&self, cid: &Value, sender: i64) -> u64 {
        match cid {
            Value::Text(cid) => self.hasher.hash_one((cid.as_str(), sender)).max(1),
            _ => 0,
        }
    }

    fn cid(&mut self, row: &Named<'_>) {
        self.counts.cids += 1;
        let (sender, room, seq) = (row.int("sender"), row.int("room"), row.int("seq"));
        let cid = row.value("cid").clone();
        let claim = self.claim(&cid, sender);
        let key = Some((cid, sender, room));
        let of = if room == 0 { row.int("made") } else { room };
        let Some(log) = self.rooms.get_mut(&of) else {
            let what = format!("a first answer names no room: room {of}, seq {seq}");
            self.faults.add("I2", None, None, what);
            return;
        };
        if key == self.last_cid {
            self.faults.add("I2", Some(log.id()), Some(seq), "a command has two first answers");
        }
        self.last_cid = key;
        if let Some(what) = log.answer(seq, row.id("id"), claim) {
            self.faults.add("I2", Some(log.id()), Some(seq), what);
        }
    }

    /// After the last row: what can be said only now.
    pub(crate) fn finish(mut self) -> (Counts, Faults) {
        let mut numbers: Vec<i64> = self.rooms.keys().copied().collect();
        numbers.sort_unstable();
        let (mut epochs, mut ids) = (HashSet::new(), Vec::new());
        for number in numbers {
            let Some(mut log) = self.rooms.remove(&number) else { continue };
            let members = self.members.remove(&number).unwrap_or_default();
            log.check(&mut self.faults);
            if log.epoch() == 0 || !epochs.insert(log.epoch()) {
                let what = "its epoch is not its own: two lives of logs cannot be told apart";
                self.faults.add("I14", Some(log.id()), None, what);
            }
            check_members(&log, &members, &self.users, &mut self.faults);
            ids.extend(log.ids());
        }
        check_ids(ids, &mut self.faults);
        // The rooms of one whose erasing is under way are counted at its end.
        let counted = self.users.values().filter(|user| !user.is_removed);
        for user in counted.filter(|user| user.rooms.0 != user.rooms.1) {
            let (said, found) = user.rooms;
            let what = format!("{} is in {found} rooms, the row says {said}", user.id);
            self.faults.add("sums", None, None, what);
        }
        (self.counts, self.faults)
    }
}

fn check_members(log: &Log, members: &[Member], users: &HashMap<i64, User>, faults: &mut Faults) {
    let found = i64::try_from(members.len()).unwrap_or(i64::MAX);
    if found != log.members() {
        let what = format!("it has {found} members, the row says {}", log.members());
        faults.add("sums", Some(log.id()), None, what);
    }
    for member in members {
        let name = users.get(&member.user).map_or("somebody", |user| &user.id);
        if member.joined > log.head() {
            let what = format!("{name} joined behind the end of the log");
            faults.add("I3", Some(log.id()), Some(member.joined), what);
        }
        if member.read > log.head() {
            let what = format!("{name} has read behind the end of the log");
            faults.add("I15", Some(log.id()), Some(member.read), what);
        } else if let Some(messages) = log.messages_at(member.read)
            && messages != member.read_messages
        {
            let what = format!(
                "{name} has read {} messages by the row and {messages} by the log",
                member.read_messages
            );
            faults.add("I15", Some(log.id()), Some(member.read), what);
        }
    }
}

/// No id stands at two positions.
fn check_ids(mut ids: Vec<u64>, faults: &mut Faults) {
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
        let what = format!("the id that ends in {:08x} stands at two positions", pair[0] as u32);
        faults.add("I5", None, None, what);
    }
}
