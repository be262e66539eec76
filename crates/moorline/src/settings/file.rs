//! The settings file: TOML whose keys are the options of `serve`. Every mistake in it is told with its line and column.
//! Nothing of it is used unless all of it is right; what the values mean, `config` decides.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Setting;
use super::table::{self, Entry, Kind};
use crate::failure::Failure;

/// The longest file that is read: thousands of lines.
const MOST_BYTES: u64 = 1024 * 1024;
/// The permission bit that lets every user of the machine read a file.
const OTHERS_READ: u32 = 0o004;

/// A file without mistakes.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    path: PathBuf,
    given: BTreeMap<String, Vec<Given>>,
}

/// One value and where it stands.
#[derive(Clone)]
struct Given {
    value: String,
    place: Place,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.place) // The value may be a secret.
    }
}

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One mistake.
struct Mistake {
    place: Place,
    what: String,
    fix: String,
}

impl SettingsFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Where it cannot be read, is no TOML, or holds what is no setting; all mistakes are told at once.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::usage(
                format!("The settings file `{}` cannot be read.", path.display()),
                "Check the path of --config or MOORLINE_CONFIG and that this user may read it; \
                 `moorline init` writes a new one.",
            )
            .because(error)
        };
        let file = File::open(path).map_err(unreadable)?;
        let others_read =
            file.metadata().map_err(unreadable)?.permissions().mode() & OTHERS_READ != 0;
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(path, &text, others_read)
    }

    fn parse(path: &Path, text: &str, others_read: bool) -> Result<Self, Failure> {
        let mut reading = Reading { text, others_read, given: BTreeMap::new(), mistakes: vec![] };
        match DeTable::parse(text) {
            Ok(table) => reading.take_all(table.get_ref()),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let what = format!("this is no TOML: {}", error.message());
                reading.mistake(
                    at,
                    what,
                    "Write one `name = value` a line; text stands in \"quotes\"",
                );
            }
        }
        let Reading { given, mistakes, .. } = reading;
        match failure(path, mistakes) {
            Some(failure) => Err(failure),
            None => Ok(Self { path: path.to_owned(), given }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many settings it gives.
    pub fn len(&self) -> usize {
        self.given.len()
    }

    /// Whether it gives none.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The values of a setting; none where the file does not say.
    pub(super) fn values(&self, option: &str) -> Vec<Setting> {
        let given = self.given.get(option).map(Vec::as_slice).unwrap_or_default();
        let setting = |one: &Given| Setting {
            value: one.value.clone(),
            source: format!("{}:{}", self.path.display(), one.place),
        };
        given.iter().map(setting).collect()
    }

    /// Whether it says anything of a setting, be it an empty list.
    pub(super) fn says(&self, option: &str) -> bool {
        self.given.contains_key(option)
    }
}

/// A file that is being gone through.
struct Reading<'a> {
    text: &'a str,
    others_read: bool,
    given: BTreeMap<String, Vec<Given>>,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn take_all(&mut self, file: &DeTable<'_>) {
        let known = table::all();
        for (key, value) in file {
            let name = key.get_ref().as_ref();
            let (key_at, at) = (key.span().start, value.span().start);
            match known.iter().find(|entry| entry.name == name) {
                Some(entry) => self.take(entry, value.get_ref(), key_at, at),
                None => self.unknown(name, key_at, value.get_ref().is_table(), &known),
            }
        }
    }

    fn take(&mut self, entry: &Entry, value: &DeValue<'_>, key_at: usize, at: usize) {
        let values = match (entry.kind, value) {
            (Kind::List, DeValue::Array(array)) => {
                array.iter().map(|one| (one.span().start, text_of(one.get_ref()))).collect()
            }
            (Kind::Switch, DeValue::Boolean(is_on)) => vec![(at, Some(is_on.to_string()))],
            (Kind::Switch, _) => vec![(at, None)],
            (_, value) => vec![(at, text_of(value))],
        };
        let name = &entry.name;
        let mut given = Vec::new();
        for (at, text) in values {
            let Some(text) = text else {
                let what = format!("`{name}` takes {}, not this", wanted(entry.kind));
                self.mistake(at, what, &format!("Write for example `{}`", example(entry)));
                continue;
            };
            if self.others_read && table::holds_secret(entry, &text) {
                let what = format!(
                    "`{name}` is a secret, and every user of this machine can read this file"
                );
                let fix = format!(
                    "Take their right away (chmod o-r), or name a file of its own: {name}-file"
                );
                self.mistake(key_at, what, &fix);
            }
            given.push(Given { value: text, place: self.place(at) });
        }
        self.given.insert(name.clone(), given);
    }

    fn unknown(&mut self, name: &str, at: usize, is_table: bool, known: &[Entry]) {
        let names = known.iter().filter(|entry| !entry.is_hidden).map(|entry| entry.name.as_str());
        let (what, fix) = match (is_table, table::meant(name, names)) {
            (_, Some(meant)) => {
                (format!("`{name}` is no setting"), format!("Did you mean `{meant}`?"))
            }
            (true, None) => (
                format!("`[{name}]` is a table, and settings stand in none"),
                "Write them at the beginning of a line, as in `port = 8000`".to_owned(),
            ),
            (false, None) => (
                format!("`{name}` is no setting"),
                "`moorline serve --help` lists all; a key is an option without its dashes"
                    .to_owned(),
            ),
        };
        self.mistake(at, what, &fix);
    }

    fn mistake(&mut self, at: usize, what: String, fix: &str) {
        self.mistakes.push(Mistake { place: self.place(at), what, fix: fix.to_owned() });
    }

    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

/// A text or a number, as it would be typed; none for anything else.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        _ => None,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "one text or number",
        Kind::List => "a list of texts",
        Kind::Switch => "true or false",
        Kind::Count => "a number",
    }
}

/// A line as it could stand in the file.
pub(super) fn example(entry: &Entry) -> String {
    let word = entry.value.as_deref().unwrap_or("TEXT");
    let default = entry.default.as_deref().filter(|default| is_literal(default));
    let value = match entry.kind {
        Kind::Switch => "true".to_owned(),
        Kind::Count => "1".to_owned(),
        Kind::List => format!("[{}]", quoted(default.unwrap_or(word))),
        Kind::Text => match default {
            Some(number) if number.parse::<u32>().is_ok() => number.to_owned(),
            Some(text) => quoted(text),
            None => quoted(word),
        },
    };
    format!("{} = {value}", entry.name)
}

/// Whether a default is a value and not a sentence about values.
pub(super) fn is_literal(default: &str) -> bool {
    !default.contains(' ') && !default.starts_with(|first: char| first.is_ascii_uppercase())
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// All mistakes as one failure, in the order in which they stand in the file.
fn failure(path: &Path, mut mistakes: Vec<Mistake>) -> Option<Failure> {
    mistakes.sort_by_key(|mistake| mistake.place);
    let file = path.display();
    let first = mistakes.first()?;
    if mistakes.len() == 1 {
        let what = format!("{file}:{}: {}.", first.place, first.what);
        let fix = first.fix.trim_end_matches(['.', '?']);
        let end = if first.fix.ends_with('?') { "?" } else { "." };
        return Some(Failure::usage(what, format!("{fix}{end}")));
    }
    let lines = mistakes
        .iter()
        .map(|Mistake { place, what, fix }| format!("\n    {file}:{place}: {what}. {fix}"));
    let what =
        format!("The settings file has {} mistakes:{}", mistakes.len(), lines.collect::<String>());
    let fix = format!("Mend them, then look again: moorline check --config {file}");
    Some(Failure::usage(what, fix))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
