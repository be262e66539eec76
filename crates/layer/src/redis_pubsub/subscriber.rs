//! The subscriptions on one host: made as the registry wants them, made again after each loss, and what arrives on them.
//!
//! `RedisPubSub` starts one for each host. It owns the connection; whoever changed the registry asks it to look and waits
//! for the answer. It decides nothing about who should be subscribed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use tokio::sync::{mpsc, oneshot};

use crate::gaps::Gap;
use crate::redis::connect::Failure;
use crate::redis::link::{LOGGED_IN, backoff};
use crate::redis_pubsub::Shared;

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
            let connected = async {
                let stream = link.open_stream().await?;
                PubSub::new(&LOGGED_IN, stream).await.map_err(Failure::network)
            };
            match connected.await {
                Ok(connection) => {
                    attempt = 0;
                    let failure = self.serve(connection, is_again).await;
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

    async fn serve(&mut self, connection: PubSub, is_again: bool) -> Failure {
        let (mut sink, mut stream) = connection.split();
        self.subscribed.clear();
        let mut wanted = self.shared.registry.wanted();
        wanted.retain(|name| self.shared.hosts.index_of(name) == self.host);
        if let Err(failure) = self.follow(&mut sink, wanted).await {
            return failure;
        }
        self.waiting.drain(..).for_each(answer);
        if is_again {
            let host = self.shared.hosts.link(self.host).name().to_owned();
            self.shared.reporter.tally().reconnected();
            self.shared.reporter.report(Gap::Resubscribed { host });
        }
        self.attend(&mut sink, &mut stream).await
    }

    /// Until the connection is lost.
    async fn attend(&mut self, sink: &mut PubSubSink, stream: &mut PubSubStream) -> Failure {
        let mut pings = tokio::time::interval(PING_EVERY);
        loop {
            let step = tokio::select! {
                message = stream.next() => match message {
                    Some(message) => {
                        self.deliver(message.get_channel_name(), message.get_payload_bytes());
                        Ok(())
                    }
                    None => Err(Failure::network("the connection was closed")),
                },
                request = self.requests.recv() => match request {
                    Some(request) => self.change(sink, request).await,
                    None => std::future::pending().await,
                },
                _ = pings.tick() => within(sink.ping::<redis::Value>()).await.map(|_| ()),
            };
            if let Err(failure) = step {
                return failure;
            }
        }
    }

    /// All requests that are there at once, so that a thousand joins take one round trip and not a thousand.
    async fn change(&mut self, sink: &mut PubSubSink, first: Request) -> Result<(), Failure> {
        let mut names = first.names;
        self.waiting.push(first.done);
        while let Ok(next) = self.requests.try_recv() {
            names.extend(next.names);
            self.waiting.push(next.done);
        }
        self.follow(sink, names).await?;
        self.waiting.drain(..).for_each(answer);
        Ok(())
    }

    /// Subscribes and unsubscribes what the registry now says of these names.
    async fn follow(&mut self, sink: &mut PubSubSink, names: Vec<String>) -> Result<(), Failure> {
        let (wanted, unwanted): (HashSet<String>, HashSet<String>) =
            names.into_iter().partition(|name| self.shared.registry.is_wanted(name));
        let missing: Vec<String> = wanted.difference(&self.subscribed).cloned().collect();
        for chunk in missing.chunks(CHUNK) {
            within(sink.subscribe(chunk)).await?;
            self.subscribed.extend(chunk.iter().cloned());
        }
        let needless: Vec<String> = unwanted.intersection(&self.subscribed).cloned().collect();
        for chunk in needless.chunks(CHUNK) {
            within(sink.unsubscribe(chunk)).await?;
            chunk.iter().for_each(|name| {
                self.subscribed.remove(name);
            });
        }
        Ok(())
    }

    fn deliver(&self, name: &str, payload: &[u8]) {
        let message = match self.shared.wire.open(payload, crate::redis::unix_now() as u64) {
            Ok(message) => Arc::new(message),
            Err(why) => return self.shared.reporter.undecodable(name, Some(why)),
        };
        for channel in self.shared.registry.receivers(name) {
            self.shared.mailboxes.deliver(&channel, Arc::clone(&message), None);
        }
    }
}

async fn within<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, Failure> {
    let late = |_| Failure::network("it stays silent");
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)?.map_err(Failure::network)
}

/// An error here means that whoever asked has stopped waiting.
fn answer(done: oneshot::Sender<()>) {
    let _ = done.send(());
}
