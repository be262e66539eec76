//! Any course of sends, repeats, edits, deletions, comings and goings, restarts: the store and a model of twenty lines a
//! command agree on every answer, on what everybody sees, and on what a resume from anywhere brings.

use std::collections::{BTreeMap, HashMap};

use moorline_protocol::{EventId, Position, ResetReason, RoomKind, Seq};
use moorline_store::{Error, Reply, Resumed, Stored};
use proptest::prelude::*;

use super::stage::{Stage, line};

const PEOPLE: [&str; 4] = ["ann", "bob", "cid", "dee"];

#[derive(Debug, Clone)]
enum Act {
    Send { who: usize, key: u8, body: u8 },
    Edit { who: usize, key: u8, message: u8, body: u8 },
    Delete { who: usize, key: u8, message: u8 },
    Join { who: usize, key: u8 },
    Leave { who: usize, key: u8 },
    Invite { who: usize, key: u8, whom: usize },
    Remove { who: usize, key: u8, whom: usize },
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..PEOPLE.len();
    let key = 0..12_u8;
    prop_oneof![
        8 => (who.clone(), key.clone(), 0..3_u8).prop_map(|(who, key, body)| Act::Send { who, key, body }),
        3 => (who.clone(), key.clone(), any::<u8>(), 0..3_u8)
            .prop_map(|(who, key, message, body)| Act::Edit { who, key, message, body }),
        2 => (who.clone(), key.clone(), any::<u8>())
            .prop_map(|(who, key, message)| Act::Delete { who, key, message }),
        2 => (who.clone(), key.clone()).prop_map(|(who, key)| Act::Join { who, key }),
        1 => (who.clone(), key.clone()).prop_map(|(who, key)| Act::Leave { who, key }),
        2 => (who.clone(), key.clone(), who.clone())
            .prop_map(|(who, key, whom)| Act::Invite { who, key, whom }),
        1 => (who.clone(), key, who).prop_map(|(who, key, whom)| Act::Remove { who, key, whom }),
        1 => Just(Act::Restart),
    ]
}

/// One entry of the model's log.
#[derive(Debug, Clone)]
struct Entry {
    text: String,
    author: usize,
    is_message: bool,
    of: Option<u64>,
    edited: Option<u64>,
    deleted: Option<u64>,
}

impl Entry {
    fn plain(author: usize, text: String) -> Self {
        Self { text, author, is_message: false, of: None, edited: None, deleted: None }
    }

    fn show(&self, seq: u64) -> String {
        let by = PEOPLE[self.author];
        match (self.is_message, self.edited, self.deleted) {
            (true, _, Some(mark)) => format!("{seq} {by}: (deleted by {mark})"),
            (true, Some(mark), None) => format!("{seq} {by}: {} (edited by {mark})", self.text),
            (true, None, None) => format!("{seq} {by}: {}", self.text),
            (false, ..) => format!("{seq} {by} {}", self.text),
        }
    }
}

/// What the store promises, in plain words.
struct Model {
    is_public: bool,
    log: Vec<Entry>,
    /// The seq that brought each member in; the first of the people owns the room.
    members: BTreeMap<usize, u64>,
    cids: HashMap<(usize, u8), (String, u64)>,
}

impl Model {
    fn new(is_public: bool) -> Self {
        let log = vec![Entry::plain(0, "+ann +bob".to_owned())];
        Self { is_public, log, members: [(0, 1), (1, 1)].into(), cids: HashMap::new() }
    }

    fn sees_from(&self, who: usize) -> Option<u64> {
        self.members.get(&who).map(|joined| if self.is_public { 1 } else { *joined })
    }

    fn message(&self, who: usize, seq: u64) -> Result<&Entry, Error> {
        let from = self.sees_from(who).ok_or(Error::NotFound)?;
        let entry = self.log.get(seq as usize - 1).filter(|entry| entry.is_message && seq >= from);
        entry.ok_or(Error::NotFound)
    }

    fn push(&mut self, entry: Entry) -> u64 {
        self.log.push(entry);
        self.log.len() as u64
    }

    /// The answer to a command, given what the message that it names is.
    fn answer(&mut self, who: usize, key: u8, act: &Act, message: u64) -> Result<u64, Error> {
        let what = match act {
            Act::Edit { body, .. } => format!("edit {message} {body}"),
            Act::Delete { .. } => format!("delete {message}"),
            Act::Send { body, .. } => format!("send {body}"),
            Act::Join { .. } => "join".to_owned(),
            Act::Leave { .. } => "leave".to_owned(),
            Act::Invite { whom, .. } => format!("invite {whom}"),
            Act::Remove { whom, .. } => format!("remove {whom}"),
            Act::Restart => return Ok(0),
        };
        if let Some((known, seq)) = self.cids.get(&(who, key)) {
            return if *known == what { Ok(*seq) } else { Err(Error::CidConflict) };
        }
        let seq = self.carry_out(who, act, message)?;
        self.cids.insert((who, key), (what, seq));
        Ok(seq)
    }

    fn carry_out(&mut self, who: usize, act: &Act, message: u64) -> Result<u64, Error> {
        let is_member = self.members.contains_key(&who);
        let member = if is_member { Ok(()) } else { Err(Error::NotFound) };
        match act {
            Act::Send { body, .. } => {
                member?;
                let text = format!("body {body}");
                Ok(self.push(Entry { is_message: true, ..Entry::plain(who, text) }))
            }
            Act::Edit { body, .. } => self.edit(who, message, *body),
            Act::Delete { .. } => self.delete(who, message),
            Act::Join { .. } => match self.members.get(&who) {
                Some(joined) => Ok(*joined),
                None if !self.is_public => Err(Error::NotFound),
                None => Ok(self.come(who, who)),
            },
            Act::Leave { .. } => {
                member?;
                Ok(self.go(who, who, '-'))
            }
            Act::Invite { whom, .. } => {
                member?;
                match self.members.get(whom) {
                    Some(joined) => Ok(*joined),
                    None => Ok(self.come(who, *whom)),
                }
            }
            Act::Remove { whom, .. } => {
                member?;
                match (self.owns(who), self.members.contains_key(whom)) {
                    (false, _) => Err(Error::Forbidden),
                    (true, false) => Err(Error::NotFound),
                    (true, true) => Ok(self.go(who, *whom, '!')),
                }
            }
            Act::Restart => Ok(0),
        }
    }

    fn edit(&mut self, who: usize, message: u64, body: u8) -> Result<u64, Error> {
        let target = self.message(who, message)?;
        match (target.author == who, target.deleted) {
            (false, _) => return Err(Error::Forbidden),
            (true, Some(_)) => return Err(Error::Deleted),
            (true, None) => {}
        }
        let text = format!("edits {message}: body {body}");
        let seq = self.push(Entry { of: Some(message), ..Entry::plain(who, text) });
        let target = &mut self.log[message as usize - 1];
        (target.text, target.edited) = (format!("body {body}"), Some(seq));
        Ok(seq)
    }

    fn delete(&mut self, who: usize, message: u64) -> Result<u64, Error> {
        let target = self.message(who, message)?;
        match (target.author == who || self.owns(who), target.deleted) {
            (false, _) => return Err(Error::Forbidden),
            (true, Some(_)) => return Err(Error::Deleted),
            (true, None) => {}
        }
        let seq = self.push(Entry::plain(who, format!("deletes {message}")));
        self.log[message as usize - 1].deleted = Some(seq);
        for entry in self.log.iter_mut().filter(|entry| entry.of == Some(message)) {
            entry.text = format!("edits {message}: ");
        }
        Ok(seq)
    }

    /// Whoever comes back is an ordinary member.
    fn owns(&self, who: usize) -> bool {
        who == 0 && self.members.get(&0) == Some(&1)
    }

    fn come(&mut self, by: usize, who: usize) -> u64 {
        let seq = self.push(Entry::plain(by, format!("+{}", PEOPLE[who])));
        self.members.insert(who, seq);
        seq
    }

    fn go(&mut self, by: usize, who: usize, sign: char) -> u64 {
        self.members.remove(&who);
        self.push(Entry::plain(by, format!("{sign}{}", PEOPLE[who])))
    }

    fn lines(&self, from: u64) -> Vec<String> {
        let numbered = (1_u64..).zip(&self.log).filter(|(seq, _)| *seq >= from);
        numbered.map(|(seq, entry)| entry.show(seq)).collect()
    }
}

/// The store beside the model.
struct Run {
    stage: Option<Stage>,
    model: Model,
    ids: Vec<EventId>,
    /// What the commits told.
    told: Vec<(u64, EventId)>,
    /// Told, and not yet answered: what they are, and what the model answers.
    under_way: Vec<(Act, Reply<Stored>, Result<u64, Error>)>,
}

impl Run {
    async fn new(is_public: bool) -> Self {
        let stage = Stage::with(&PEOPLE).await;
        let kind = if is_public { RoomKind::Public } else { RoomKind::Group };
        let first = stage.make("r", kind, &["ann", "bob"]).await.unwrap();
        let ids = vec![first.id.unwrap()];
        let under_way = Vec::new();
        let (model, told) = (Model::new(is_public), Vec::new());
        Self { stage: Some(stage), model, ids, told, under_way }
    }

    fn stage(&self) -> &Stage {
        self.stage.as_ref().unwrap()
    }

    /// Tells the store at once, and asks for its answer when so many are under way.
    async fn act(&mut self, act: &Act, at_once: usize) {
        // Neighbouring joins may share an event, which the model does not know of: they go alone.
        let is_alone = matches!(act, Act::Join { .. } | Act::Leave { .. } | Act::Restart);
        if is_alone || self.under_way.len() >= at_once {
            self.settle().await;
        }
        if matches!(act, Act::Restart) {
            self.hear();
            self.stage = Some(self.stage.take().unwrap().reopen().await);
            return;
        }
        let place = match act {
            Act::Edit { message, .. } | Act::Delete { message, .. } => {
                usize::from(*message) % self.ids.len()
            }
            _ => 0,
        };
        let (who, key, reply) = self.tell(act, self.ids[place]);
        let wanted = self.model.answer(who, key, act, place as u64 + 1);
        self.under_way.push((act.clone(), reply, wanted));
        if is_alone {
            self.settle().await;
        }
    }

    /// Keeps what the commits told.
    fn hear(&mut self) {
        let told = std::mem::take(&mut self.stage().told.lock().events);
        self.told.extend(told.iter().map(|event| (event.seq.0, event.id)));
    }

    /// Compares the answers to what is under way.
    async fn settle(&mut self) {
        for (act, reply, wanted) in std::mem::take(&mut self.under_way) {
            let answer = reply.await;
            let given = answer.as_ref().map(|stored| stored.seq.0).map_err(Clone::clone);
            assert_eq!(given, wanted, "{act:?}");
            let Ok(stored) = answer else { continue };
            if stored.seq.0 as usize > self.ids.len() {
                self.ids.push(stored.id);
            }
            assert_eq!(self.ids[stored.seq.0 as usize - 1], stored.id, "{act:?}");
        }
    }

    fn tell(&self, act: &Act, message: EventId) -> (usize, u8, Reply<Stored>) {
        let stage = self.stage();
        let name = |who: usize| PEOPLE[who];
        let text = |key: u8| format!("k{key}");
        match *act {
            Act::Send { who, key, body } => {
                (who, key, stage.send(name(who), "r", &text(key), &format!("body {body}")))
            }
            Act::Edit { who, key, body, .. } => {
                let body = format!("body {body}");
                (who, key, stage.edit(name(who), "r", &text(key), message, &body))
            }
            Act::Delete { who, key, .. } => {
                (who, key, stage.delete(name(who), "r", &text(key), message))
            }
            Act::Join { who, key } => (who, key, stage.join(name(who), "r", &text(key))),
            Act::Leave { who, key } => (who, key, stage.leave(name(who), "r", &text(key))),
            Act::Invite { who, key, whom } => {
                (who, key, stage.invite(name(who), "r", &text(key), &[name(whom)]))
            }
            Act::Remove { who, key, whom } => {
                (who, key, stage.remove(name(who), "r", &text(key), &[name(whom)]))
            }
            Act::Restart => unreachable!("not told"),
        }
    }

    /// What everybody sees, and what everybody's resume from everywhere brings.
    async fn compare(&mut self) {
        self.hear();
        let once: Vec<(u64, EventId)> = (1..).zip(self.ids.iter().copied()).collect();
        assert_eq!(self.told, once, "each event is told once, in order");
        let stage = self.stage();
        let epoch = stage.store.head(&super::stage::room("r")).await.unwrap().epoch;
        for (who, name) in PEOPLE.iter().enumerate() {
            let Some(from) = self.model.sees_from(who) else {
                assert_eq!(stage.history(name, "r").await, Err(Error::NotFound));
                continue;
            };
            assert_eq!(stage.lines(name, "r").await, self.model.lines(from), "{name}");
            for seq in 0..=self.ids.len() as u64 + 1 {
                let id = (seq as usize).checked_sub(1).and_then(|place| self.ids.get(place));
                let check = id.map(EventId::check);
                let resumed =
                    stage.resume(name, "r", Position { epoch, seq: Seq(seq), check }).await;
                self.compare_resume(&resumed, seq, from);
            }
        }
    }

    fn compare_resume(&self, resumed: &Resumed, seq: u64, from: u64) {
        match resumed {
            Resumed::Reset { reason: ResetReason::Future, .. } => {
                assert!(seq > self.ids.len() as u64);
            }
            Resumed::Reset { reason: ResetReason::Pruned, .. } => {
                assert!(seq > 0 && seq + 1 < from);
            }
            Resumed::Events { events, .. } => {
                let lines: Vec<String> = events.iter().map(line).collect();
                assert_eq!(lines, self.model.lines((seq + 1).max(from)));
            }
            other => panic!("{other:?} from {seq}"),
        }
    }
}

proptest! {
    // A case opens a store and syncs a hundred times: a sixteenth of the usual number, which PROPTEST_CASES raises.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 16))]

    #[test]
    fn the_store_and_the_model_agree(
        is_public: bool,
        at_once in 1..12_usize,
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(is_public).await;
            for act in &acts {
                run.act(act, at_once).await;
            }
            run.settle().await;
            run.compare().await;
        });
    }
}
