//! `moorline init`: a settings file with every setting in it, explained and out of use, to be filled in.
//! It is made from the table, so it knows what this program knows. A file that is there is never touched.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::file::{example, quoted};
use super::table::{self, Entry, Kind};
use crate::failure::{Exit, Failure};

/// How wide comments are.
const WIDTH: usize = 100;

/// `moorline init`, as typed.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The file to write
    #[arg(value_name = "FILE", default_value = "moorline.toml")]
    pub file: PathBuf,
    /// For work on this machine: open sign-up, secrets made on the spot, the page's development server let in
    #[arg(long)]
    pub dev: bool,
}

/// Writes the file and says what to do with it.
///
/// # Errors
/// Where there is a file already, or none can be written.
pub fn run(args: &InitArgs) -> Result<String, Failure> {
    let shown = args.file.display();
    let used = if args.dev { for_development() } else { Vec::new() };
    write(&args.file, &text(&used)).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            Exit::Refused,
            format!("`{shown}` is there already, and is not touched."),
            "Name another file: moorline init FILE.",
        ),
        _ => Failure::new(
            Exit::Failed,
            format!("`{shown}` cannot be written."),
            "Check that its folder exists and that this user may write there.",
        )
        .because(error),
    })?;
    Ok(format!(
        "Wrote {shown}, which only you can read. Fill it in, then:\n  \
         moorline check --config {shown}\n  moorline serve --config {shown}\n"
    ))
}

/// Only its owner can read it, since secrets may come to stand in it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What is in use in a file for development.
fn for_development() -> Vec<(&'static str, String)> {
    let secret = || {
        let bytes: [u8; 32] = rand::random();
        quoted(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let pages = ["http://127.0.0.1:8000", "http://localhost:8000", "http://localhost:5173"];
    vec![
        ("origin", format!("[{}]", pages.map(quoted).join(", "))),
        ("signup", quoted("open")),
        ("jwt-secret", secret()),
        ("api-key", secret()),
        ("verbose", "1".to_owned()),
    ]
}

/// The whole file; `used` are the settings that are in use in it.
pub(super) fn text(used: &[(&str, String)]) -> String {
    let mut text = String::from(
        "# Settings of Moorline, read by: moorline serve --config FILE, or by MOORLINE_CONFIG.\n\
         # An option of the command line beats its environment variable, and that beats what stands here.\n\
         # Every setting below shows its default or an example; take the # away to use it. Its variable stands in ().\n\
         # `moorline config show --origin` says what is in force and where it comes from.\n",
    );
    let mut section = String::new();
    for entry in table::all().iter().filter(|entry| !entry.is_hidden) {
        if entry.section != section {
            section.clone_from(&entry.section);
            text.push_str(&format!("\n# ---- {section} ----\n"));
        }
        text.push('\n');
        for line in wrapped(&comment(entry)) {
            text.push_str(&format!("# {line}\n"));
        }
        match used.iter().find(|(name, _)| *name == entry.name) {
            Some((name, value)) => text.push_str(&format!("{name} = {value}\n")),
            None => text.push_str(&format!("#{}\n", example(entry))),
        }
    }
    text
}

fn comment(entry: &Entry) -> String {
    let default = match (&entry.default, entry.kind) {
        (Some(default), _) => format!(" Default: {default}."),
        (None, Kind::Switch) => " Default: false.".to_owned(),
        (None, _) => String::new(),
    };
    format!("{}.{default} ({})", entry.help, entry.variable())
}

/// The text in lines of at most `WIDTH`, broken at spaces.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + word.len() < WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ServeArgs;
    use crate::config::Config;
    use crate::settings::Environment;
    use crate::settings::file::is_literal;

    fn resolved(folder: &Path, text: &str) -> Result<Config, Failure> {
        let path = folder.join("m.toml");
        let _ = std::fs::remove_file(&path);
        write(&path, text).unwrap();
        let environment = Environment::default().with_file(Some(&path))?;
        let mut config = Config::resolve(&ServeArgs::default(), &environment)?;
        config.settings_file = None;
        Ok(config)
    }

    #[test]
    fn every_setting_stands_in_it_explained_and_none_in_use() {
        let text = text(&[]);
        for entry in table::all().iter().filter(|entry| !entry.is_hidden) {
            assert!(text.contains(&format!("\n#{} = ", entry.name)), "{} is missing", entry.name);
            assert!(text.contains(&entry.variable()), "{} has no variable", entry.name);
        }
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
        let folder = tempfile::tempdir().unwrap();
        resolved(folder.path(), &text).unwrap();
    }

    #[test]
    fn the_defaults_that_are_named_are_the_ones_that_hold() {
        let folder = tempfile::tempdir().unwrap();
        // A folder is the same with and without ./ before it.
        let told = |config: Config| format!("{config:?}").replace("./", "");
        let nothing_said = told(resolved(folder.path(), "").unwrap());
        let mut tried = 0;
        for entry in table::all() {
            // The layer's options mean nothing without a Redis, and the prefix of events nothing without theirs.
            let is_idle = entry.name.starts_with("layer") || entry.name == "events-prefix";
            let Some(default) = entry.default.as_deref().filter(|default| is_literal(default))
            else {
                continue;
            };
            if is_idle || entry.kind != Kind::Text {
                continue;
            }
            let said = resolved(folder.path(), &example(&entry)).unwrap();
            assert_eq!(told(said), nothing_said, "{} = {default}", entry.name);
            tried += 1;
        }
        assert!(tried >= 9, "{tried}");
    }

    #[test]
    fn a_file_for_development_is_right_and_its_secrets_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let secret = || {
            let config = resolved(folder.path(), &text(&for_development())).unwrap();
            assert_eq!(config.signup, moorline_protocol::api::Signup::Open);
            assert_eq!((config.origins.len(), config.verbosity), (3, 1));
            config.api_key.unwrap().expose().to_owned()
        };
        let (one, other) = (secret(), secret());
        assert!(one.len() >= crate::config::SECRET_BYTES && one != other);
    }

    #[test]
    fn a_file_that_is_there_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.toml");
        let args = InitArgs { file: file.clone(), dev: false };
        run(&args).unwrap();
        std::fs::write(&file, "precious").unwrap();
        let refused = run(&args).unwrap_err();
        assert_eq!(refused.exit, Exit::Refused);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
    }
}
