//! Messages of the other side, opened as this side would open them: those that wait, and those that pass by on Pub/Sub. None of
//! their text is shown.

use std::time::{Duration, Instant};

use moorline_layer::{Fernet, Options, Probe, Reply, Serializer, Trouble};

use super::survey::{Survey, escaped};
use super::{ANSWER, each_host};
use crate::finding::Outcome;
use crate::subject::{Layer, Subject};

/// Queues that are looked into.
const SOME: usize = 100;
/// For how long Pub/Sub is listened to.
const LISTEN: Duration = Duration::from_secs(4);
/// How every sealed message begins.
const SEALED: &[u8] = b"gAAAA";

/// How a message is for this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Fits,
    /// Sealed with a key that is not ours.
    OtherKey,
    /// Sealed, and we have no key.
    Sealed,
    /// In the clear, and we have a key.
    Clear,
    Json,
    Unknown,
}

pub(crate) async fn can_be_opened(subject: &Subject) -> Outcome {
    each_host(subject, async |mut probe, host, layer| {
        let samples = match layer.is_pubsub {
            false => waiting(&mut probe, layer).await?,
            true => passing(&mut probe, layer).await?,
        };
        let strange = samples.iter().map(|bytes| form(bytes, layer)).find(|form| *form != Form::Fits);
        Ok(match strange {
            Some(form) => judge(form, &host.to_string()),
            None if samples.is_empty() => Outcome::pass(format!(
                "{}; no message of the other side is to be seen now that would show whether it does the same.",
                own(&layer.options)
            )),
            None => Outcome::pass(format!("{}; {} messages of others could be opened.", own(&layer.options), samples.len())),
        })
    })
    .await
}

fn own(options: &Options) -> String {
    match options.symmetric_encryption_keys.len() {
        0 => "In the clear".to_owned(),
        1 => "Sealed with one key".to_owned(),
        keys => format!("Sealed with the first of {keys} keys"),
    }
}

async fn waiting(probe: &mut Probe, layer: &Layer) -> Result<Vec<Vec<u8>>, Trouble> {
    let survey = Survey::of(probe, &layer.options.prefix).await?;
    let in_flight = survey.in_flight.iter().map(|name| format!("{name}$inflight"));
    let names: Vec<String> = survey.queues.into_iter().chain(in_flight).take(SOME).collect();
    let mut samples = Vec::new();
    for name in names {
        let key = format!("{}{name}", layer.options.prefix);
        let reply = probe.ask(&["ZRANGE", &key, "0", "4"], ANSWER).await?;
        samples.extend(reply.parts().iter().filter_map(bytes));
    }
    Ok(samples)
}

async fn passing(probe: &mut Probe, layer: &Layer) -> Result<Vec<Vec<u8>>, Trouble> {
    let pattern = format!("{}__group__*", escaped(&layer.options.prefix));
    probe.ask(&["PSUBSCRIBE", &pattern], ANSWER).await?;
    let (until, mut samples) = (Instant::now() + LISTEN, Vec::new());
    while samples.len() < SOME {
        let left = until.saturating_duration_since(Instant::now());
        let Some(reply) = probe.hear(left).await? else { break };
        samples.extend(reply.parts().get(3).and_then(bytes));
    }
    Ok(samples)
}

fn bytes(reply: &Reply) -> Option<Vec<u8>> {
    if let Reply::Bytes(bytes) = reply { Some(bytes.clone()) } else { None }
}

fn form(message: &[u8], layer: &Layer) -> Form {
    let skipped = if layer.is_pubsub { 0 } else { layer.options.random_prefix_length };
    let body = message.get(skipped..).unwrap_or_default();
    let (is_sealed, keys) = (body.starts_with(SEALED), &layer.options.symmetric_encryption_keys);
    let plain = match (is_sealed, keys.is_empty()) {
        (true, true) => return Form::Sealed,
        (true, false) => {
            let opened =
                Fernet::new(keys).ok().and_then(|fernet| fernet.open(body, now(), None).ok());
            match opened {
                Some(plain) => plain,
                None => return Form::OtherKey,
            }
        }
        (false, _) => body.to_owned(),
    };
    let reads = |serializer: Serializer| {
        serializer.decode(&plain).is_ok_and(|value| value.as_map().is_some())
    };
    match layer.options.serializer {
        own if reads(own) && !is_sealed && !keys.is_empty() => Form::Clear,
        own if reads(own) => Form::Fits,
        Serializer::Msgpack if reads(Serializer::Json) => Form::Json,
        _ => Form::Unknown,
    }
}

fn now() -> u64 {
    crate::local::token::seconds(std::time::SystemTime::now())
}

fn judge(form: Form, host: &str) -> Outcome {
    let why = "Such messages are taken out of Redis and cannot be read: they are lost. In Django each of them ends a consumer, \
               and closes its WebSocket with 1011.";
    let both = "Use the same on both: --layer-key-file FILE here, and \"symmetric_encryption_keys\": [\"…\"] in the CONFIG of \
                CHANNEL_LAYERS. While keys change, keep the old one behind the new one on both sides.";
    match form {
        Form::Fits => Outcome::pass("They can be opened."),
        Form::OtherKey => Outcome::fail(
            format!("Messages on {host} are sealed with another key than this side's."),
            why,
            both,
        ),
        Form::Sealed => Outcome::fail(
            format!("Messages on {host} are sealed, and this side has no key."),
            why,
            both,
        ),
        Form::Clear => Outcome::fail(
            format!("Messages on {host} are in the clear, and this side seals with a key."),
            why,
            both,
        ),
        Form::Json => Outcome::fail(
            format!("Messages on {host} are JSON; Moorline speaks msgpack."),
            why,
            "Take \"serializer_format\": \"json\" out of the CONFIG of CHANNEL_LAYERS: msgpack is its default.",
        ),
        Form::Unknown => Outcome::fail(
            format!("Messages on {host} cannot be read as messages of a channel layer."),
            why,
            "Let Django use channels_redis 4 with the default random_prefix_length, 12, and nobody else this prefix.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moorline_layer::Message;

    fn layer(keys: &[&str]) -> Layer {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Layer {
            options: Options { symmetric_encryption_keys: keys, ..Options::default() },
            is_pubsub: false,
        }
    }

    fn message(body: &[u8]) -> Vec<u8> {
        [&[0; 12], body].concat()
    }

    #[test]
    fn each_form_is_told_from_the_others() {
        let map = Message::of_type("x");
        let plain = Serializer::Msgpack.encode(&map).unwrap();
        let sealed = |key: &str| Fernet::new(&[key]).unwrap().seal(&plain, 1_700_000_000).unwrap();
        let cases = [
            (message(&plain), &[][..], Form::Fits),
            (message(&plain), &["k"], Form::Clear),
            (message(sealed("k").as_bytes()), &["k"], Form::Fits),
            (message(sealed("k").as_bytes()), &["new", "k"], Form::Fits),
            (message(sealed("other").as_bytes()), &["k"], Form::OtherKey),
            (message(sealed("k").as_bytes()), &[], Form::Sealed),
            (message(&Serializer::Json.encode(&map).unwrap()), &[], Form::Json),
            (plain.clone(), &[], Form::Unknown),
        ];
        for (at, (bytes, keys, expected)) in cases.iter().enumerate() {
            assert_eq!(form(bytes, &layer(keys)), *expected, "case {at}");
        }
    }
}
