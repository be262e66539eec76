//! Writes histories for the tests, a millisecond a line unless the test waits.

use serde_json::{Value, json};

use crate::soak::{Outcome, Promise, Verdict, judge};

/// A history in the making: room `r`, epoch `e`, with ann and bob as first members unless said otherwise.
pub(super) struct Story {
    lines: Vec<String>,
    t: u64,
    log: Vec<Value>,
    next: u64,
}

/// The id of the event at a seq.
pub(super) fn id(seq: u64) -> String {
    format!("01930000-0000-7000-8000-0000{seq:08}")
}

impl Story {
    /// An empty run without claimed faults.
    pub(super) fn new() -> Self {
        Self::with_faults(&[])
    }

    /// An empty run that claims faults.
    pub(super) fn with_faults(faults: &[&str]) -> Self {
        let mut story = Self { lines: Vec::new(), t: 0, log: Vec::new(), next: 0 };
        story.line(json!({"is":"run","version":1,"faults":faults,"ping_ms":25000}));
        story
    }

    /// A run in which ann made the room with bob and both are connected.
    pub(super) fn in_a_room() -> Self {
        let mut story = Self::new();
        story.begin();
        story
    }

    /// Like `in_a_room`, with a fault that will bite.
    pub(super) fn in_a_room_with_faults() -> Self {
        let mut story = Self::with_faults(&["cut"]);
        story.begin();
        story
    }

    fn begin(&mut self) {
        self.connect("ann", 1, None, json!([]));
        self.connect("bob", 1, None, json!([]));
        self.sent("ann", 1, json!({"type":"create","id":1,"cid":"c0","kind":"group","name":"Ops","members":["bob"]}));
        let changes = json!([{"user":"ann","change":"joined"},{"user":"bob","change":"joined"}]);
        self.stored(json!({"kind":"member","from":"ann","cid":"c0","changes":changes}));
        for who in ["ann", "bob"] {
            let room = json!({"id":"r","kind":"group","epoch":"e","head":0,"read":0,"role":"member","history":"joined"});
            self.got(who, 1, json!({"type":"room","change":"added","room":room,"people":[]}));
            self.event(who, 1, 1);
        }
        self.got("ann", 1, json!({"type":"ack","id":1,"room":"r"}));
        self.says("bob", 1, "hello from bob");
    }

    /// A raw line; time goes on by a millisecond.
    pub(super) fn line(&mut self, mut line: Value) -> &mut Self {
        line["t"] = json!(self.t);
        self.t += 1000;
        self.lines.push(line.to_string());
        self
    }

    /// Lets seconds pass.
    pub(super) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.t += seconds * 1_000_000;
        self
    }

    pub(super) fn sent(&mut self, c: &str, n: u64, frame: Value) -> &mut Self {
        self.line(json!({"is":"sent","c":c,"n":n,"frame":frame}))
    }

    pub(super) fn got(&mut self, c: &str, n: u64, frame: Value) -> &mut Self {
        self.line(json!({"is":"got","c":c,"n":n,"frame":frame}))
    }

    /// Opens a connection, says hello and is welcomed with `rooms`.
    pub(super) fn connect(
        &mut self,
        c: &str,
        n: u64,
        resume: Option<Value>,
        rooms: Value,
    ) -> &mut Self {
        self.line(json!({"is":"open","c":c,"n":n,"user":c}));
        self.sent(c, n, json!({"type":"hello","resume":resume}));
        self.got(c, n, json!({"type":"welcome","user":{"id":c,"name":c},"rooms":rooms}))
    }

    /// Room `r` as `welcome` tells it.
    pub(super) fn room(&self, read: u64) -> Value {
        json!([{"id":"r","kind":"group","epoch":"e","head":self.head(),"read":read,"role":"member","history":"joined"}])
    }

    pub(super) fn close(&mut self, c: &str, n: u64) -> &mut Self {
        self.line(json!({"is":"close","c":c,"n":n,"code":1006}))
    }

    pub(super) fn fault(&mut self, edge: &str) -> &mut Self {
        self.line(json!({"is":"fault","name":"cut","edge":edge}))
    }

    /// Puts an event into the store's log.
    pub(super) fn stored(&mut self, mut event: Value) -> u64 {
        let seq = self.head() + 1;
        event["type"] = json!("event");
        event["room"] = json!("r");
        event["epoch"] = json!("e");
        event["seq"] = json!(seq);
        event["id"] = json!(id(seq));
        event["at"] = json!(1000 + seq);
        self.log.push(event);
        seq
    }

    pub(super) fn head(&self) -> u64 {
        self.log.len() as u64
    }

    /// The event at a seq as the store has it, to be changed by a test.
    pub(super) fn at(&mut self, seq: u64) -> &mut Value {
        let index = usize::try_from(seq).unwrap() - 1;
        &mut self.log[index]
    }

    /// Takes the last event out of the store's log.
    pub(super) fn forget_last(&mut self) {
        self.log.pop();
    }

    /// An event of the log arrives.
    pub(super) fn event(&mut self, c: &str, n: u64, seq: u64) -> &mut Self {
        let event = self.at(seq).clone();
        self.got(c, n, event)
    }

    /// A client sends a message; returns its number.
    pub(super) fn sends(&mut self, c: &str, n: u64, cid: &str, body: &str) -> u64 {
        self.next += 1;
        let number = 100 + self.next;
        self.sent(c, n, json!({"type":"send","id":number,"room":"r","cid":cid,"body":body}));
        number
    }

    /// The store takes a message.
    pub(super) fn stores(&mut self, from: &str, cid: &str, body: &str) -> u64 {
        self.stored(json!({"kind":"message","from":from,"cid":cid,"body":body,"n":1}))
    }

    pub(super) fn acks(&mut self, c: &str, n: u64, number: u64, seq: u64) -> &mut Self {
        self.got(c, n, json!({"type":"ack","id":number,"room":"r","epoch":"e","seq":seq,"message":id(seq),"at":1000 + seq}))
    }

    /// A message from sending to the ack, delivered to ann and bob on their connections `n`.
    pub(super) fn says(&mut self, c: &str, n: u64, body: &str) -> u64 {
        let cid = format!("cid {body}");
        let number = self.sends(c, n, &cid, body);
        let seq = self.stores(c, &cid, body);
        self.event("ann", n, seq);
        self.event("bob", n, seq);
        self.acks(c, n, number, seq);
        seq
    }

    /// The store's log is read and the run ends.
    pub(super) fn ends(&mut self) -> Verdict {
        self.says("ann", 1, "last words of ann");
        self.ends_as_it_is()
    }

    pub(super) fn ends_as_it_is(&mut self) -> Verdict {
        let page = json!({"room":"r","epoch":"e","first":1,"head":self.head(),"events":self.log,"more":false});
        self.line(json!({"is":"audit","page":page}));
        self.line(json!({"is":"end"}));
        self.verdict()
    }

    pub(super) fn verdict(&self) -> Verdict {
        judge(self.lines.join("\n").as_bytes()).unwrap()
    }
}

/// The planted violation was found, under its own name.
#[track_caller]
pub(super) fn breaks(promise: Promise, verdict: &Verdict) {
    let found = verdict.violations.iter().any(|violation| violation.promise == promise);
    assert!(found && !verdict.ok, "expected {promise:?}:\n{}", verdict.text());
}

/// Nothing is broken.
#[track_caller]
pub(super) fn passes(verdict: &Verdict) {
    assert!(verdict.ok, "{}{:#?}", verdict.text(), verdict.violations);
}

/// The promise was decided and kept.
#[track_caller]
pub(super) fn keeps(promise: Promise, verdict: &Verdict) {
    let kept = matches!(verdict.promises[&promise], Outcome::Kept { .. });
    assert!(kept, "expected {promise:?} kept:\n{}", verdict.text());
}

/// The promise was honestly left open.
#[track_caller]
pub(super) fn leaves_open(promise: Promise, verdict: &Verdict) {
    let open = matches!(verdict.promises[&promise], Outcome::NotDecided { .. });
    assert!(open, "expected {promise:?} open:\n{}", verdict.text());
}
