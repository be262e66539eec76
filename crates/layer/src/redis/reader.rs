//! Takes the messages of one queue on one host out of Redis and into the mailboxes, while somebody waits for them.
//!
//! The core layer starts one for each queue and host at the first `receive`. It owns a connection that blocks, and
//! connects again without end. It pops nothing that nobody asked for, so that senders see a full channel and other
//! workers get their share.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::Value;
use tokio::time::Instant;

use crate::gaps::Gap;
use crate::mailboxes::{Demand, Origin};
use crate::redis::Shared;
use crate::redis::connect::Failure;
use crate::redis::link::backoff;
use crate::redis::own::OwnConnection;
use crate::redis::scripts::{self, Take};
use crate::value::Message;

/// How long Redis holds a blocking read, in seconds, as `channels_redis` does.
const BLOCK_SECONDS: u64 = 5;

/// A reply that is so late, blocking included, will not come.
const SILENCE: Duration = Duration::from_secs(30);

/// Messages taken from a client's own queue at once.
const BATCH: usize = 128;

/// A blocking read that is answered sooner found something waiting.
const AT_ONCE: Duration = Duration::from_millis(1);

/// How often a shared queue is looked through for what dead readers left in flight. The original does it before every
/// read, and so often takes what a live reader is just handling.
const RECOVER_EVERY: Duration = Duration::from_secs(5);

/// A connection that nobody needed for so long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// Whose queue it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// That of this client's specific channels, which nobody else reads.
    Own,
    /// That of a normal channel, which other processes may read too.
    Normal,
}

/// The reader of one queue on one host.
pub(super) struct Reader {
    shared: Arc<Shared>,
    kind: Kind,
    /// The part of the channel's name that is not local.
    name: String,
    host: usize,
    queue: String,
    in_flight: String,
    /// Whether everything in flight on the own queue is known to have arrived.
    has_arrived: bool,
    /// Whether there is something in flight of which Redis does not know yet that it arrived.
    is_holding: bool,
    /// Whether the last blocking read had to wait, so that the queue is likely to be empty now.
    has_waited: bool,
    /// When a shared queue was last looked through for what dead readers left behind.
    recovered: Option<Instant>,
}

type Taken = Vec<Origin>;

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, kind: Kind, name: &str, host: usize) -> Self {
        let (queue, in_flight) = (shared.keys.queue(name), shared.keys.in_flight(name));
        Self {
            shared,
            kind,
            name: name.to_owned(),
            host,
            queue,
            in_flight,
            has_arrived: false,
            is_holding: false,
            has_waited: false,
            recovered: None,
        }
    }

    /// Reads until the task is aborted.
    pub(super) async fn run(mut self) {
        let (mut attempt, mut was_lost) = (0, false);
        loop {
            self.demand().await;
            let link = Arc::clone(self.shared.hosts.link(self.host));
            link.up(0).await;
            let mut connection = match link.open_own().await {
                Ok(connection) => connection,
                Err(failure) => {
                    tracing::debug!(
                        host = link.name(),
                        reason = failure.why,
                        "no reading connection"
                    );
                    tokio::time::sleep(backoff(attempt, rand::random())).await;
                    attempt += 1;
                    continue;
                }
            };
            attempt = 0;
            if was_lost {
                self.shared.reporter.tally().reconnected();
                self.shared.reporter.report(Gap::Reconnected { host: link.name().to_owned() });
            }
            let ended = self.serve(&mut connection).await;
            was_lost = ended.is_err();
            if let Err(failure) = ended {
                let (host, reason) = (link.name(), failure.why);
                tracing::debug!(host, reason, queue = self.queue, "lost a reading connection");
                // A refusal such as a wrong type would be repeated at once.
                tokio::time::sleep(backoff(2, rand::random())).await;
            }
        }
    }

    /// Serves whoever waits, until nobody did for a minute.
    async fn serve(&mut self, connection: &mut OwnConnection) -> Result<(), Failure> {
        loop {
            let wanted = match self.demand().now_or_never() {
                Some(demand) => demand,
                None => {
                    self.settle(connection).await?;
                    match tokio::time::timeout(IDLE, self.demand()).await {
                        Ok(demand) => demand,
                        Err(_) => return Ok(()),
                    }
                }
            };
            match wanted {
                Demand::Left(origins) => self.put_back(connection, origins).await?,
                Demand::Wanted(_) if self.is_likely_empty() => self.block(connection).await?,
                Demand::Wanted(limit) => {
                    let taken = self.take(connection, limit).await?;
                    // Where there was nothing the next read waits.
                    self.has_waited = taken.is_empty();
                    taken.into_iter().for_each(|message| self.deliver(message));
                }
            }
        }
    }

    /// Whether to wait for a message rather than to look for one. What may be left in flight is looked for first.
    fn is_likely_empty(&self) -> bool {
        let is_looked_through = match self.kind {
            Kind::Own => self.has_arrived,
            Kind::Normal => self.recovered.is_some_and(|at| at.elapsed() < RECOVER_EVERY),
        };
        self.has_waited && is_looked_through
    }

    async fn demand(&self) -> Demand {
        match self.kind {
            Kind::Own => {
                self.shared.mailboxes.demand_on_specific().await;
                Demand::Wanted(BATCH)
            }
            Kind::Normal => self.shared.mailboxes.demand_on(&self.name, self.host).await,
        }
    }

    /// Takes what is there, after recovering what a dead reader left behind.
    async fn take(
        &mut self,
        connection: &mut OwnConnection,
        limit: usize,
    ) -> Result<Taken, Failure> {
        let (limit, expiry) = (limit.min(BATCH), self.shared.expiry);
        let take = Take { queue: &self.queue, in_flight: &self.in_flight, limit, expiry };
        let now = Instant::now();
        let recovers = self.recovered.is_none_or(|at| now.duration_since(at) >= RECOVER_EVERY);
        let command = match self.kind {
            Kind::Own => scripts::take_own(&take, self.has_arrived),
            Kind::Normal => scripts::take_shared(&take, recovers),
        };
        // Should this reply be lost, what it took must be taken again.
        self.has_arrived = false;
        let reply = connection.command(&command, SILENCE).await?;
        let taken = self.read_taken(reply)?;
        self.has_arrived = true;
        self.is_holding = self.kind == Kind::Own && !taken.is_empty();
        if recovers {
            self.recovered = Some(now);
        }
        Ok(taken)
    }

    /// Waits in Redis for the next message, which is handed on at once or put back.
    async fn block(&mut self, connection: &mut OwnConnection) -> Result<(), Failure> {
        let mut command = redis::cmd("BZPOPMIN");
        command.arg(&self.queue).arg(BLOCK_SECONDS);
        let asked = Instant::now();
        let reply = connection.command(&command, SILENCE).await?;
        self.has_waited = asked.elapsed() > AT_ONCE;
        let Value::Array(parts) = reply else { return Ok(()) };
        let mut parts = parts.into_iter().skip(1);
        let (Some(Value::BulkString(member)), Some(Value::BulkString(score))) =
            (parts.next(), parts.next())
        else {
            return Err(Failure::network("BZPOPMIN gave no member and score"));
        };
        let message = Origin { host: self.host, member, score };
        if self.kind == Kind::Normal && !self.shared.mailboxes.is_wanted(&self.name) {
            return self.put_back(connection, vec![message]).await;
        }
        self.deliver(message);
        Ok(())
    }

    /// Members and scores in turn, as the script returns them.
    fn read_taken(&self, reply: Value) -> Result<Taken, Failure> {
        let Value::Array(parts) = reply else { return Ok(Taken::new()) };
        let mut taken = Taken::with_capacity(parts.len() / 2);
        let mut parts = parts.into_iter();
        while let Some(member) = parts.next() {
            let (Value::BulkString(member), Some(Value::BulkString(score))) =
                (member, parts.next())
            else {
                return Err(Failure::network("the script gave no members and scores"));
            };
            taken.push(Origin { host: self.host, member, score });
        }
        Ok(taken)
    }

    fn deliver(&self, taken: Origin) {
        let (mailboxes, reporter) = (&self.shared.mailboxes, &self.shared.reporter);
        let mut message =
            match self.shared.wire.open(&taken.member, crate::redis::unix_now() as u64) {
                Ok(message) => message,
                Err(why) => return reporter.undecodable(&self.queue, Some(why)),
            };
        let address = message.remove(crate::codec::ADDRESS);
        if self.kind == Kind::Normal {
            return mailboxes.deliver(&self.name, message, Some(taken));
        }
        match address {
            Some(crate::Value::Text(name)) => {
                self.deliver_own(&[crate::Value::Text(name)], message)
            }
            Some(crate::Value::Array(names)) => self.deliver_own(&names, message),
            _ => reporter.undecodable(&self.queue, None),
        }
    }

    /// A copy for each name that is on this queue. Names of other clients are nobody's here.
    fn deliver_own(&self, names: &[crate::Value], message: Message) {
        for name in names.iter().map(crate::Value::as_text) {
            match name.filter(|name| crate::names::non_local(name) == self.name) {
                Some(name) => self.shared.mailboxes.deliver(name, message.clone(), None),
                None => self.shared.reporter.undecodable(&self.queue, None),
            }
        }
    }

    /// Tells Redis that what was taken has arrived, when nothing more is taken for now.
    async fn settle(&mut self, connection: &mut OwnConnection) -> Result<(), Failure> {
        if self.is_holding {
            let mut command = redis::cmd("DEL");
            command.arg(&self.in_flight);
            connection.command(&command, SILENCE).await?;
            self.is_holding = false;
        }
        Ok(())
    }

    /// Puts messages back where they were, for other readers: whoever waited here does not any more.
    async fn put_back(
        &self,
        connection: &mut OwnConnection,
        messages: Vec<Origin>,
    ) -> Result<(), Failure> {
        let command = put_back(&self.queue, &messages);
        connection.command(&command, SILENCE).await?;
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(&self.queue).arg(self.shared.expiry);
        connection.command(&expire, SILENCE).await.map(|_| ())
    }
}

/// The command that adds messages to a queue under their old scores.
pub(super) fn put_back(queue: &str, messages: &[Origin]) -> redis::Cmd {
    let mut command = redis::cmd("ZADD");
    command.arg(queue);
    messages.iter().for_each(|message| {
        command.arg(&message.score[..]).arg(&message.member[..]);
    });
    command
}
