//! What a client does with what it hears: answers leave the outbox, events are applied in order, holes are fetched.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Client, Place};

/// Own messages that are remembered; older ones are not edited any more.
const REMEMBERED: usize = 1_000;

impl Client {
    pub(super) async fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap_or("") {
            "ack" => self.acked(frame),
            "error" => self.refused(frame),
            "event" => self.event(frame).await,
            "page" => self.page(frame),
            "reset" => self.reset(frame),
            "room" if frame["change"] == "gone" => {
                let room = frame["id"].as_str().or(frame["room"].as_str()).unwrap_or("");
                self.places.remove(room);
            }
            "room" => {
                let room = &frame["room"];
                let (id, head) = (room["id"].as_str().unwrap_or(""), room["head"].as_u64());
                self.start(Some(id), room["epoch"].as_str(), head);
                // What follows begins behind this head.
                if head > Some(self.applied(id)) {
                    self.fetch(id, self.applied(id)).await;
                }
            }
            _ => {}
        }
    }

    fn draft(&mut self, frame: &Value) -> Option<usize> {
        let number = frame["id"].as_u64()?;
        self.outbox.iter().position(|draft| draft.number == Some(number))
    }

    fn acked(&mut self, frame: &Value) {
        let Some(index) = self.draft(frame) else { return };
        let Some(draft) = self.outbox.remove(index) else { return };
        self.answered += 1;
        let room = frame["room"].as_str().unwrap_or("").to_owned();
        if let (Some("send"), Some(id)) = (draft.frame["type"].as_str(), frame["message"].as_str())
        {
            self.remember(&room, id);
            if let Some(meter) = &self.meter {
                meter.acked(draft.frame["body"].as_str().unwrap_or(""));
            }
        }
        let acked = self.acked.entry(room.clone()).or_default();
        *acked = (*acked).max(frame["seq"].as_u64().unwrap_or(0));
        self.last_room = Some(room);
    }

    /// The latest of one's own messages, which may be edited and deleted.
    fn remember(&mut self, room: &str, id: &str) {
        if self.messages.len() >= REMEMBERED {
            self.messages.remove(0);
        }
        self.messages.push((room.to_owned(), id.to_owned()));
    }

    fn refused(&mut self, frame: &Value) {
        let number = frame["id"].as_u64();
        if number.is_some_and(|number| self.fetching.remove(&number).is_some()) {
            // The hole stays until the next event or connection.
            return;
        }
        let Some(index) = self.draft(frame) else {
            let said = frame["message"].as_str().or(frame["code"].as_str());
            self.refusal = said.map(str::to_owned);
            return;
        };
        if frame["retry"] == true {
            let wait = frame["retry_after_ms"].as_u64().unwrap_or(1000);
            let draft = &mut self.outbox[index];
            draft.number = None;
            draft.not_before = Some(Instant::now() + Duration::from_millis(wait));
            return;
        }
        self.answered += 1;
        self.outbox.remove(index);
        *self.refused.entry(frame["code"].as_str().unwrap_or("").to_owned()).or_default() += 1;
    }

    /// Applies an event, or fetches what is missing before it.
    async fn event(&mut self, frame: &Value) {
        let (Some(room), Some(seq)) = (frame["room"].as_str(), frame["seq"].as_u64()) else {
            return;
        };
        let known = self.places.get(room).map(|place| place.seq);
        match known {
            Some(known) if seq <= known => {}
            Some(known) if seq > known + 1 => self.fetch(room, known).await,
            _ => self.apply(frame),
        }
    }

    async fn fetch(&mut self, room: &str, after: u64) {
        if self.fetching.values().any(|fetched| fetched == room) {
            return;
        }
        self.numbers += 1;
        self.fetching.insert(self.numbers, room.to_owned());
        let ask = json!({"type":"history","id":self.numbers,"room":room,"after":after,"limit":200});
        let text = ask.to_string();
        self.recorder.frame("sent", &self.name, self.n, &text);
        // A failure shows as the end of the connection.
        self.push(text).await;
    }

    fn page(&mut self, frame: &Value) {
        if let Some(number) = frame["id"].as_u64() {
            self.fetching.remove(&number);
        }
        for event in frame["events"].as_array().into_iter().flatten() {
            let room = event["room"].as_str().unwrap_or("");
            if event["seq"].as_u64() == Some(self.applied(room) + 1) {
                self.apply(event);
            }
        }
    }

    fn apply(&mut self, event: &Value) {
        let text = |field: &str| event[field].as_str().unwrap_or("").to_owned();
        let (room, epoch, id) = (text("room"), text("epoch"), text("id"));
        let seq = event["seq"].as_u64().unwrap_or(0);
        let (c, n) = (&self.name, self.n);
        self.recorder
            .line(json!({"is":"applied","c":c,"n":n,"room":room,"epoch":epoch,"seq":seq,"id":id}));
        if let Some(meter) = &self.meter
            && event["kind"] == "message"
        {
            meter.seen(event["body"].as_str().unwrap_or(""), &self.name);
        }
        let check = id[id.len().saturating_sub(8)..].to_owned();
        self.places.insert(room, Place { epoch, seq, check });
    }

    /// A room is followed from its head on, if nothing of it is known yet.
    pub(super) fn start(&mut self, room: Option<&str>, epoch: Option<&str>, head: Option<u64>) {
        let (Some(room), Some(epoch), Some(head)) = (room, epoch, head) else { return };
        if !self.places.contains_key(room) {
            let place = Place { epoch: epoch.to_owned(), seq: head, check: String::new() };
            self.places.insert(room.to_owned(), place);
        }
    }

    fn reset(&mut self, frame: &Value) {
        let reason = frame["reason"].as_str().unwrap_or("");
        if !matches!(reason, "gone" | "pruned") {
            self.resets.push(reason.to_owned());
        }
        let Some(room) = frame["room"].as_str() else { return };
        self.places.remove(room);
        self.start(Some(room), frame["epoch"].as_str(), frame["head"].as_u64());
    }
}
