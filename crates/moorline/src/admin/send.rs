//! `moorline send`: a message into a room in the name of a member, stored and delivered like any other.

use std::io::{Read, Write};

use clap::Args;
use moorline_protocol::admin::Say;
use moorline_protocol::api::Posted;
use moorline_protocol::{Cid, UserId};

use crate::admin::shown::{json, say};
use crate::admin::{AdminAt, AdminClient};
use crate::failure::{Exit, Failure};
use crate::settings::Environment;

/// What to send, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct SendArgs {
    /// The room's id
    #[arg(value_name = "ROOM")]
    pub room: String,
    /// The text; - is standard input
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub text: String,
    /// Whose message it is: the id of a member of the room
    #[arg(long = "as", value_name = "ID")]
    pub from: String,
    /// Key of the message: the same again is stored once, and answered with the first position [default: a new one]
    #[arg(long, value_name = "KEY")]
    pub cid: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

pub(super) async fn run(
    args: &SendArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let invalid = |option: &str, error: &dyn std::fmt::Display| {
        Failure::usage(format!("{option}: {error}."), "Correct it and try again.")
    };
    let from = UserId::new(&args.from).map_err(|error| invalid("--as", &error))?;
    let cid = args.cid.clone().unwrap_or_else(|| format!("cli-{:032x}", rand::random::<u128>()));
    let cid = Cid::new(&cid).map_err(|error| invalid("--cid", &error))?;
    let body = text(&args.text)?;
    let client = AdminClient::of(&args.at, environment)?;
    let message = Say { from, body, cid: cid.clone() };
    let posted: Posted =
        client.post(&["rooms", &args.room, "messages"], &message).await.map_err(|failure| {
            // Where the answer did not come, the message may be there or not.
            let is_unknown =
                failure.exit == Exit::Unreachable && !failure.what.starts_with("No server");
            let fix = format!("Send it again with --cid {cid}: it is then stored once.");
            if is_unknown { Failure { fix, ..failure } } else { failure }
        })?;
    if args.at.json {
        return json(out, &posted);
    }
    let Posted { room, epoch, seq, message, .. } = posted;
    say(out, &format!("stored in {room} at {}, epoch {epoch}, as {message}\n", seq.0))
}

fn text(typed: &str) -> Result<String, Failure> {
    if typed != "-" {
        return Ok(typed.to_owned());
    }
    /// Far more than a message may have, so that what is too long is refused by the server with its limit.
    const MOST: u64 = 512 * 1024;
    let mut text = String::new();
    std::io::stdin().lock().take(MOST).read_to_string(&mut text).map_err(|error| {
        Failure::usage("The text on standard input cannot be read.", "Give text in UTF-8.")
            .because(error)
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
