//! The bugs themselves: what becomes of the frames of one connection, and what all connections share, since it is one server
//! that has the bug.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

/// Numbers of commands that the middleman sends by itself; clients count from 1.
const OWN: u64 = 1 << 40;

/// What is wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Nothing.
    Nothing,
    /// It acknowledges a message and does not store it.
    Forgets,
    /// It never shows a message to one of the windows.
    Hides,
    /// It stores a message twice.
    StoresTwice,
    /// It shows a message to one of the windows a second time, as the next one.
    ShowsTwice,
    /// It stores two messages of a window in the wrong order.
    StoresSwapped,
    /// It shows two messages to one of the windows in the wrong order, each in the other's place.
    ShowsSwapped,
}

impl Bug {
    /// All that must be found.
    pub const ALL: [Self; 6] = [
        Self::Forgets,
        Self::Hides,
        Self::StoresTwice,
        Self::ShowsTwice,
        Self::StoresSwapped,
        Self::ShowsSwapped,
    ];
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    bug: Bug,
    one_in: u64,
    messages: AtomicU64,
    struck: AtomicU64,
    /// Epoch and head of each room, as far as anybody saw them.
    heads: Mutex<HashMap<String, (String, u64)>>,
    /// The cids of copies, with those of the originals.
    copies: Mutex<HashMap<String, String>>,
}

impl Shared {
    pub(super) fn new(bug: Bug, one_in: u64) -> Self {
        let (messages, struck) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bug, one_in, messages, struck, heads: Mutex::default(), copies: Mutex::default() }
    }

    pub(super) fn struck(&self) -> u64 {
        self.struck.load(Ordering::SeqCst)
    }

    /// Whether this message is the one.
    fn is_due(&self) -> bool {
        self.messages.fetch_add(1, Ordering::SeqCst) % self.one_in == self.one_in - 1
    }

    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::SeqCst);
    }

    fn head(&self, room: &str) -> Option<(String, u64)> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).get(room).cloned()
    }

    fn saw(&self, event: &Value) {
        let (Some(room), Some(epoch), Some(seq)) =
            (event["room"].as_str(), event["epoch"].as_str(), event["seq"].as_u64())
        else {
            return;
        };
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let head = heads.entry(room.to_owned()).or_insert_with(|| (epoch.to_owned(), seq));
        head.1 = head.1.max(seq);
    }

    /// A copy looks like the original.
    fn unmask(&self, event: &mut Value) {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(original) = event["cid"].as_str().and_then(|cid| copies.get(cid)) {
            event["cid"] = json!(original);
        }
    }
}

/// What is to be sent on.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) up: Vec<String>,
    pub(super) down: Vec<String>,
}

/// One connection through it.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    numbers: u64,
    /// A message on its way up that another one is to pass.
    held: Option<Value>,
    /// An event on its way down that is to change places with the next one.
    kept: Option<Value>,
    /// Ids of events that are never shown here.
    hidden: HashSet<String>,
}

fn up(frame: &Value) -> Said {
    Said { up: vec![frame.to_string()], ..Said::default() }
}

fn down(frame: &Value) -> Said {
    Said { down: vec![frame.to_string()], ..Said::default() }
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, numbers: OWN, held: None, kept: None, hidden: HashSet::new() }
    }

    /// Nothing came that could pass what is held back.
    pub(super) fn let_go(&mut self) -> Said {
        self.held.take().map(|held| up(&held)).unwrap_or_default()
    }

    /// A client says this.
    pub(super) fn client_says(&mut self, text: &str) -> Result<Said> {
        let frame: Value = serde_json::from_str(text)?;
        if frame["type"] != "send" {
            return Ok(up(&frame));
        }
        if let Some(held) = self.held.take() {
            let passes = held["room"] == frame["room"];
            let order = if passes { [&frame, &held] } else { [&held, &frame] };
            if passes {
                self.shared.strike();
            }
            return Ok(Said { up: order.map(Value::to_string).to_vec(), ..Said::default() });
        }
        match self.shared.bug {
            Bug::Forgets if self.shared.is_due() => self.forget(&frame),
            Bug::StoresTwice if self.shared.is_due() => self.store_twice(&frame),
            Bug::StoresSwapped if self.shared.is_due() => {
                self.held = Some(frame);
                Ok(Said::default())
            }
            _ => Ok(up(&frame)),
        }
    }

    /// An ack as the server would give it, of a message that the server never sees.
    fn forget(&mut self, frame: &Value) -> Result<Said> {
        let room = frame["room"].as_str().context("a send without a room")?;
        let Some((epoch, head)) = self.shared.head(room) else { return Ok(up(frame)) };
        self.shared.strike();
        let id = Uuid::now_v7().to_string();
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
        Ok(down(&json!({"type":"ack","id":frame["id"],"room":room,"epoch":epoch,"seq":head + 1,
            "message":id,"at":u64::try_from(at)?})))
    }

    fn store_twice(&mut self, frame: &Value) -> Result<Said> {
        self.shared.strike();
        self.numbers += 1;
        let (cid, mut copy) = (Uuid::now_v7().to_string(), frame.clone());
        (copy["id"], copy["cid"]) = (json!(self.numbers), json!(cid));
        let original = frame["cid"].as_str().context("a send without a cid")?.to_owned();
        let mut copies = self.shared.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(cid, original);
        Ok(Said { up: vec![frame.to_string(), copy.to_string()], ..Said::default() })
    }

    /// The server says this.
    pub(super) fn server_says(&mut self, text: &str) -> Result<Said> {
        let mut frame: Value = serde_json::from_str(text)?;
        match frame["type"].as_str() {
            // The answers to what the middleman sent by itself.
            Some("ack" | "error") if frame["id"].as_u64() > Some(OWN) => Ok(Said::default()),
            Some("event") => {
                self.shared.saw(&frame);
                self.shared.unmask(&mut frame);
                Ok(self.event(frame))
            }
            Some("page") => {
                let events = frame["events"].as_array_mut().context("a page without events")?;
                events.iter_mut().for_each(|event| self.shared.unmask(event));
                events.retain(|event| {
                    !event["id"].as_str().is_some_and(|id| self.hidden.contains(id))
                });
                Ok(down(&frame))
            }
            _ => Ok(down(&frame)),
        }
    }

    fn event(&mut self, event: Value) -> Said {
        if let Some(kept) = self.kept.take() {
            return self.exchanged(kept, event);
        }
        if event["kind"] != "message" {
            return down(&event);
        }
        match self.shared.bug {
            Bug::Hides if self.shared.is_due() => {
                self.shared.strike();
                self.hidden.extend(event["id"].as_str().map(str::to_owned));
                Said::default()
            }
            Bug::ShowsTwice if self.shared.is_due() => {
                self.shared.strike();
                let mut again = event.clone();
                again["seq"] = json!(event["seq"].as_u64().unwrap_or(0) + 1);
                Said { down: vec![event.to_string(), again.to_string()], ..Said::default() }
            }
            Bug::ShowsSwapped if self.shared.is_due() => {
                self.kept = Some(event);
                Said::default()
            }
            _ => down(&event),
        }
    }

    /// Two neighbours of one room, each in the other's place; what are none go on as they came.
    fn exchanged(&mut self, mut first: Value, mut second: Value) -> Said {
        if first["room"] == second["room"] {
            self.shared.strike();
            let seq = first["seq"].take();
            first["seq"] = second["seq"].take();
            second["seq"] = seq;
            std::mem::swap(&mut first, &mut second);
        }
        Said { down: vec![first.to_string(), second.to_string()], ..Said::default() }
    }
}
