//! The database number: whether it exists, and whether the other side uses the same one.

use moorline_layer::{Host, Probe, Trouble};

use super::survey::Survey;
use super::{ANSWER, info, of_hosts, open};
use crate::finding::Outcome;
use crate::subject::{Layer, Subject};

const NOTE: &str = "Pub/Sub ignores the number: only the prefix keeps installations apart there.";

pub(crate) async fn is_shared(subject: &Subject) -> Outcome {
    of_hosts(subject, async |host, layer| {
        let looked = match open(host).await {
            Ok(mut probe) => look(&mut probe, host, layer).await,
            Err(trouble) if trouble.why.contains("DB index") => Ok(no_such(host)),
            Err(trouble) => Err(trouble),
        };
        looked.unwrap_or_else(super::login::unreached)
    })
    .await
}

fn no_such(host: &Host) -> Outcome {
    Outcome::fail(
        format!("{host} has no database {}.", host.database()),
        "The login fails, so the layer cannot be used at all.",
        "Use a number that it has (redis-cli CONFIG GET databases says how many; the first is 0): redis://…/0, the same as in \
         Django's CHANNEL_LAYERS.",
    )
}

async fn look(probe: &mut Probe, host: &Host, layer: &Layer) -> Result<Outcome, Trouble> {
    let own = host.database();
    if layer.is_pubsub {
        return Ok(Outcome::pass(format!("Database {own}. {NOTE}")));
    }
    let prefix = &layer.options.prefix;
    if !Survey::of(probe, prefix).await?.groups.is_empty() {
        return Ok(Outcome::pass(format!(
            "Database {own}, where the other side has groups too. {NOTE}"
        )));
    }
    let others = info(probe, "keyspace").await?.unwrap_or_default();
    let numbers =
        others.iter().filter_map(|(name, _)| name.strip_prefix("db")?.parse::<u32>().ok());
    for number in numbers.filter(|number| *number != own) {
        if super::denied(&probe.ask(&["SELECT", &number.to_string()], ANSWER).await?).is_some() {
            continue;
        }
        let groups = Survey::of(probe, prefix).await?.groups;
        if !groups.is_empty() {
            return Ok(Outcome::fail(
                format!(
                    "Under the prefix `{prefix}` nobody but Moorline is in database {own} of {host}, but groups of the \
                     other side are in database {number}: {}.",
                    super::some(&groups)
                ),
                "The two sides do not hear each other.",
                format!(
                    "Use the same number on both: redis://…/{number} here, or redis://…/{own} in Django's CHANNEL_LAYERS. {NOTE}"
                ),
            ));
        }
    }
    Ok(Outcome::pass(format!(
        "Database {own}; no other one holds groups under the prefix `{prefix}`. {NOTE}"
    )))
}
