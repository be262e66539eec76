//! `moorline clients`: the live connections of a node, one of them, and closing them.

use std::io::Write;

use clap::{ArgGroup, Args, Subcommand};
use moorline_protocol::UserId;
use moorline_protocol::admin::{Client, ClientDetail, Clients, Kick, Kicked};

use crate::admin::shown::{clean, json, lasting, round_trip, say, table};
use crate::admin::{AdminAt, AdminClient};
use crate::failure::Failure;
use crate::settings::Environment;

/// What to do with connections.
#[derive(Debug, Subcommand)]
pub enum ClientsCommand {
    /// List the live connections of one node, the oldest first
    List(ClientsListArgs),
    /// Show one connection with its rooms
    Show(ShowClientArgs),
    /// Close connections; their clients come back at once, unless --code or --revoke says otherwise
    Kick(KickArgs),
}

/// Which connections, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct ClientsListArgs {
    /// Only those of this person
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Only those that follow this room
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// At most so many, up to 1000 [default: 100]
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u32>,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

/// Which connection, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct ShowClientArgs {
    /// The connection's name, as the list and the log show it
    #[arg(value_name = "CONNECTION")]
    pub id: String,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

/// Whom to close and how, as typed.
#[derive(Debug, Default, Clone, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["id", "user"]))]
pub struct KickArgs {
    /// The connection's name
    #[arg(value_name = "CONNECTION")]
    pub id: Option<String>,
    /// All connections of this person on this node instead
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Close code: after 1008 and 4400 to 4419 clients do not come back by themselves [default: 4442; with --revoke 4403]
    #[arg(long, value_name = "NUMBER")]
    pub code: Option<u16>,
    /// Reason in the close, at most 123 bytes
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// End the person's sessions and all tokens made until now, on every node: they have to sign in anew
    #[arg(long)]
    pub revoke: bool,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

pub(super) async fn run(
    command: &ClientsCommand,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match command {
        ClientsCommand::List(args) => list(args, environment, out).await,
        ClientsCommand::Show(args) => show(args, environment, out).await,
        ClientsCommand::Kick(args) => kick(args, environment, out).await,
    }
}

async fn list(
    args: &ClientsListArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut query = Vec::new();
    query.extend(args.user.clone().map(|user| ("user", user)));
    query.extend(args.room.clone().map(|room| ("room", room)));
    query.extend(args.limit.map(|limit| ("limit", limit.to_string())));
    let client = AdminClient::of(&args.at, environment)?;
    let clients: Clients = client.get(&["clients"], &query).await?;
    if args.at.json {
        return json(out, &clients);
    }
    let heads = [
        "CONNECTION",
        "PERSON",
        "TRANSPORT",
        "ADDRESS",
        "AGE",
        "IDLE",
        "PING",
        "ROOMS",
        "QUEUED",
        "PROGRAM",
    ];
    let rows: Vec<_> = clients.clients.iter().map(row).collect();
    say(out, &table(&heads, &rows))?;
    let hidden = clients.total - clients.clients.len() as u64;
    if hidden > 0 {
        say(out, &format!("and {hidden} more; --limit shows up to 1000, --json all of each\n"))?;
    }
    Ok(())
}

fn row(client: &Client) -> Vec<String> {
    let dash = || "-".to_owned();
    let program = client.user_agent.as_deref().map_or_else(dash, clean);
    let lag = if client.lagging { " lagging" } else { "" };
    vec![
        client.id.clone(),
        client.user.as_ref().map_or_else(dash, ToString::to_string),
        client.transport.clone(),
        client.address.clone().unwrap_or_else(dash),
        lasting(client.age_ms),
        lasting(client.idle_ms),
        round_trip(client.round_trip_us),
        client.rooms.to_string(),
        format!("{} ({} B){lag}", client.queued_frames, client.queued_bytes),
        moorline_protocol::admin::cut(&program, 40).to_owned(),
    ]
}

async fn show(
    args: &ShowClientArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = AdminClient::of(&args.at, environment)?;
    let detail: ClientDetail = client.get(&["clients", &args.id], &[]).await?;
    if args.at.json {
        return json(out, &detail);
    }
    let ClientDetail { client, live, not_live } = detail;
    let text = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), clean);
    let lag = if client.lagging {
        ", lagging: it gets no live events until it has caught up"
    } else {
        ""
    };
    let lines = [
        ("connection", client.id.clone()),
        ("person", client.user.as_ref().map_or("nobody yet".to_owned(), ToString::to_string)),
        ("transport", client.transport.clone()),
        ("address", text(client.address.as_deref())),
        ("path", clean(&client.path)),
        ("program", text(client.user_agent.as_deref())),
        ("age", lasting(client.age_ms)),
        ("idle", format!("{} (since its last message)", lasting(client.idle_ms))),
        ("ping", round_trip(client.round_trip_us)),
        ("queued", format!("{} frames, {} bytes{lag}", client.queued_frames, client.queued_bytes)),
        ("live rooms", names(&live)),
        ("other rooms", names(&not_live)),
    ];
    let lines: String = lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect();
    say(out, &lines)
}

/// Ids in one line, the first hundred.
pub(super) fn names<T: ToString>(ids: &[T]) -> String {
    const SHOWN: usize = 100;
    let mut shown: Vec<String> = ids.iter().take(SHOWN).map(ToString::to_string).collect();
    if ids.len() > SHOWN {
        shown.push(format!("and {} more", ids.len() - SHOWN));
    }
    if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
}

async fn kick(
    args: &KickArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let user = args.user.as_ref().map(UserId::new).transpose().map_err(|error| {
        Failure::usage(format!("--user: {error}."), "Give the id, not the name.")
    })?;
    let kick = Kick {
        connection: args.id.clone(),
        user,
        code: args.code,
        reason: args.reason.clone(),
        revoke: args.revoke,
    };
    let client = AdminClient::of(&args.at, environment)?;
    let kicked: Kicked = client.post(&["kick"], &kick).await?;
    if args.at.json {
        return json(out, &kicked);
    }
    let back = match kicked.comes_back {
        true => "clients come back by themselves",
        false => "clients do not come back by themselves",
    };
    let mut text = format!("closed {} with {}: {back}\n", kicked.closed, kicked.code);
    for user in &kicked.revoked {
        text +=
            &format!("{user} is signed out everywhere, and tokens made until now are refused\n");
    }
    say(out, &text)
}
