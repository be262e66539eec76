//! The subscriptions on one host: made as the registry wants them, made again after each loss, and what arrives on them.
//!
//! `RedisPubSub` starts one for each host. It owns the connection; whoever changed the registry asks it to look and waits
//! for the answer. It decides nothing about who should be subscribed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::sync::{mpsc, oneshot};

use crate::gaps::Gap;
use crate::redis::connect::Failure;
use crate::redis::link::backoff;
use crate::redis::own::OwnConnection;
use crate::redis_pubsub::Shared;
use crate::redis_pubsub::arrival::Arrival;

/// Names in one command.
const CHUNK: usize = 500;

/// How often a connection without traffic is asked whether it lives, and how soon it must say so.
const PING_EVERY: Duration = Duration::from_secs(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Asks to bring the subscriptions of these names into line with the registry.
pub(super) struct Request {
    pub(super) names: Vec<String>,
    pub(super) done: oneshot::Sender<()>,
}

/// The task of one host.
pub(super) struct Subscriber {
    shared: Arc<Shared>,
    host: usize,
    requests: mpsc::Receiver<Request>,
    /// Asked while there was no connection; answered once all is subscribed.
    waiting: Vec<oneshot::Sender<()>>,
    subscribed: HashSet<String>,
}

impl Subscriber {
    pub(super) fn new(shared: Arc<Shared>, host: usize, requests: mpsc::Receiver<Request>) -> Self {
        Self { shared, host, requests, waiting: Vec::new(), subscribed: HashSet::new() }
    }

    /// Runs until the task is aborted.
    pub(super) async fn run(mut self) {
        let link = Arc::clone(self.shared.hosts.link(self.host));
        let (mut attempt, mut is_again) = (0, false);
        loop {
            link.up(0).await;
            match link.open_own().await {
                Ok(mut connection) => {
                    attempt = 0;
                    let failure = self.serve(&mut connection, is_again).await;
                    is_again = true;
                    let (host, reason) = (link.name(), failure.why);
                    tracing::debug!(host, reason, "lost the subscriptions, subscribing again");
                }
                Err(failure) => {
                    let (host, reason) = (link.name(), failure.why);
                    tracing::debug!(host, reason, "no connection for subscriptions");
                    attempt += 1;
                }
            }
            tokio::time::sleep(backoff(attempt, rand::random())).await;
        }
    }

    async fn serve(&mut self, connection: &mut OwnConnection, is_again: bool) -> Failure {
        self.subscribed.clear();
        let mut wanted = self.shared.registry.wanted();
        wanted.retain(|name| self.shared.hosts.index_of(name) == self.host);
        if let Err(failure) = self.follow(connection, wanted).await {
            return failure;
        }
        self.waiting.drain(..).for_each(answer);
        if is_again {
            let host = self.shared.hosts.link(self.host).name().to_owned();
            self.shared.reporter.tally().reconnected();
            self.shared.reporter.report(Gap::Resubscribed { host });
        }
        self.attend(connection).await
    }

    /// Until the connection is lost.
    async fn attend(&mut self, connection: &mut OwnConnection) -> Failure {
        let mut pings = tokio::time::interval(PING_EVERY);
        loop {
            let step = tokio::select! {
                filled = connection.fill() => match filled {
                    Ok(()) => self.hand_out(connection).and_then(|heard| agreed(heard.refusal)),
                    Err(failure) => Err(failure),
                },
                request = self.requests.recv() => match request {
                    Some(request) => self.change(connection, request).await,
                    None => std::future::pending().await,
                },
                // A user who may not ask is told so, by a connection that lives.
                _ = pings.tick() => self.hear(connection, &redis::cmd("PING"), 1).await.map(|_| ()),
            };
            if let Err(failure) = step {
                return failure;
            }
        }
    }

    /// All requests that are there at once, so that a thousand joins take one round trip and not a thousand.
    async fn change(
        &mut self,
        connection: &mut OwnConnection,
        first: Request,
    ) -> Result<(), Failure> {
        let mut names = first.names;
        self.waiting.push(first.done);
        while let Ok(next) = self.requests.try_recv() {
            names.extend(next.names);
            self.waiting.push(next.done);
        }
        self.follow(connection, names).await?;
        self.waiting.drain(..).for_each(answer);
        Ok(())
    }

    /// Subscribes and unsubscribes what the registry now says of these names.
    async fn follow(
        &mut self,
        connection: &mut OwnConnection,
        names: Vec<String>,
    ) -> Result<(), Failure> {
        let (wanted, unwanted): (HashSet<String>, HashSet<String>) =
            names.into_iter().partition(|name| self.shared.registry.is_wanted(name));
        let missing: Vec<String> = wanted.difference(&self.subscribed).cloned().collect();
        for chunk in missing.chunks(CHUNK) {
            self.ask(connection, redis::cmd("SUBSCRIBE").arg(chunk), chunk.len()).await?;
            self.subscribed.extend(chunk.iter().cloned());
        }
        let needless: Vec<String> = unwanted.intersection(&self.subscribed).cloned().collect();
        for chunk in needless.chunks(CHUNK) {
            self.ask(connection, redis::cmd("UNSUBSCRIBE").arg(chunk), chunk.len()).await?;
            chunk.iter().for_each(|name| {
                self.subscribed.remove(name);
            });
        }
        Ok(())
    }

    /// Sends a command and waits for so many confirmations.
    async fn ask(
        &self,
        connection: &mut OwnConnection,
        command: &Cmd,
        confirmations: usize,
    ) -> Result<(), Failure> {
        agreed(self.hear(connection, command, confirmations).await?)
    }

    /// As [`ask`](Self::ask), or until it is refused, with the reason; messages that come in between are handed on.
    async fn hear(
        &self,
        connection: &mut OwnConnection,
        command: &Cmd,
        mut confirmations: usize,
    ) -> Result<Option<String>, Failure> {
        let answered = async {
            connection.write(command).await?;
            while confirmations > 0 {
                connection.fill().await?;
                let heard = self.hand_out(connection)?;
                if heard.refusal.is_some() {
                    return Ok(heard.refusal);
                }
                confirmations = confirmations.saturating_sub(heard.confirmations);
            }
            Ok(None)
        };
        let late = |_| Failure::network("it stays silent");
        tokio::time::timeout(ANSWER_WITHIN, answered).await.map_err(late)?
    }

    /// Hands on all messages that are there as a whole; returns what else was among them.
    fn hand_out(&self, connection: &mut OwnConnection) -> Result<Heard, Failure> {
        let mut heard = Heard::default();
        while let Some(parts) = connection.next()? {
            match Arrival::read(parts) {
                Arrival::Message { name, payload } => self.deliver(name, payload),
                Arrival::Confirmation => heard.confirmations += 1,
                Arrival::Refusal(why) => heard.refusal = Some(why),
                Arrival::Other => self.shared.reporter.undecodable("a subscription", None),
            }
        }
        Ok(heard)
    }

    fn deliver(&self, name: &str, payload: &[u8]) {
        let message = match self.shared.wire.open(payload, crate::redis::unix_now() as u64) {
            Ok(message) => message,
            Err(why) => return self.shared.reporter.undecodable(name, Some(why)),
        };
        let (capacity, mut over) = (self.shared.capacity, Vec::new());
        self.shared.registry.each_receiver(name, |channel, inbox| {
            if !inbox.deliver(message.clone(), capacity) {
                over.push(channel.to_owned());
            }
        });
        over.iter().for_each(|channel| self.shared.reporter.overflowed(channel));
    }
}

/// What Redis said besides messages.
#[derive(Default)]
struct Heard {
    confirmations: usize,
    refusal: Option<String>,
}

fn agreed(refusal: Option<String>) -> Result<(), Failure> {
    refusal.map_or(Ok(()), |why| Err(Failure::network(why)))
}

/// An error here means that whoever asked has stopped waiting.
fn answer(done: oneshot::Sender<()>) {
    let _ = done.send(());
}
