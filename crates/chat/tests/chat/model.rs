//! Any course of sends, repeats, edits, removals, cuts, resumes and slow reading ends in every member having the log.
//!
//! Each person is modelled as a careful client: it keeps a position, drops what it has, and is never told a gap.

use moorline_chat::{Followed, Notice};
use moorline_protocol::{Cid, Edit, EventId, Position, Seq};
use moorline_store::Stored;
use proptest::prelude::*;
use serde_json::Value;

use crate::harness::{TestChat, Window, user};

const PEOPLE: [&str; 3] = ["ann", "bob", "cid"];

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    /// The same cid again, of the send so many steps ago.
    Repeat(usize),
    Edit(usize),
    /// A person's connection breaks; they say hello again at a later step.
    Cut(usize),
    Return(usize),
    /// A person is taken out, or brought back.
    Remove(usize),
    Invite(usize),
    /// A person's driver drains the outbox; those who do not fall behind.
    Drain(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        6 => who.clone().prop_map(Step::Send),
        2 => (0..8_usize).prop_map(Step::Repeat),
        1 => who.clone().prop_map(Step::Edit),
        2 => who.clone().prop_map(Step::Cut),
        3 => who.clone().prop_map(Step::Return),
        1 => (1..PEOPLE.len()).prop_map(Step::Remove),
        2 => (1..PEOPLE.len()).prop_map(Step::Invite),
        4 => who.prop_map(Step::Drain),
    ]
}

/// A client with its position, across connections.
#[derive(Default)]
struct Client {
    window: Option<Window>,
    at: Option<(Seq, EventId)>,
    seen: Vec<u64>,
    is_member: bool,
    /// Where the present membership begins: what is older is out of sight, also for its author.
    joined: Seq,
}

impl Client {
    /// Takes what has come. A wire may repeat; it may not skip.
    fn drain(&mut self) {
        let Some(window) = &self.window else { return };
        for frame in window.frames() {
            if frame["type"] == "event" {
                self.apply(&frame);
            }
        }
    }

    fn apply(&mut self, event: &Value) {
        let seq = event["seq"].as_u64().unwrap();
        let next = self.seen.last().map_or(seq, |last| last + 1);
        assert!(seq <= next, "a gap: {seq} came where {next} was due");
        if seq == next {
            self.seen.push(seq);
            self.at = Some((
                Seq(seq),
                event["id"].as_str().unwrap().parse::<uuid::Uuid>().map(EventId).unwrap(),
            ));
        }
    }

    /// Follows what the hub left, draining meanwhile, as a session and a driver would.
    async fn follow(&mut self, chat: &TestChat) {
        let Some(window) = self.window.take() else { return };
        for notice in window.notices() {
            let Notice::Behind { from, .. } = notice else { continue };
            self.drive(&window, window.follow(chat, Seq(from.0 - 1))).await;
        }
        self.window = Some(window);
        self.drain();
    }

    async fn drive<T>(&mut self, window: &Window, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            if let std::task::Poll::Ready(done) = futures_util::poll!(work.as_mut()) {
                return done;
            }
            for frame in window.frames() {
                if frame["type"] == "event" {
                    self.apply(&frame);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn hello(&mut self, chat: &TestChat, name: &str) {
        if self.window.is_some() || !self.is_member {
            return;
        }
        let window = chat.window_with(name, 1_500);
        match self.at {
            Some((seq, id)) => {
                let position = Position { epoch: chat.epoch, seq, check: Some(id.check()) };
                let read = (self.joined.max(Seq(1)), chat.head().await);
                let (listener, room) = (&window.listener, &chat.room);
                if !chat.chat.resume_from_memory(listener, room, &position, read) {
                    self.drive(&window, window.resume(chat, position)).await;
                }
            }
            None => {
                let head = chat.head().await;
                assert_eq!(self.drive(&window, window.follow(chat, head)).await, Followed::Live);
            }
        }
        self.window = Some(window);
        self.drain();
    }
}

/// One course of steps over one room.
struct Course {
    chat: TestChat,
    clients: Vec<Client>,
    sent: Vec<(usize, Cid, String, Stored)>,
}

impl Course {
    async fn begin() -> Self {
        let chat = TestChat::with_room(&PEOPLE).await;
        let member = || Client { is_member: true, ..Client::default() };
        let mut clients: Vec<Client> = PEOPLE.iter().map(|_| member()).collect();
        for (client, name) in clients.iter_mut().zip(PEOPLE) {
            client.hello(&chat, name).await;
        }
        Self { chat, clients, sent: Vec::new() }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send(who) if self.clients[who].is_member => self.send(who).await,
            Step::Repeat(back) => self.repeat(back).await,
            Step::Edit(who) if self.clients[who].is_member => self.edit(who).await,
            Step::Cut(who) => {
                if let Some(window) = self.clients[who].window.take() {
                    window.close();
                }
            }
            Step::Return(who) => self.clients[who].hello(&self.chat, PEOPLE[who]).await,
            Step::Remove(who) if self.clients[who].is_member => self.remove(who).await,
            Step::Invite(who) if !self.clients[who].is_member => self.invite(who).await,
            Step::Drain(who) => {
                self.clients[who].drain();
                self.clients[who].follow(&self.chat).await;
            }
            _ => {}
        }
    }

    async fn send(&mut self, who: usize) {
        let (cid, body) = (self.chat.fresh_cid(), format!("{} {}", PEOPLE[who], "x".repeat(200)));
        let stored = self.chat.send_with(PEOPLE[who], &body, cid.clone()).await.unwrap();
        self.sent.push((who, cid, body, stored));
    }

    /// Also after the sender's removal, the first ack is the answer.
    async fn repeat(&mut self, back: usize) {
        let Some((who, cid, body, first)) = self.sent.iter().rev().nth(back) else { return };
        let again = self.chat.send_with(PEOPLE[*who], body, cid.clone()).await.unwrap();
        assert_eq!(&again, first);
    }

    async fn edit(&mut self, who: usize) {
        let joined = self.clients[who].joined;
        let own = self.sent.iter().rev().find(|(by, _, _, of)| *by == who && of.seq > joined);
        let Some((_, _, _, of)) = own else { return };
        let (room, cid) = (self.chat.room.clone(), self.chat.fresh_cid());
        let edit = Edit { room, cid, message: of.id, body: "edited".into() };
        self.chat.chat.edit(&user(PEOPLE[who]), edit, 4).unwrap().await.unwrap();
    }

    async fn remove(&mut self, who: usize) {
        let removal = self.chat.remove("ann", PEOPLE[who]).await;
        self.clients[who].follow(&self.chat).await;
        assert!(self.clients[who].seen.last().is_none_or(|last| *last <= removal.seq.0));
        self.clients[who] = Client::default();
    }

    async fn invite(&mut self, who: usize) {
        let joined = self.chat.invite("ann", PEOPLE[who]).await.seq;
        self.clients[who] = Client { is_member: true, joined, ..Client::default() };
        self.clients[who].hello(&self.chat, PEOPLE[who]).await;
    }

    async fn end(mut self) {
        let head = self.chat.head().await.0;
        let members = self.clients.iter_mut().zip(PEOPLE).filter(|(client, _)| client.is_member);
        for (client, name) in members {
            client.drain();
            client.hello(&self.chat, name).await;
            client.follow(&self.chat).await;
            let first = client.seen.first().copied().unwrap_or(head + 1);
            let all: Vec<u64> = (first..=head).collect();
            assert_eq!(client.seen, all, "{name} has not everything up to the head");
        }
    }
}

async fn run(steps: Vec<Step>) {
    let mut course = Course::begin().await;
    for step in steps {
        course.take(step).await;
    }
    course.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_member_ends_with_the_whole_log(steps in proptest::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(run(steps));
    }
}
