//! `moorline users list` and `show`: people as an operator sees them, with who is here now.

use std::io::Write;

use moorline_protocol::Presence;
use moorline_protocol::admin::{UserDetail, UserLine, UserLines};

use crate::admin::AdminClient;
use crate::admin::clients::names;
use crate::admin::listing::{ListArgs, ShowArgs, say_list};
use crate::admin::shown::{clean, json, say};
use crate::backup::moment;
use crate::failure::Failure;
use crate::settings::Environment;

pub(crate) async fn list(
    args: &ListArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = AdminClient::of(&args.at, environment)?;
    let users: UserLines = client.get(&["users"], &args.query()).await?;
    if args.at.json {
        return json(out, &users);
    }
    let heads = ["ID", "PRESENCE", "HERE", "ACCOUNT", "SEEN", "NAME"];
    let rows: Vec<_> = users.users.iter().map(row).collect();
    say_list(out, &heads, &rows, users.next)
}

fn row(user: &UserLine) -> Vec<String> {
    vec![
        user.id.to_string(),
        presence(user.presence),
        user.connections.to_string(),
        if user.account { "built-in" } else { "token" }.to_owned(),
        seen(user.seen_ms),
        clean(&user.name),
    ]
}

fn presence(presence: Presence) -> String {
    format!("{presence:?}").to_lowercase()
}

fn seen(ms: u64) -> String {
    if ms == 0 { "never".to_owned() } else { moment(ms) }
}

pub(crate) async fn show(
    args: &ShowArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = AdminClient::of(&args.at, environment)?;
    let detail: UserDetail = client.get(&["users", &args.id], &[]).await?;
    if args.at.json {
        return json(out, &detail);
    }
    let UserDetail { user, rooms, sessions } = detail;
    let mut lines = vec![
        ("person", user.id.to_string()),
        ("name", clean(&user.name)),
        (
            "known by",
            if user.account { "a built-in account" } else { "tokens or a backend" }.into(),
        ),
        ("presence", presence(user.presence)),
        ("here", format!("{} connections of this node", user.connections)),
        ("seen", seen(user.seen_ms)),
        ("since", moment(user.created_ms)),
        ("rooms", names(&rooms)),
    ];
    for session in &sessions {
        let device = session.device.as_deref().map_or_else(|| "-".to_owned(), clean);
        let until = moment(session.expires_ms);
        lines.push(("session", format!("{} {device}, until {until}", session.id)));
    }
    let lines: String = lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect();
    say(out, &lines)
}
