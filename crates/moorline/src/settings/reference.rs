//! The reference of all settings, `docs/configuration.md`: written from the table by `cargo xtask schema`, and by
//! `moorline config reference` for the program at hand.

use super::table::{self, Entry, Kind};
use crate::reload;

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("reference.md");

/// The page, as Markdown.
pub fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut section = String::new();
    for entry in table::all().iter().filter(|entry| !entry.is_hidden) {
        if entry.section != section {
            section.clone_from(&entry.section);
            text.push_str(&format!("\n### {section}\n\n"));
            text.push_str(
                "| Key and option | Variable | Default | Meaning |\n| --- | --- | --- | --- |\n",
            );
        }
        text.push_str(&row(entry));
    }
    text
}

fn row(entry: &Entry) -> String {
    let short = entry.short.map(|short| format!(" (`-{short}`)")).unwrap_or_default();
    let default = match (&entry.default, entry.kind) {
        (Some(default), _) => escaped(default),
        (None, Kind::Switch) => "false".to_owned(),
        (None, Kind::Count) => "0".to_owned(),
        (None, _) => String::new(),
    };
    let is_live = reload::LIVE.contains(&entry.name.as_str());
    let marks =
        [(entry.kind == Kind::List, "a list"), (entry.is_secret, "secret"), (is_live, "live")];
    let marks: Vec<&str> =
        marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" *({})*", marks.join(", ")) };
    format!(
        "| `{}`{short} | `{}` | {default} | {}.{marks} |\n",
        entry.name,
        entry.variable(),
        escaped(&entry.help),
    )
}

/// What a table's cell would take for its own.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}
