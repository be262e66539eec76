//! `moorline tail`: what happens on a node, line by line, until it is stopped.

use std::io::Write;

use clap::Args;
use moorline_protocol::admin::{Line, What};

use crate::admin::shown::{clean, lasting, round_trip, say};
use crate::admin::{AdminAt, AdminClient};
use crate::failure::{Exit, Failure};
use crate::settings::Environment;

/// What to watch, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct TailArgs {
    /// Only what is about this room; repeatable
    #[arg(long, value_name = "ROOM")]
    pub room: Vec<String>,
    /// Only what this person does or what is done to them; repeatable
    #[arg(long, value_name = "ID")]
    pub user: Vec<String>,
    /// Only this kind: message, edit, delete, member, rename, read, connected, signed_in, closed, refused, trouble or
    /// recovered; repeatable
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Show what people write, its first 1000 letters; without it only how long it is
    #[arg(long)]
    pub text: bool,
    /// End after so many lines
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

pub(super) async fn run(
    args: &TailArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut query = Vec::new();
    query.extend(args.room.iter().map(|room| ("room", room.clone())));
    query.extend(args.user.iter().map(|user| ("user", user.clone())));
    query.extend(args.kind.iter().map(|kind| ("kind", kind.clone())));
    if args.text {
        query.push(("text", "1".to_owned()));
    }
    let client = AdminClient::of(&args.at, environment)?;
    let mut lines = client.lines(&["tail"], &query).await?;
    eprintln!("watching {client}; stop with Ctrl+C");
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(line) = lines.next().await? else {
            let what = "The server ended the tail.";
            return Err(Failure::new(Exit::Unreachable, what, "Look at its log, and begin again."));
        };
        let text = match args.at.json {
            true => format!("{line}\n"),
            false => format!("{}\n", told(&read(&line)?)),
        };
        say(out, &text)?;
        if matches!(read(&line)?.what, What::End) {
            return Ok(());
        }
        left -= 1;
    }
    Ok(())
}

fn read(line: &str) -> Result<Line, Failure> {
    serde_json::from_str(line).map_err(|error| {
        let fix = "Use the same version of Moorline as the server, or --json.";
        Failure::new(Exit::Failed, "A line of the tail is of another version.", fix).because(error)
    })
}

/// A line for people: time, kind, room, person, what.
fn told(line: &Line) -> String {
    let ms = line.at % 86_400_000;
    let time = format!(
        "{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1_000 % 60,
        ms % 1_000
    );
    let dash = || "-".to_owned();
    let room = line.room.as_ref().map_or_else(dash, ToString::to_string);
    let user = line.user.as_ref().map_or_else(dash, ToString::to_string);
    format!("{time} {:<9} {room} {user} {}", line.what.kind(), what(&line.what))
        .trim_end()
        .to_owned()
}

fn what(what: &What) -> String {
    let said = |bytes: &u64, text: &Option<String>| match text {
        Some(text) => format!("{bytes} bytes: {}", clean(text)),
        None => format!("{bytes} bytes"),
    };
    let list = |of: &[moorline_protocol::UserId], sign: &str| {
        of.iter().map(|user| format!(" {sign}{user}")).collect::<String>()
    };
    match what {
        What::Message { seq, bytes, text } => format!("#{} {}", seq.0, said(bytes, text)),
        What::Edit { seq, of, bytes, text } => {
            format!("#{} of #{} {}", seq.0, of.0, said(bytes, text))
        }
        What::Delete { seq, of } => format!("#{} of #{}", seq.0, of.0),
        What::Member { seq, joined, gone } => {
            format!("#{}{}{}", seq.0, list(joined, "+"), list(gone, "-"))
        }
        What::Rename { seq } => format!("#{}", seq.0),
        What::Read { seq } => format!("up to #{}", seq.0),
        What::Connected { connection, transport, address } => {
            let from = address.as_deref().map(|address| format!(" from {address}"));
            format!("{connection} {transport}{}", from.unwrap_or_default())
        }
        What::SignedIn { connection } => connection.clone(),
        What::Closed { connection, transport, code, side, reason, age_ms, round_trip_us } => {
            let (age, ping) = (lasting(*age_ms), round_trip(*round_trip_us));
            let reason = clean(reason);
            format!(
                "{connection} {transport} {code} by the {side} after {age}, ping {ping}: {reason}"
            )
        }
        What::Refused { code, address } => {
            let from = address.as_deref().map(|address| format!(" from {address}"));
            format!("{code}{}", from.unwrap_or_default())
        }
        What::Trouble { part, cause, error } => format!("{part} {cause}: {}", clean(error)),
        What::Recovered { part } => format!("{part} works again"),
        What::Dropped { lines } => {
            format!("{lines} lines were lost: they came faster than they were read")
        }
        What::End => "the server ends".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use moorline_protocol::{RoomId, Seq, UserId};

    use super::*;

    fn line(what: What) -> String {
        let room = RoomId::new("ops").ok();
        told(&Line { at: 1_795_377_137_042, room, user: UserId::new("ann").ok(), what })
    }

    #[test]
    fn a_line_is_told_with_its_time_and_what_strangers_wrote_is_harmless() {
        let masked = line(What::Message { seq: Seq(7), bytes: 5, text: None });
        assert_eq!(masked, "19:52:17.042Z message   ops ann #7 5 bytes");
        let open = line(What::Message { seq: Seq(7), bytes: 5, text: Some("\x1b[2J".into()) });
        assert!(open.ends_with("#7 5 bytes: \\u{1b}[2J"), "{open}");
    }

    #[test]
    fn a_close_is_told_with_code_side_age_ping_and_reason() {
        let closed = line(What::Closed {
            connection: "1f".into(),
            transport: "websocket".into(),
            code: 1006,
            side: "client".into(),
            reason: "the socket broke".into(),
            age_ms: 61_000,
            round_trip_us: Some(2_000),
        });
        assert!(
            closed.ends_with(
                "1f websocket 1006 by the client after 1m 1s, ping 2.0ms: the socket broke"
            ),
            "{closed}"
        );
    }
}
