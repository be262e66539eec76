//! `moorline layer`: puts messages on the channel layer, watches it, and looks at what lies in Redis; what one does in a
//! Django shell otherwise. It speaks with Redis itself, by the options of `serve`; no server need run.

mod inspect;
mod message;
mod tail;

use std::io::{Read, Write};

use clap::{ArgGroup, Args, Subcommand};
use moorline_layer::{Cause, ChannelLayer, Error, Message};

use crate::admin::block_on;
use crate::admin::shown::say;
use crate::failure::{Exit, Failure};
use crate::layer::{LayerArgs, LayerConfig};
use crate::settings::Environment;

/// The longest message that is read from standard input.
const MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

/// What to do with the channel layer.
#[derive(Debug, Subcommand)]
pub enum LayerCommand {
    /// Send a message to one channel
    Send(SendToChannelArgs),
    /// Send a message to every channel of a group
    GroupSend(SendToGroupArgs),
    /// Show queues, groups with their members, and subscriptions, without reading a message
    Inspect(InspectArgs),
    /// Show the messages of a group or a channel, with all that is in them, until it is stopped
    Tail(LayerTailArgs),
}

/// A message to a channel, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct SendToChannelArgs {
    /// The channel's name
    #[arg(value_name = "CHANNEL")]
    pub channel: String,
    /// The message as a JSON object with a "type"; - is standard input. {"$bytes": "BASE64"} stands for bytes
    #[arg(value_name = "JSON")]
    pub message: String,
    /// Which layer.
    #[command(flatten)]
    pub layer: LayerArgs,
}

/// A message to a group, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct SendToGroupArgs {
    /// The group's name
    #[arg(value_name = "GROUP")]
    pub group: String,
    /// The message as a JSON object with a "type"; - is standard input. {"$bytes": "BASE64"} stands for bytes
    #[arg(value_name = "JSON")]
    pub message: String,
    /// Which layer.
    #[command(flatten)]
    pub layer: LayerArgs,
}

/// What to look at, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct InspectArgs {
    /// Queues, groups and subscriptions that are shown of each Redis [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<usize>,
    /// Members that are named of each group, the oldest first [default: 100]
    #[arg(long, value_name = "NUMBER")]
    pub members: Option<usize>,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which layer.
    #[command(flatten)]
    pub layer: LayerArgs,
}

/// What to watch, as typed.
#[derive(Debug, Default, Clone, Args)]
#[command(group = ArgGroup::new("whose").required(true).args(["group", "channel"]))]
pub struct LayerTailArgs {
    /// The group to join for as long as this runs
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// The channel to read instead; over the core layer that takes its messages away: --take
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// Read the channel though nobody else gets what is read here
    #[arg(long, requires = "channel")]
    pub take: bool,
    /// End after so many messages
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
    /// Each message as one JSON object with its time
    #[arg(long)]
    pub json: bool,
    /// Which layer.
    #[command(flatten)]
    pub layer: LayerArgs,
}

/// Carries out the command.
///
/// # Errors
/// Where Redis cannot be used, or where what was typed cannot be.
pub fn run(
    command: &LayerCommand,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    block_on(async {
        match command {
            LayerCommand::Send(args) => {
                let (name, message) = (&args.channel, message_of(&args.message)?);
                let layer = open(&args.layer, environment)?;
                let sent = layer.send(name, &message).await;
                ended(&layer, sent).await?;
                say(out, &format!("sent to the channel {name}\n"))
            }
            LayerCommand::GroupSend(args) => {
                let (name, message) = (&args.group, message_of(&args.message)?);
                let layer = open(&args.layer, environment)?;
                let sent = layer.group_send(name, &message).await;
                let full = layer.counters().dropped_at_capacity;
                ended(&layer, sent).await?;
                let missed = match full {
                    0 => String::new(),
                    full => format!("; {full} of its channels are full and did not get it"),
                };
                say(out, &format!("sent to the group {name}{missed}\n"))
            }
            LayerCommand::Inspect(args) => {
                let layer = open(&args.layer, environment)?;
                let found = layer.inspect(inspect::bounds(args)).await;
                let found = ended(&layer, found).await?;
                inspect::tell(&found, args.json, out)
            }
            LayerCommand::Tail(args) => tail::run(args, environment, out).await,
        }
    })
}

fn open(args: &LayerArgs, environment: &Environment) -> Result<ChannelLayer, Failure> {
    let config = LayerConfig::resolve(args, environment)?.ok_or_else(|| {
        Failure::usage(
            "There is no Redis to speak with.",
            "Give the URL that Django and the server have: --redis-url, --redis-url-file or REDIS_URL.",
        )
    })?;
    config.open()
}

/// Disconnects, and explains a failure.
async fn ended<T>(layer: &ChannelLayer, result: Result<T, Error>) -> Result<T, Failure> {
    let failed = result.map_err(|error| explain(layer, error));
    layer.close().await;
    failed
}

fn explain(layer: &ChannelLayer, error: Error) -> Failure {
    let what = "The channel layer did not do it.";
    match error {
        Error::Unavailable { .. } => {
            let trouble = layer.troubles().into_iter().next().map(|trouble| trouble.cause);
            let exit = match trouble {
                Some(Cause::PasswordMissing | Cause::PasswordWrong | Cause::Refused) => {
                    Exit::Refused
                }
                _ => Exit::Unreachable,
            };
            let fix = "Compare the URL with that of Django's CHANNEL_LAYERS; moorline doctor --only redis says what is wrong.";
            Failure::new(exit, "Redis cannot be used.", fix).because(error)
        }
        Error::InvalidName { .. } | Error::InvalidMessage(_) | Error::WrongClient { .. } => {
            Failure::usage(what, "Correct it and try again.").because(error)
        }
        error => {
            let fix = "`moorline layer inspect` shows queues and groups.";
            Failure::new(Exit::Failed, what, fix).because(error)
        }
    }
}

fn message_of(typed: &str) -> Result<Message, Failure> {
    if typed != "-" {
        return message::read(typed);
    }
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MESSAGE_BYTES);
    input.read_to_string(&mut text).map_err(|error| {
        Failure::usage("The message on standard input cannot be read.", "Give JSON in UTF-8.")
            .because(error)
    })?;
    message::read(&text)
}
