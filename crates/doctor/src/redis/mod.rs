//! Checks of the channel layer's Redis: what keeps this side or the other from hearing each other, and what is going wrong
//! already. Each opens a connection of its own. They read; what they write is a throw-away key, or a message of their own.

pub(crate) mod clients;
pub(crate) mod database;
pub(crate) mod expiry;
pub(crate) mod login;
pub(crate) mod names;
pub(crate) mod queues;
pub(crate) mod round_trip;
pub(crate) mod samples;
pub(crate) mod sentinels;
pub(crate) mod server;
mod survey;

use std::time::Duration;

use moorline_layer::{Host, Probe, Reply, Trouble};

use crate::finding::Outcome;
use crate::subject::{Layer, Subject};

/// For one answer; a Redis that takes longer is not fit for this.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

const UNREACHED: &str = "Redis cannot be looked at: see ML-REDIS-001 and ML-REDIS-002.";

/// The layer, or why there is nothing to look at.
pub(crate) fn layer(subject: &Subject) -> Result<&Layer, Outcome> {
    match &subject.local {
        Err(_) => Err(crate::local::unread()),
        Ok(local) => local.layer.as_ref().ok_or_else(|| {
            Outcome::skipped(
                "No Redis is named (--redis-url or REDIS_URL): the layer is inside the process.",
            )
        }),
    }
}

/// Looks at every host of the layer, one after the other, and tells the worst of it.
pub(crate) async fn of_hosts<'a, Looked: Future<Output = Outcome>>(
    subject: &'a Subject,
    look: impl Fn(&'a Host, &'a Layer) -> Looked,
) -> Outcome {
    let layer = match layer(subject) {
        Ok(layer) => layer,
        Err(skipped) => return skipped,
    };
    let mut all: Option<Outcome> = None;
    for host in &layer.options.hosts {
        let outcome = look(host, layer).await;
        all = Some(match all {
            Some(before) => before.and(outcome),
            None => outcome,
        });
    }
    all.unwrap_or_else(|| Outcome::skipped("No host is named."))
}

/// The same with a connection to each.
pub(crate) async fn each_host<'a, Looked: Future<Output = Result<Outcome, Trouble>>>(
    subject: &'a Subject,
    look: impl Fn(Probe, &'a Host, &'a Layer) -> Looked,
) -> Outcome {
    let look = &look;
    of_hosts(subject, |host, layer| async move {
        let looked = match open(host).await {
            Ok(probe) => look(probe, host, layer).await,
            Err(trouble) => Err(trouble),
        };
        looked.unwrap_or_else(login::unreached)
    })
    .await
}

/// A connection that `CLIENT LIST` tells from those of the server.
pub(crate) async fn open(host: &Host) -> Result<Probe, Trouble> {
    let mut probe = Probe::open(host).await?;
    // A user who may not name a connection goes without.
    probe.ask(&["CLIENT", "SETNAME", clients::OWN_NAME], ANSWER).await?;
    Ok(probe)
}

/// A section of `INFO`, line by line as name and value.
pub(crate) async fn info(
    probe: &mut Probe,
    section: &str,
) -> Result<Option<Vec<(String, String)>>, Trouble> {
    let Some(text) = probe.ask(&["INFO", section], ANSWER).await?.text() else { return Ok(None) };
    let pair = |line: &str| {
        line.trim().split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    Ok(Some(text.lines().filter_map(pair).collect()))
}

/// A key of a check's own: under the prefix, which is what a restricted user may write to.
pub(crate) fn own_key(layer: &Layer) -> String {
    format!("{}moorline.doctor.{:08x}", layer.options.prefix, rand::random::<u32>())
}

/// The value of a name.
pub(crate) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Redis' clock, in seconds since 1970.
pub(crate) async fn clock(probe: &mut Probe) -> Result<Option<f64>, Trouble> {
    let reply = probe.ask(&["TIME"], ANSWER).await?;
    let [seconds, micros] = reply.parts() else { return Ok(None) };
    Ok(seconds.number().zip(micros.number()).map(|(seconds, micros)| seconds + micros / 1e6))
}

/// Whether Redis refuses this user the command, and its word for it.
pub(crate) fn denied(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Refused(why) => Some(why),
        _ => None,
    }
}

/// A list for people, the first few of it.
pub(crate) fn some<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<String> =
        names.iter().take(5).map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
