//! The Pub/Sub layer over Redis: what `channels_redis.pubsub.RedisPubSubChannelLayer` is in Django.
//!
//! Nothing is stored: what nobody is subscribed to is lost, and everybody subscribed gets a copy. This file has the seven
//! verbs; `registry` knows the channels and groups of this process, `subscriber` keeps their subscriptions.

mod arrival;
mod inbox;
mod registry;
mod subscriber;

use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::codec::Wire;
use crate::error::Error;
use crate::gaps::Reporter;
use crate::names::random_id;
use crate::options::Options;
use crate::redis::hosts::Hosts;
use crate::redis_pubsub::registry::Registry;
use crate::redis_pubsub::subscriber::{Request, Subscriber};
use crate::value::Message;

/// Changes of subscriptions that wait for one host; whoever makes more waits with theirs.
const WAITING_REQUESTS: usize = 1024;

/// Unread messages that a channel keeps here at least. The original has no capacity and keeps them without end; here
/// the oldest go when a reader falls that far behind.
const UNREAD: usize = 10_000;

/// The back end; clones are the same layer.
#[derive(Debug, Clone)]
pub struct RedisPubSub {
    inner: Arc<Inner>,
}

/// Ends the tasks with the last clone.
#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// One a host.
    subscribers: Vec<mpsc::Sender<Request>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// What the tasks use as well.
#[derive(Debug)]
struct Shared {
    options: Options,
    wire: Wire,
    hosts: Hosts,
    registry: Registry,
    /// Unread messages that a channel keeps here.
    capacity: usize,
    reporter: Reporter,
}

impl RedisPubSub {
    /// Starts connecting; needs a tokio runtime.
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        let reporter = Reporter::new();
        let shared = Arc::new(Shared {
            wire: Wire::pubsub(&options)?,
            hosts: Hosts::new(&options, &reporter),
            registry: Registry::new(&options.prefix),
            capacity: options.capacity.max(UNREAD),
            reporter,
            options,
        });
        let (mut subscribers, mut tasks) = (Vec::new(), Vec::new());
        for (host, link) in shared.hosts.iter().enumerate() {
            let (requests, queue) = mpsc::channel(WAITING_REQUESTS);
            let subscriber = Subscriber::new(Arc::clone(&shared), host, queue);
            subscribers.push(requests);
            tasks.push(tokio::spawn(Arc::clone(link).keep()).abort_handle());
            tasks.push(tokio::spawn(subscriber.run()).abort_handle());
        }
        let tasks = Mutex::new(tasks);
        Ok(Self { inner: Arc::new(Inner { shared, subscribers, tasks }) })
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    pub(crate) fn troubles(&self) -> Vec<crate::Trouble> {
        self.shared().hosts.iter().filter_map(|link| link.trouble()).collect()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.shared().hosts.iter().all(|link| link.is_up())
    }

    pub(crate) fn hosts(&self) -> (&Hosts, &Options) {
        (&self.shared().hosts, &self.shared().options)
    }

    pub(crate) fn parts(&self) -> (&Hosts, &Wire) {
        (&self.shared().hosts, &self.shared().wire)
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.shared().reporter
    }

    /// The name has the layer's prefix and is subscribed when this returns.
    pub(crate) async fn new_channel(&self, prefix: &str) -> Result<String, Error> {
        let shared = self.shared();
        let channel = format!("{}{prefix}{}", shared.options.prefix, random_id());
        shared.registry.add_channel(&channel)?;
        let subscribed = self.follow(std::slice::from_ref(&channel)).await;
        if subscribed.is_err() {
            shared.registry.remove_channel(&channel);
        }
        subscribed.map(|()| channel)
    }

    pub(crate) async fn send(&self, channel: &str, message: &Message) -> Result<(), Error> {
        self.publish(channel, message).await
    }

    async fn publish(&self, name: &str, message: &Message) -> Result<(), Error> {
        let shared = self.shared();
        let now = crate::redis::unix_now() as u64;
        let bytes = shared.wire.seal(&shared.wire.prepare(message)?, None, now)?;
        let mut command = redis::cmd("PUBLISH");
        command.arg(name).arg(&bytes[..]);
        shared.hosts.of(name).command(&command).await?;
        shared.reporter.tally().sent(1);
        Ok(())
    }

    /// A name that is not known yet is subscribed; that it is, nobody can see before the first message.
    pub(crate) async fn receive(&self, channel: &str) -> Result<Message, Error> {
        let shared = self.shared();
        let inbox = match shared.registry.inbox(channel) {
            Some(inbox) => inbox,
            None => {
                let inbox = shared.registry.add_channel(channel)?;
                later_will_do(self.follow(&[channel.to_owned()]).await)?;
                inbox
            }
        };
        let message = inbox.next().await?;
        shared.reporter.tally().received();
        Ok(message)
    }

    pub(crate) async fn group_add(&self, group: &str, channel: &str) -> Result<(), Error> {
        let registry = &self.shared().registry;
        let name = registry.wire_name(group);
        if !registry.join(&name, channel) {
            return Err(Error::NotInProcess { channel: channel.to_owned() });
        }
        let subscribed = self.follow(std::slice::from_ref(&name)).await;
        if subscribed.is_err() {
            registry.leave(&name, channel);
        }
        subscribed
    }

    pub(crate) async fn group_discard(&self, group: &str, channel: &str) -> Result<(), Error> {
        let registry = &self.shared().registry;
        let name = registry.wire_name(group);
        registry.leave(&name, channel);
        later_will_do(self.follow(&[name]).await)
    }

    pub(crate) async fn group_send(&self, group: &str, message: &Message) -> Result<(), Error> {
        self.publish(&self.shared().registry.wire_name(group), message).await
    }

    pub(crate) async fn close_channel(&self, channel: &str) -> Result<(), Error> {
        let names = self.shared().registry.remove_channel(channel);
        later_will_do(self.follow(&names).await)
    }

    /// Forgets the channels and groups of this process. Redis has nothing to delete.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        let names = self.shared().registry.clear();
        later_will_do(self.follow(&names).await)
    }

    pub(crate) fn close(&self) {
        let shared = self.shared();
        shared.registry.close();
        shared.hosts.iter().for_each(|link| link.close());
        self.inner.tasks.lock().drain(..).for_each(|task| task.abort());
        shared.reporter.close();
    }

    /// Waits until the subscriptions of these names are as the registry wants them.
    async fn follow(&self, names: &[String]) -> Result<(), Error> {
        let shared = self.shared();
        let mut by_host: Vec<Vec<String>> = Vec::new();
        by_host.resize_with(shared.hosts.count(), Vec::new);
        names.iter().for_each(|name| by_host[shared.hosts.index_of(name)].push(name.clone()));
        let some = by_host.into_iter().enumerate().filter(|(_, some)| !some.is_empty());
        let results = join_all(some.map(|(host, some)| self.follow_on(host, some))).await;
        results.into_iter().collect()
    }

    async fn follow_on(&self, host: usize, names: Vec<String>) -> Result<(), Error> {
        let link = self.shared().hosts.link(host);
        link.ready().await?;
        let (done, answer) = oneshot::channel();
        let answered = async {
            let asked = self.inner.subscribers[host].send(Request { names, done }).await;
            asked.is_ok() && answer.await.is_ok()
        };
        match tokio::time::timeout(self.shared().options.patience, answered).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Closed),
            Err(_) => Err(Error::Unavailable {
                host: link.name().to_owned(),
                why: "it did not confirm a subscription in time".to_owned(),
            }),
        }
    }
}

/// What the registry says holds here at once; the subscriptions follow as soon as Redis is back.
fn later_will_do(followed: Result<(), Error>) -> Result<(), Error> {
    if matches!(followed, Err(Error::Unavailable { .. })) { Ok(()) } else { followed }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.hosts.iter().for_each(|link| link.close());
        self.tasks.lock().drain(..).for_each(|task| task.abort());
    }
}
