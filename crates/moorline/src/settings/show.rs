//! `moorline check` and `moorline config show`: whether the settings are right, and what each is and why.
//! Nothing is started, opened or asked. Secrets are shown as `***`.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand};
use serde_json::{Value, json};

use super::table::{self, Entry, Kind};
use super::{Environment, Setting};
use crate::args::{self, ServeArgs};
use crate::config::Config;
use crate::failure::{Exit, Failure};

/// Commands about settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting as it is in force; secrets as ***
    Show(ShowArgs),
    /// Print the reference of all settings, as Markdown
    Reference,
    /// Print each option of Daphne with ours, as Markdown
    Daphne,
}

/// `moorline config show`, as typed.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Say also where each value comes from: flag, environment, file or default
    #[arg(long)]
    pub origin: bool,
    /// As one JSON object, with the origins
    #[arg(long)]
    pub json: bool,
    /// Options of serve that count too, behind --
    #[arg(last = true, value_name = "OPTIONS OF SERVE")]
    pub serve: Vec<String>,
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The setting.
    pub entry: Entry,
    /// What it is, with secrets in it.
    pub values: Vec<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// What exactly gave it: `--port`, `MOORLINE_PORT`, `moorline.toml:3:8`; none for a default.
    pub source: Option<String>,
}

/// Where a value comes from, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable.
    Environment,
    /// The settings file.
    File,
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        }
    }
}

/// Checks flags, environment and file as `serve` would, and says what was looked at.
///
/// # Errors
/// Where `serve` would refuse: with 1, since the check did its work; with 2 where there is no such file.
pub fn check(
    args: &ServeArgs,
    environment: Environment,
    config: Option<&Path>,
) -> Result<String, Failure> {
    let environment = environment.with_file(config).map_err(|failure| match failure.why {
        Some(_) => failure, // It could not be read at all.
        None => Failure { exit: Exit::Failed, ..failure },
    })?;
    Config::resolve(args, &environment)
        .map_err(|failure| Failure { exit: Exit::Failed, ..failure })?;
    let names: Vec<String> = table::all().into_iter().map(|entry| entry.name).collect();
    let mut text = String::new();
    for (name, meant) in environment.misspelt(&names) {
        text.push_str(&format!("warning: {name} is no setting of Moorline; {meant} is\n"));
    }
    text.push_str(&match environment.file() {
        Some(file) if file.len() == 1 => format!("{}: 1 setting, no mistake\n", file.path().display()),
        Some(file) => {
            format!("{}: {} settings, no mistake\n", file.path().display(), file.len())
        }
        None => "no settings file (--config, MOORLINE_CONFIG); options and environment have no mistake\n".into(),
    });
    Ok(text)
}

/// `moorline config show`.
///
/// # Errors
/// Where the options behind `--` are none of `serve`, or the file has mistakes.
pub fn show(
    args: &ShowArgs,
    environment: Environment,
    config: Option<&Path>,
) -> Result<String, Failure> {
    let words = ["moorline", "serve"].into_iter().chain(args.serve.iter().map(String::as_str));
    let matches = args::command().try_get_matches_from(words).map_err(|error| {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Failure::usage(format!("Behind --: {what}."), "`moorline serve --help` lists the options.")
    })?;
    let nothing = ArgMatches::default();
    let serve = matches.subcommand_matches("serve").unwrap_or(&nothing);
    let inner = serve.get_one::<std::path::PathBuf>("config");
    let environment = environment.with_file(config.or(inner.map(std::path::PathBuf::as_path)))?;
    let all = in_force(serve, &environment);
    let shown = all.iter().filter(|setting| !setting.entry.is_hidden);
    if args.json {
        let settings: Vec<Value> = shown.map(as_json).collect();
        return Ok(format!("{:#}\n", json!({ "settings": settings })));
    }
    Ok(shown.map(|setting| line(setting, args.origin)).collect())
}

/// Every setting as it is in force, hidden ones too.
pub fn in_force(flags: &ArgMatches, environment: &Environment) -> Vec<InForce> {
    table::all().into_iter().map(|entry| one(entry, flags, environment)).collect()
}

fn one(entry: Entry, flags: &ArgMatches, environment: &Environment) -> InForce {
    if is_typed(flags, &entry.id) {
        let values = typed(&entry, flags);
        let source = Some(format!("--{}", entry.name));
        return InForce { entry, values, origin: Origin::Flag, source };
    }
    // A secret of the file gives way to its twin in the environment, and the other way round.
    let secret = entry.name.strip_suffix("-file").unwrap_or(&entry.name);
    let has_flag = [secret.to_owned(), format!("{secret}-file")]
        .iter()
        .any(|name| is_typed(flags, &name.replace('-', "_")));
    let nearest = environment.nearest(has_flag, secret);
    let given: Vec<Setting> = match nearest.variable(entry.variable()) {
        Some(variable) => vec![variable],
        None => nearest.pick_all(&[], &entry.name),
    };
    if let Some(first) = given.first() {
        let is_variable = first.source == entry.variable();
        let origin = if is_variable { Origin::Environment } else { Origin::File };
        let source = Some(first.source.clone());
        let values = given.into_iter().map(|setting| setting.value).collect();
        return InForce { entry, values, origin, source };
    }
    if nearest.file().is_some_and(|file| file.says(&entry.name)) {
        let source = nearest.file().map(|file| file.path().display().to_string());
        return InForce { entry, values: vec![], origin: Origin::File, source };
    }
    if let Some(shared) = shared(&entry, environment) {
        let (values, source) = (vec![shared.value], Some(shared.source));
        return InForce { entry, values, origin: Origin::Environment, source };
    }
    let default = match entry.kind {
        Kind::Switch => Some("false".to_owned()),
        Kind::Count => Some("0".to_owned()),
        _ => entry.default.clone(),
    };
    let values = default.into_iter().collect();
    InForce { entry, values, origin: Origin::Default, source: None }
}

/// Whether it stands on the command line; no for what is no option at all.
fn is_typed(flags: &ArgMatches, id: &str) -> bool {
    flags.try_contains_id(id).unwrap_or(false)
        && flags.value_source(id) == Some(ValueSource::CommandLine)
}

fn typed(entry: &Entry, flags: &ArgMatches) -> Vec<String> {
    match entry.kind {
        Kind::Switch => vec!["true".to_owned()],
        Kind::Count => vec![flags.get_count(&entry.id).to_string()],
        Kind::Text | Kind::List => {
            let raw = flags.get_raw(&entry.id).into_iter().flatten();
            raw.map(|value| value.to_string_lossy().into_owned()).collect()
        }
    }
}

/// The variable of other programs that a default names, as in "DATABASE_URL, else sqlite".
fn shared(entry: &Entry, environment: &Environment) -> Option<Setting> {
    let default = entry.default.as_deref()?;
    let name = default.split(',').next()?.trim();
    let is_variable = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    environment.variable(name.to_owned()).filter(|_| is_variable && name.len() > 1)
}

impl InForce {
    /// The values without anything that must not be read.
    pub fn shown(&self) -> Vec<String> {
        let is_said = self.origin != Origin::Default;
        let mask = |value: &String| {
            if is_said { table::masked(&self.entry, value) } else { value.clone() }
        };
        self.values.iter().map(mask).collect()
    }
}

fn line(setting: &InForce, with_origin: bool) -> String {
    let value = setting.shown().join(", ");
    let value = if value.is_empty() { "-" } else { &value };
    let name = &setting.entry.name;
    if !with_origin {
        return format!("{name:<26} {value}\n");
    }
    let word = setting.origin.word();
    let origin =
        setting.source.as_ref().map_or(word.to_owned(), |source| format!("{word} {source}"));
    format!("{name:<26} {value:<30} {origin}\n")
}

fn as_json(setting: &InForce) -> Value {
    let shown = setting.shown();
    let value = match setting.entry.kind {
        Kind::List => json!(shown),
        _ => json!(shown.first()),
    };
    json!({
        "name": setting.entry.name,
        "value": value,
        "origin": setting.origin.word(),
        "source": setting.source,
    })
}
