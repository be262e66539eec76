//! `moorline rooms`: the rooms of a server as an operator sees them, without what is said in them.

use std::io::Write;

use clap::Subcommand;
use moorline_protocol::admin::{RoomDetail, RoomLine, RoomLines};

use crate::admin::AdminClient;
use crate::admin::clients::names;
use crate::admin::listing::{ListArgs, ShowArgs, say_list};
use crate::admin::shown::{clean, json, say};
use crate::backup::moment;
use crate::failure::Failure;
use crate::settings::Environment;

/// What to do with rooms.
#[derive(Debug, Subcommand)]
pub enum RoomsCommand {
    /// List rooms in the order of their ids
    List(ListArgs),
    /// Show one room with its members
    Show(ShowArgs),
}

pub(super) async fn run(
    command: &RoomsCommand,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match command {
        RoomsCommand::List(args) => list(args, environment, out).await,
        RoomsCommand::Show(args) => show(args, environment, out).await,
    }
}

async fn list(
    args: &ListArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = AdminClient::of(&args.at, environment)?;
    let rooms: RoomLines = client.get(&["rooms"], &args.query()).await?;
    if args.at.json {
        return json(out, &rooms);
    }
    let heads = ["ROOM", "KIND", "MEMBERS", "LIVE", "HEAD", "MESSAGES", "LAST", "NAME"];
    let rows: Vec<_> = rooms.rooms.iter().map(row).collect();
    say_list(out, &heads, &rows, rooms.next)
}

fn row(room: &RoomLine) -> Vec<String> {
    vec![
        room.id.to_string(),
        kind(room),
        room.members.to_string(),
        room.listeners.to_string(),
        room.head.0.to_string(),
        room.messages.to_string(),
        moment(room.active_ms),
        room.name.as_deref().map_or_else(|| "-".to_owned(), clean),
    ]
}

fn kind(room: &RoomLine) -> String {
    format!("{:?}", room.kind).to_lowercase()
}

async fn show(
    args: &ShowArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = AdminClient::of(&args.at, environment)?;
    let detail: RoomDetail = client.get(&["rooms", &args.id], &[]).await?;
    if args.at.json {
        return json(out, &detail);
    }
    let RoomDetail { room, members, more } = detail;
    let kept = match room.retention {
        None => "as long as the server says".to_owned(),
        Some(0) => "for ever".to_owned(),
        Some(seconds) => format!("{seconds} s"),
    };
    let here: Vec<String> = members
        .iter()
        .map(|member| {
            let presence = format!("{:?}", member.presence).to_lowercase();
            format!("{} ({presence}, {} here)", member.user, member.connections)
        })
        .collect();
    let lines = [
        ("room", room.id.to_string()),
        ("kind", kind(&room)),
        ("name", room.name.as_deref().map_or_else(|| "-".to_owned(), clean)),
        ("made", moment(room.created_ms)),
        ("last event", moment(room.active_ms)),
        ("log", format!("{} to {}, epoch {}", room.first.0, room.head.0, room.epoch)),
        ("messages", room.messages.to_string()),
        ("kept", kept),
        ("live", format!("{} connections of this node", room.listeners)),
        ("members", format!("{}{}", room.members, if more { ", the first 1000:" } else { "" })),
        ("", names(&here)),
    ];
    let lines: String = lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect();
    say(out, &lines)
}
