//! `moorline layer tail`: joins a group, or reads a channel, and shows what comes; leaves again at the end.

use std::io::Write;

use moorline_layer::{ChannelLayer, Error, Message};
use serde_json::json;

use super::{LayerTailArgs, ended, explain, message, open};
use crate::admin::shown::{clean, say};
use crate::failure::{Exit, Failure};
use crate::settings::Environment;
use crate::stop;

pub(super) async fn run(
    args: &LayerTailArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let layer = open(&args.layer, environment)?;
    let channel = match (&args.group, &args.channel) {
        (Some(group), _) => {
            let joined = join(&layer, group).await;
            match joined {
                Ok(channel) => channel,
                Err(error) => return ended(&layer, Err(error)).await,
            }
        }
        (None, channel) => {
            let channel = channel.clone().unwrap_or_default();
            if matches!(layer, ChannelLayer::Redis(_)) && !args.take {
                layer.close().await;
                return Err(takes(&channel));
            }
            channel
        }
    };
    let watched = watch(&layer, &channel, args, out).await;
    // Whoever leaves is not sent to any more; a process that is killed stays in the group until that expires.
    let left = layer.close_channel(&channel).await;
    ended(&layer, left).await.and(watched)
}

async fn join(layer: &ChannelLayer, group: &str) -> Result<String, Error> {
    let channel = layer.new_channel().await?;
    layer.group_add(group, &channel).await?;
    Ok(channel)
}

async fn watch(
    layer: &ChannelLayer,
    channel: &str,
    args: &LayerTailArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let stopping = stop::on_signal().map_err(|error| {
        let fix = "Check the limits of this user: ulimit -a.";
        Failure::new(Exit::Failed, "The command cannot listen for its end.", fix).because(error)
    })?;
    let mut stopping = std::pin::pin!(stopping);
    let mut gaps = layer.gaps();
    let whose = args.group.as_deref().unwrap_or(channel);
    eprintln!("listening to {whose}; stop with Ctrl+C");
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        tokio::select! {
            () = &mut stopping => return Ok(()),
            Some(gap) = gaps.next() => eprintln!("messages may be missing here: {gap:?}"),
            message = layer.receive(channel) => {
                let message = message.map_err(|error| explain(layer, error))?;
                say(out, &line(&message, args.json))?;
                left -= 1;
            }
        }
    }
    Ok(())
}

fn line(message: &Message, as_json: bool) -> String {
    let (at, message) = (moorline_chat::now_ms(), message::shown(message));
    if as_json {
        return format!("{}\n", json!({"at": at, "message": message}));
    }
    format!("{} {}\n", crate::backup::moment(at), clean(&message.to_string()))
}

fn takes(channel: &str) -> Failure {
    let what = format!(
        "Over the core layer, whoever reads the channel `{channel}` takes its messages: its own reader would miss them."
    );
    let fix =
        "Watch a group with --group, look at sizes with `moorline layer inspect`, or say --take.";
    Failure::new(Exit::Refused, what, fix)
}
