//! The table of all settings, made from the options of `serve`, which are the one list of them: what the settings file
//! may hold, `config show`, `init` and the reference page all read it here.

use clap::{Arg, ArgAction, CommandFactory};

use crate::args::{Cli, env_name};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The option without its dashes, which is also the key in the file.
    pub name: String,
    /// The name that clap knows it by.
    pub id: String,
    /// The one letter that stands for it on the command line.
    pub short: Option<char>,
    /// The heading that it stands under.
    pub section: String,
    /// What it means, without its default.
    pub help: String,
    /// What holds where nobody says anything; words where it depends.
    pub default: Option<String>,
    /// What a value is called.
    pub value: Option<String>,
    /// How many values it takes and of what sort.
    pub kind: Kind,
    /// Whether its value must not be shown. Such a setting has a twin that names a file with the value.
    pub is_secret: bool,
    /// Whether it is for tests and stands in no list.
    pub is_hidden: bool,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One text or number.
    Text,
    /// Any number of texts.
    List,
    /// Yes or no.
    Switch,
    /// A small number; on the command line the option is repeated.
    Count,
}

impl Entry {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        env_name(&self.name)
    }
}

/// Every setting, section by section, in the order of `serve --help`.
pub fn all() -> Vec<Entry> {
    let command = Cli::command();
    let serve = command.find_subcommand("serve");
    let args: Vec<&Arg> = serve.into_iter().flat_map(clap::Command::get_arguments).collect();
    let names: Vec<&str> = args.iter().filter_map(|arg| arg.get_long()).collect();
    let has_file = |name: &str| names.contains(&format!("{name}-file").as_str());
    let entry = |arg: &&Arg| {
        let name = arg.get_long().filter(|name| !["help", "version"].contains(name))?;
        Some(Entry { is_secret: has_file(name), ..entry(arg, name) })
    };
    let mut entries: Vec<Entry> = args.iter().filter_map(entry).collect();
    let mut sections: Vec<String> = Vec::new();
    for entry in &entries {
        if !sections.contains(&entry.section) {
            sections.push(entry.section.clone());
        }
    }
    entries.sort_by_key(|entry| sections.iter().position(|section| *section == entry.section));
    entries
}

fn entry(arg: &Arg, name: &str) -> Entry {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let (help, default) = match help.rsplit_once(" [default: ") {
        Some((help, default)) => (help.to_owned(), Some(default.trim_end_matches(']').to_owned())),
        None => (help, None),
    };
    let kind = match arg.get_action() {
        ArgAction::Append => Kind::List,
        ArgAction::SetTrue => Kind::Switch,
        ArgAction::Count => Kind::Count,
        _ => Kind::Text,
    };
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    Entry {
        name: name.to_owned(),
        id: arg.get_id().to_string(),
        short: arg.get_short(),
        section: arg.get_help_heading().unwrap_or("Other").to_owned(),
        help,
        default: default.filter(|default| default != "none"),
        value: value.filter(|_| matches!(kind, Kind::Text | Kind::List)),
        kind,
        is_secret: false,
        is_hidden: arg.is_hide_set(),
    }
}

/// A value as it may be shown: nothing of a secret but the place that a URL names.
pub fn masked(entry: &Entry, value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return if entry.is_secret && !is_word(entry, value) { "***".into() } else { value.into() };
    };
    if !entry.is_secret && !entry.name.ends_with("-url") {
        return value.to_owned();
    }
    let (place, query) = match rest.split_once('?') {
        Some((place, _)) => (place, "?***"),
        None => (rest, ""),
    };
    let place = match place.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => place.to_owned(),
    };
    format!("{scheme}://{place}{query}")
}

/// Whether a value holds something that must not be read by others.
pub fn holds_secret(entry: &Entry, value: &str) -> bool {
    entry.is_secret && masked(entry, value) != value
}

/// A URL setting may hold a plain word, such as `sqlite`.
fn is_word(entry: &Entry, value: &str) -> bool {
    entry.name.ends_with("-url") && value.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The known name that was probably meant.
pub fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let plain = name.trim_start_matches('-').to_lowercase().replace('_', "-");
    let plain = plain.strip_prefix("moorline-").unwrap_or(&plain);
    let most = 1 + plain.chars().count() / 4;
    let near = known.map(|other| (strsim::damerau_levenshtein(plain, other), other));
    let best = near.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance);
    best.map(|(_, other)| other.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Entry {
        all().into_iter().find(|entry| entry.name == name).unwrap()
    }

    #[test]
    fn an_option_becomes_a_setting_with_its_default_section_and_kind() {
        let port = named("port");
        assert_eq!((port.section.as_str(), port.default.as_deref()), ("Listening", Some("8000")));
        assert_eq!((port.kind, port.short, port.is_secret), (Kind::Text, Some('p'), false));
        assert!(port.help.starts_with("Port to listen on") && !port.help.contains('['));
        assert_eq!(named("origin").kind, Kind::List);
        assert_eq!(
            (named("limit-loopback").kind, named("verbose").kind),
            (Kind::Switch, Kind::Count)
        );
        assert!(named("presence-lease").is_hidden);
    }

    #[test]
    fn what_has_a_twin_for_a_file_is_secret() {
        let secret: Vec<String> =
            all().into_iter().filter(|entry| entry.is_secret).map(|entry| entry.name).collect();
        for name in
            ["jwt-secret", "api-key", "database-url", "redis-url", "layer-key", "events-url"]
        {
            assert!(secret.iter().any(|other| other == name), "{name} is not in {secret:?}");
        }
        assert!(!named("jwt-secret-file").is_secret);
    }

    #[test]
    fn of_a_secret_only_the_place_is_shown() {
        let database = named("database-url");
        for (value, shown) in [
            ("postgres://a:hush@one/x", "postgres://***@one/x"),
            ("postgres://a:hu@sh@one/x?password=hush", "postgres://***@one/x?***"),
            ("postgres://one/x", "postgres://one/x"),
            ("sqlite", "sqlite"),
        ] {
            assert_eq!(masked(&database, value), shown);
        }
        assert_eq!(masked(&named("api-key"), "hush"), "***");
        assert_eq!(masked(&named("origin"), "https://a.example"), "https://a.example");
        assert!(!holds_secret(&database, "sqlite") && holds_secret(&named("api-key"), "hush"));
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let meant = |name| meant(name, ["port", "ping-interval", "origin"].into_iter());
        assert_eq!(meant("prot").as_deref(), Some("port"));
        assert_eq!(meant("ping_interval").as_deref(), Some("ping-interval"));
        assert_eq!(meant("MOORLINE_PORT").as_deref(), Some("port"));
        assert_eq!(meant("colour"), None);
    }
}
