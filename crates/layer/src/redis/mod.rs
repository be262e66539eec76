//! The core layer over Redis: what `channels_redis.core.RedisChannelLayer` is in Django, byte for byte.
//!
//! Channels are sorted sets of messages, groups are sorted sets of channel names. This file has the seven verbs, in the
//! order of the original; `reader` receives, `link` and `connect` are the connections, `memberships` keeps groups alive.

pub(crate) mod connect;
pub(crate) mod hosts;
pub(crate) mod inspect;
mod keys;
mod line;
pub(crate) mod link;
mod memberships;
pub(crate) mod own;
mod reader;
pub(crate) mod resp;
mod scripts;
mod tls;
mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use indexmap::IndexMap;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::RwLock;
use tokio::task::AbortHandle;

use crate::codec::{Address, Wire};
use crate::error::Error;
use crate::gaps::Reporter;
use crate::mailboxes::Mailboxes;
use crate::memory::refuse_address;
use crate::names::{Client, check_channel, check_group, non_local};
use crate::options::Options;
use crate::redis::hosts::Hosts;
use crate::redis::keys::Keys;
use crate::redis::link::Link;
use crate::redis::memberships::{Membership, Memberships};
use crate::redis::reader::{Kind, Reader};
use crate::redis::scripts::Parcel;
use crate::value::Message;

/// Keys that one script fills at most, so that it never holds Redis for long.
const KEYS_A_SCRIPT: usize = 500;

/// The back end; clones are the same layer.
#[derive(Debug, Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

/// Ends the tasks with the last clone.
#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// The queues that have readers, by the part of their channels' names that is not local.
    reading: Mutex<HashMap<String, Vec<AbortHandle>>>,
}

/// What the tasks use as well.
#[derive(Debug)]
struct Shared {
    options: Options,
    /// Whole seconds, as Redis wants them.
    expiry: u64,
    group_expiry: u64,
    client: Client,
    keys: Keys,
    wire: Wire,
    hosts: Hosts,
    mailboxes: Mailboxes,
    reporter: Reporter,
    memberships: Memberships,
    /// One a host: shared by those who join and leave groups, alone for the task that restores memberships, so that it
    /// does not bring back what is just being discarded.
    gates: Vec<RwLock<()>>,
}

impl Redis {
    /// Starts connecting; needs a tokio runtime.
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        let reporter = Reporter::new();
        let shared = Arc::new(Shared {
            expiry: options.expiry.as_secs(),
            group_expiry: options.group_expiry.as_secs(),
            client: Client::new(),
            keys: Keys::new(&options.prefix),
            wire: Wire::core(&options)?,
            hosts: Hosts::new(&options, &reporter),
            mailboxes: Mailboxes::new(options.capacity, options.expiry, reporter.clone()),
            reporter,
            memberships: Memberships::default(),
            gates: options.hosts.iter().map(|_| RwLock::new(())).collect(),
            options,
        });
        let layer = Self {
            inner: Arc::new(Inner {
                shared: Arc::clone(&shared),
                tasks: Mutex::default(),
                reading: Mutex::default(),
            }),
        };
        for (index, link) in shared.hosts.iter().enumerate() {
            layer.spawn(Arc::clone(link).keep());
            layer.spawn(upkeep::restore_after_reconnections(Arc::clone(&shared), index));
            layer.spawn(upkeep::refresh(Arc::clone(&shared), index));
            layer.spawn(upkeep::audit(Arc::clone(&shared), index));
        }
        Ok(layer)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.tasks.lock().push(tokio::spawn(task).abort_handle());
    }

    fn shared(&self) -> &Arc<Shared> {
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

    pub(crate) fn new_channel(&self, prefix: &str) -> Result<String, Error> {
        self.shared().client.new_channel(prefix)
    }

    pub(crate) async fn send(&self, channel: &str, message: &Message) -> Result<(), Error> {
        check_channel(channel)?;
        refuse_address(message)?;
        let (shared, now, key) = (self.shared(), unix_now(), non_local(channel));
        let is_specific = channel.contains('!');
        let address = is_specific.then_some(Address::One(channel));
        let capacity = shared.options.capacity_of(channel);
        let bytes = shared.wire.seal(&shared.wire.prepare(message)?, address, now as u64)?;
        let parcel = Parcel { key: shared.keys.queue(key), bytes, capacity };
        // By the part that is not local, where its reader looks, and not by the full name, where the original sends it.
        let link = if is_specific { shared.hosts.of(key) } else { shared.hosts.next_in_turn() };
        if shared.deliver(link, &[parcel], now).await? == 0 {
            return Ok(());
        }
        shared.reporter.over_capacity(channel, 1);
        Err(Error::ChannelFull { channel: channel.to_owned(), capacity })
    }

    pub(crate) async fn receive(&self, channel: &str) -> Result<Message, Error> {
        let shared = self.shared();
        shared.client.check_receive(channel)?;
        shared.mailboxes.receive(channel, || self.read(non_local(channel))).await
    }

    /// Starts the readers of a queue, one a host: a normal channel's messages lie on all of them, and so do those of
    /// specific channels that were sent by the original.
    fn read(&self, name: &str) {
        let mut reading = self.inner.reading.lock();
        if reading.contains_key(name) {
            return;
        }
        let kind = if name.ends_with('!') { Kind::Own } else { Kind::Normal };
        let start = |host| {
            let reader = Reader::new(Arc::clone(self.shared()), kind, name, host);
            tokio::spawn(reader.run()).abort_handle()
        };
        reading.insert(name.to_owned(), (0..self.shared().hosts.count()).map(start).collect());
    }

    pub(crate) async fn group_add(&self, group: &str, channel: &str) -> Result<(), Error> {
        check_group(group)?;
        check_channel(channel)?;
        let (shared, membership) = (self.shared(), Membership::new(group, channel));
        let host = shared.hosts.index_of(group);
        let _gate = shared.gates[host].read().await;
        let is_new = shared.memberships.add(&membership);
        let added = shared.add_to_groups(host, std::slice::from_ref(&membership)).await;
        if added.is_err() && is_new {
            shared.memberships.remove(&membership);
        }
        added
    }

    pub(crate) async fn group_discard(&self, group: &str, channel: &str) -> Result<(), Error> {
        check_group(group)?;
        check_channel(channel)?;
        let (shared, membership) = (self.shared(), Membership::new(group, channel));
        let host = shared.hosts.index_of(group);
        let _gate = shared.gates[host].read().await;
        shared.memberships.remove(&membership);
        shared.discard(host, vec![membership]).await
    }

    pub(crate) async fn group_send(&self, group: &str, message: &Message) -> Result<(), Error> {
        check_group(group)?;
        let (shared, now) = (self.shared(), unix_now());
        let outgoing = shared.wire.prepare(message)?;
        let members = shared.members(group, now).await?;
        let mut by_key: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for name in &members {
            by_key.entry(non_local(name)).or_default().push(name);
        }
        let mut by_host: Vec<Vec<Parcel>> = Vec::new();
        by_host.resize_with(shared.hosts.count(), Vec::new);
        for (key, names) in &by_key {
            let address = Some(Address::All(names));
            let bytes = shared.wire.seal(&outgoing, address, now as u64)?;
            let capacity = names.first().map_or(0, |name| shared.options.capacity_of(name));
            let parcel = Parcel { key: shared.keys.queue(key), bytes, capacity };
            by_host[shared.hosts.index_of(key)].push(parcel);
        }
        let sends = by_host.iter().enumerate().flat_map(|(host, parcels)| {
            let link = shared.hosts.link(host);
            parcels.chunks(KEYS_A_SCRIPT).map(move |some| shared.deliver(link, some, now))
        });
        let results: Vec<Result<u64, Error>> = join_all(sends).await;
        let full = results.iter().filter_map(|result| result.as_ref().ok()).sum();
        if full > 0 {
            tracing::info!(group, full, of = by_key.len(), "channels over capacity in a group");
            shared.reporter.over_capacity(group, full);
        }
        results.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    /// Forgets a channel of this process.
    pub(crate) async fn close_channel(&self, channel: &str) -> Result<(), Error> {
        let shared = self.shared();
        shared.mailboxes.remove(channel);
        shared.leave(shared.memberships.remove_channel(channel)).await
    }

    /// Deletes the keys of this layer on every host.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        let shared = self.shared();
        shared.memberships.clear();
        shared.mailboxes.clear();
        let results = join_all(shared.hosts.iter().map(|link| shared.flush(link))).await;
        results.into_iter().collect()
    }

    /// Stops reading, puts back what others can read, removes what nobody else can, and disconnects.
    pub(crate) async fn close(&self) {
        let shared = self.shared();
        shared.mailboxes.close();
        let names = self.inner.stop_reading();
        upkeep::withdraw(shared, &names).await;
        shared.hosts.iter().for_each(|link| link.close());
        self.inner.tasks.lock().drain(..).for_each(|task| task.abort());
        shared.reporter.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.hosts.iter().for_each(|link| link.close());
        self.tasks.lock().drain(..).for_each(|task| task.abort());
        self.stop_reading();
    }
}

impl Inner {
    /// Stops all readers; returns the names of their queues.
    fn stop_reading(&self) -> Vec<String> {
        let stop = |(name, tasks): (String, Vec<AbortHandle>)| {
            tasks.iter().for_each(AbortHandle::abort);
            name
        };
        self.reading.lock().drain().map(stop).collect()
    }
}

impl Shared {
    /// Delivers to some keys of one host; returns how many were full.
    async fn deliver(&self, link: &Link, parcels: &[Parcel], now: f64) -> Result<u64, Error> {
        let reply = link.command(&scripts::send(parcels, now, self.expiry)).await?;
        let (full, expired) = match &reply {
            Value::Array(numbers) => match numbers.as_slice() {
                [Value::Int(full), Value::Int(expired)] => (*full as u64, *expired as u64),
                _ => (0, 0),
            },
            _ => (0, 0),
        };
        self.reporter.tally().expired(expired);
        self.reporter.tally().sent((parcels.len() as u64).saturating_sub(full));
        Ok(full)
    }

    /// The members of a group, oldest first, without those that have expired.
    async fn members(&self, group: &str, now: f64) -> Result<Vec<String>, Error> {
        let key = self.keys.group(group);
        let mut pipeline = redis::pipe();
        let oldest = scripts::oldest(now, self.group_expiry);
        pipeline.cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(oldest);
        pipeline.cmd("ZRANGE").arg(&key).arg(0).arg(-1);
        let replies = self.hosts.of(group).commands(&pipeline).await?;
        let Some(Value::Array(names)) = replies.into_iter().nth(1) else { return Ok(Vec::new()) };
        let text = |name| match name {
            Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
            _ => None,
        };
        let members: Vec<Option<String>> = names.into_iter().map(text).collect();
        if members.contains(&None) {
            self.reporter.undecodable(&key, None);
        }
        Ok(members.into_iter().flatten().collect())
    }

    async fn add_to_groups(&self, host: usize, memberships: &[Membership]) -> Result<(), Error> {
        let (now, mut pipeline) = (scripts::score(unix_now()), redis::pipe());
        for membership in memberships {
            let key = self.keys.group(&membership.group);
            pipeline.cmd("ZADD").arg(&key).arg(&now).arg(&membership.channel);
            pipeline.cmd("EXPIRE").arg(&key).arg(self.group_expiry);
        }
        self.hosts.link(host).commands(&pipeline).await.map(|_| ())
    }

    /// Takes channels out of groups on one host, now or, should it be away, when it is back.
    async fn discard(&self, host: usize, memberships: Vec<Membership>) -> Result<(), Error> {
        let mut pipeline = redis::pipe();
        for membership in &memberships {
            pipeline.cmd("ZREM").arg(self.keys.group(&membership.group)).arg(&membership.channel);
        }
        let discarded = self.hosts.link(host).commands(&pipeline).await;
        if discarded.is_err() {
            memberships.into_iter().for_each(|one| self.memberships.withdraw_later(one));
        }
        discarded.map(|_| ())
    }

    /// Takes channels out of groups wherever the groups are.
    async fn leave(&self, memberships: Vec<Membership>) -> Result<(), Error> {
        let mut by_host: Vec<Vec<Membership>> = Vec::new();
        by_host.resize_with(self.hosts.count(), Vec::new);
        for membership in memberships {
            by_host[self.hosts.index_of(&membership.group)].push(membership);
        }
        let some = by_host.into_iter().enumerate().filter(|(_, some)| !some.is_empty());
        let discards = some.map(|(host, some)| async move {
            let _gate = self.gates[host].read().await;
            self.discard(host, some).await
        });
        join_all(discards).await.into_iter().collect()
    }

    async fn flush(&self, link: &Link) -> Result<(), Error> {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(self.keys.pattern()).arg("COUNT").arg(1000);
            let Value::Array(parts) = link.command(&scan).await? else { return Ok(()) };
            let [Value::BulkString(next), Value::Array(found)] = parts.as_slice() else {
                return Ok(());
            };
            let own = found.iter().filter_map(|key| match key {
                Value::BulkString(key) => {
                    std::str::from_utf8(key).ok().filter(|key| self.keys.owns(key))
                }
                _ => None,
            });
            let own: Vec<&str> = own.collect();
            if !own.is_empty() {
                link.command(redis::cmd("DEL").arg(&own)).await?;
            }
            cursor = String::from_utf8_lossy(next).into_owned();
            if cursor == "0" {
                return Ok(());
            }
        }
    }
}

/// The wall clock in Unix seconds, which all peers must share to within the expiry.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
