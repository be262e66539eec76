//! `--relay`: sockets of existing Channels pages, one option a path. `config` reads it, `serve` makes routes of it.
//! What is written here is checked at the start, so that a socket meets no half-working relay.

use std::sync::Arc;

use clap::Args;
use moorline_chat::Chat;
use moorline_layer::{ChannelLayer, Options};
use moorline_server::relay::{FromBrowser, RelayCounts, RelayRule, RelaySettings, Template};
use moorline_server::{Metrics, Origins, Route};

use crate::config::Config;
use crate::failure::Failure;
use crate::layer_numbers;
use crate::reload::LiveParts;
use crate::settings::{Environment, Setting};

/// What a whole option looks like, for whoever got one wrong.
const EXAMPLE: &str = "Write for example --relay '/ws/chat/{room}/ group=chat_{room} types=chat.message \
                       echo=chat.message'; docs/relay.md has all of it.";

/// The relays, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct RelayArgs {
    /// Serve sockets of an existing Channels page, as '/ws/chat/{room}/ group=chat_{room}
    /// types=chat.message inbox=chat.inbox'; repeatable; in the variable, ; separates several
    #[arg(long, value_name = "RELAY", help_heading = "Channel layer")]
    pub relay: Vec<String>,
}

/// Gives types to what was typed. `has_redis` says whether anybody else is on the channel layer.
pub fn resolve(
    args: &RelayArgs,
    environment: &Environment,
    has_redis: bool,
) -> Result<Vec<RelayRule>, Failure> {
    let mut rules: Vec<RelayRule> = Vec::new();
    for setting in environment.pick_divided(&args.relay, "relay", ';') {
        let rule = rule(&setting)?;
        if rules.iter().any(|other| shape(&other.path) == shape(&rule.path)) {
            let what = format!("Two relays have the path `{}`.", rule.path);
            return Err(Failure::usage(what, "Keep one; it may list several groups and types."));
        }
        if !has_redis && !matches!(rule.from_browser, FromBrowser::Echo { .. }) {
            let what = format!("The relay `{}` needs a channel layer over Redis.", rule.path);
            let fix = "Give the Redis of CHANNEL_LAYERS with --redis-url, or send what browsers say back into the \
                       group with echo=TYPE instead of inbox=CHANNEL.";
            let why = "without Redis nobody else could send to it or receive from it";
            return Err(Failure::usage(what, fix).because(why));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// The routes of these relays, on this layer or, without one, on one of this process alone.
pub fn routes(
    config: &Config,
    layer: Option<ChannelLayer>,
    (chat, parts): (&Arc<Chat>, &LiveParts),
    metrics: &Metrics,
) -> Result<Vec<Route>, Failure> {
    let rules = &config.relays;
    let layer = match layer {
        Some(layer) => layer,
        None if rules.is_empty() => return Ok(Vec::new()),
        None => ChannelLayer::memory(Options::default()).map_err(|error| {
            Failure::usage("The channel layer cannot be opened.", EXAMPLE).because(error)
        })?,
    };
    layer_numbers::register(metrics, &layer);
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let counts = Arc::new(RelayCounts::default());
    counts.register(metrics);
    let (chat, auth) = (Arc::clone(chat), Arc::clone(&parts.auth));
    let (origins, limit_loopback) = (Origins::Live(parts.origins.clone()), config.limit_loopback);
    let message_bytes = config.sockets.message_bytes;
    let settings =
        RelaySettings { layer, chat, auth, origins, limit_loopback, message_bytes, counts };
    for rule in rules {
        tracing::info!(path = rule.path, "relaying sockets to the channel layer's groups");
    }
    Ok(rules.iter().map(|rule| settings.route(rule.clone())).collect())
}

/// What stands behind the path, word by word.
#[derive(Default)]
struct Words<'a> {
    group: Option<&'a str>,
    types: Option<&'a str>,
    inbox: Option<&'a str>,
    echo: Option<&'a str>,
    fields: Option<&'a str>,
    with_type: Option<&'a str>,
    anonymous: Option<&'a str>,
    room: Option<&'a str>,
    lifecycle: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn read(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut read = Self::default();
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("`{word}` is no name=value"))?;
            let place = match name {
                "group" => &mut read.group,
                "types" => &mut read.types,
                "inbox" => &mut read.inbox,
                "echo" => &mut read.echo,
                "fields" => &mut read.fields,
                "with_type" => &mut read.with_type,
                "anonymous" => &mut read.anonymous,
                "room" => &mut read.room,
                "lifecycle" => &mut read.lifecycle,
                _ => {
                    let known = "group, types, inbox, lifecycle, echo, fields, with_type, anonymous and room";
                    return Err(format!("it knows no `{name}`, only {known}"));
                }
            };
            if place.replace(value).is_some() {
                return Err(format!("`{name}` stands there twice"));
            }
        }
        Ok(read)
    }
}

fn rule(setting: &Setting) -> Result<RelayRule, Failure> {
    read(&setting.value).map_err(|why| {
        let what = format!("`{}` from {} is no relay.", setting.value, setting.source);
        Failure::usage(what, EXAMPLE).because(why)
    })
}

fn read(text: &str) -> Result<RelayRule, String> {
    let mut words = text.split_whitespace();
    let path = words.next().ok_or("it is empty")?.to_owned();
    let parameters = parameters(&path)?;
    let words = Words::read(words)?;
    let anonymous = switch("anonymous", words.anonymous)?;
    let groups = list("group", words.group)?;
    let groups = groups.iter().map(|group| template("group", group, &parameters, anonymous));
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    let room = words.room.map(|room| template("room", room, &parameters, anonymous)).transpose()?;
    if room.is_some() && anonymous {
        return Err(
            "room= asks what a person's token names, and anonymous=yes lets in who has none".into(),
        );
    }
    let types = list("types", words.types)?;
    if let Some(bad) = types.iter().find(|kind| !is_name(kind)) {
        return Err(format!("`{bad}` is no type; a type is like chat.message"));
    }
    let from_browser = from_browser(&words, &types)?;
    let keeps_type = switch("with_type", words.with_type)?;
    Ok(RelayRule { path, groups, room, types, from_browser, keeps_type, anonymous })
}

/// The names of the parts of a path.
fn parameters(path: &str) -> Result<Vec<&str>, String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(format!("it begins with `{path}`, not with a path like /ws/chat/{{room}}/"));
    };
    let mut names = Vec::new();
    for segment in rest.split('/') {
        let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        match name {
            Some("user") => {
                return Err(
                    "{user} is who has signed in; name that part of the path otherwise".into()
                );
            }
            Some(name) if !is_name(name) => return Err(format!("`{segment}` has no plain name")),
            Some(name) if names.contains(&name) => {
                return Err(format!("`{segment}` stands there twice"));
            }
            Some(name) => names.push(name),
            None if segment.contains(['{', '}', '?', '#', '%']) => {
                return Err(format!("`{segment}` is neither a plain segment nor one {{name}}"));
            }
            None => {}
        }
    }
    let first = rest.split('/').next().unwrap_or_default();
    let is_own =
        path == "/ws" || matches!(first, "" | "api" | "assets" | "livez" | "readyz" | "metrics");
    if is_own || first.starts_with('{') {
        return Err(format!(
            "`{path}` would stand in the way of Moorline's own paths; use one like /ws/chat/{{room}}/"
        ));
    }
    Ok(names)
}

fn template(
    word: &str,
    text: &str,
    parameters: &[&str],
    anonymous: bool,
) -> Result<Template, String> {
    let wrong = |why: String| format!("{word} `{text}`: {why}");
    let template = Template::parse(text).map_err(|why| wrong(why.to_string()))?;
    if let Some(missing) = template.parameters().find(|name| !parameters.contains(name)) {
        return Err(wrong(format!("the path has no {{{missing}}}")));
    }
    if template.names_user() && anonymous {
        return Err(wrong("there is no {user} where anonymous=yes lets anybody in".to_owned()));
    }
    Ok(template)
}

fn from_browser(words: &Words<'_>, types: &[String]) -> Result<FromBrowser, String> {
    if words.fields.is_some() && words.echo.is_none() {
        return Err("fields= says what echo= takes over, and there is no echo=".into());
    }
    let lifecycle = switch("lifecycle", words.lifecycle)?;
    if words.lifecycle.is_some() && words.inbox.is_none() {
        return Err(
            "lifecycle= says what the worker of inbox= hears, and there is no inbox=".into()
        );
    }
    match (words.inbox, words.echo) {
        (Some(_), Some(_)) => Err("inbox= and echo= are both given; keep one".into()),
        (Some(inbox), None) if inbox == "moorline" || inbox.starts_with("moorline.") => {
            Err(format!(
                "inbox `{inbox}` is Moorline's own; name one that a worker of yours receives on"
            ))
        }
        (Some(inbox), None) if !is_name(inbox) || inbox.len() > 99 => {
            Err(format!("inbox `{inbox}` is no channel: use up to 99 of A-Z a-z 0-9 _ - ."))
        }
        (Some(inbox), None) => Ok(FromBrowser::Inbox { channel: inbox.to_owned(), lifecycle }),
        (None, Some(kind)) if !types.iter().any(|known| known == kind) => {
            Err(format!("echo `{kind}` is not among types=, so no browser here would get it"))
        }
        (None, Some(kind)) => {
            let fields = words
                .fields
                .map_or(Ok(vec!["message".to_owned()]), |text| list("fields", Some(text)))?;
            if fields.iter().any(|field| field == "type" || field.starts_with("__")) {
                return Err("fields= may name neither `type`, which echo= gives, nor one that begins with `__`".into());
            }
            Ok(FromBrowser::Echo { kind: kind.to_owned(), fields })
        }
        (None, None) => Ok(FromBrowser::Nothing),
    }
}

fn list(name: &str, text: Option<&str>) -> Result<Vec<String>, String> {
    let text = text.ok_or_else(|| format!("{name}= is missing"))?;
    let values: Vec<String> = text.split(',').map(str::to_owned).collect();
    if values.iter().any(String::is_empty) {
        return Err(format!("{name}=`{text}` has an empty value in it"));
    }
    Ok(values)
}

fn switch(name: &str, text: Option<&str>) -> Result<bool, String> {
    match text {
        None | Some("no") => Ok(false),
        Some("yes") => Ok(true),
        Some(other) => Err(format!("{name}=`{other}` is neither yes nor no")),
    }
}

/// The path without the names of its parts: what two relays must not share.
fn shape(path: &str) -> Vec<Option<&str>> {
    path.split('/').map(|segment| (!segment.starts_with('{')).then_some(segment)).collect()
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
