//! Whether the other side uses the same prefix and the same kind of layer, as the names that it left in Redis tell.

use moorline_layer::{Host, Probe, Trouble};

use super::survey::{Survey, core_prefixes, pubsub_groups, sorted};
use super::{each_host, some};
use crate::finding::Outcome;
use crate::subject::{Layer, Subject};

pub(crate) async fn share_prefix(subject: &Subject) -> Outcome {
    each_host(subject, async |mut probe, host, layer| prefix(&mut probe, host, layer).await).await
}

async fn prefix(probe: &mut Probe, host: &Host, layer: &Layer) -> Result<Outcome, Trouble> {
    let own = &layer.options.prefix;
    let core = core_prefixes(probe).await?;
    let pubsub = pubsub_groups(probe).await?.into_iter().map(|(prefix, _)| prefix).collect();
    let mut all = core;
    all.extend::<Vec<String>>(pubsub);
    let all = sorted(all);
    let others: Vec<&String> = all.iter().filter(|prefix| *prefix != own).collect();
    Ok(if all.contains(own) {
        match others.is_empty() {
            true => Outcome::pass(format!("`{own}`, as the other side.")),
            false => Outcome::pass(format!(
                "`{own}`, as the other side; others use {} here.",
                some(&others)
            )),
        }
    } else if others.is_empty() {
        Outcome::pass(format!("`{own}`; no other program has groups here now."))
    } else {
        Outcome::fail(
            format!(
                "On {host} nobody but Moorline uses the prefix `{own}`; groups of others begin with {}.",
                some(&others)
            ),
            "If that is your Django side, the two do not hear each other: names of groups and channels begin with the prefix.",
            format!(
                "Use the same on both: --layer-prefix {} here, or \"prefix\": \"{own}\" in the CONFIG of CHANNEL_LAYERS. If it is \
                 another installation, all is well.",
                others.first().map_or("", |first| first.as_str())
            ),
        )
    })
}

pub(crate) async fn share_kind(subject: &Subject) -> Outcome {
    each_host(subject, async |mut probe, host, layer| kind(&mut probe, host, layer).await).await
}

async fn kind(probe: &mut Probe, host: &Host, layer: &Layer) -> Result<Outcome, Trouble> {
    let prefix = &layer.options.prefix;
    let core = Survey::of(probe, prefix).await?.groups;
    let listened = pubsub_groups(probe).await?.into_iter().filter(|(other, _)| other == prefix);
    let pubsub = sorted(listened.map(|(_, group)| group).collect());
    let (ours, theirs, own, strange, class) = match layer.is_pubsub {
        false => (&core, &pubsub, "core", "pubsub", "channels_redis.core.RedisChannelLayer"),
        true => (&pubsub, &core, "pubsub", "core", "channels_redis.pubsub.RedisPubSubChannelLayer"),
    };
    if theirs.is_empty() {
        let who = if ours.is_empty() {
            "no other program has groups here now"
        } else {
            "as the other side"
        };
        return Ok(Outcome::pass(format!("{own}, {who}.")));
    }
    let seen = format!(
        "This side uses the {own} layer; on {host} groups of the {strange} layer are in use under `{prefix}`: {}.",
        some(theirs)
    );
    let why = "The two kinds do not hear each other: what one sends, the other never gets, and no error is shown.";
    let fix = format!(
        "Use the same on both: --layer {strange} here, or \"BACKEND\": \"{class}\" in Django's CHANNEL_LAYERS."
    );
    // Keys of the core layer stay for a day after somebody changed to the other.
    Ok(if ours.is_empty() { Outcome::fail(seen, why, fix) } else { Outcome::warn(seen, why, fix) })
}
