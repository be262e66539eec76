//! What the lists of rooms and of people have in common: which part of the list, which one of it, and how it is said.

use std::io::Write;

use clap::Args;

use super::AdminAt;
use super::shown::{say, table};
use crate::failure::Failure;

/// Which part of a list, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct ListArgs {
    /// Begin after this id
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// At most so many, up to 1000 [default: 100]
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u32>,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

/// Which one of a list, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct ShowArgs {
    /// The id, as `list` shows it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

impl ListArgs {
    /// What the server is asked.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let after = self.after.clone().map(|after| ("after", after));
        let limit = self.limit.map(|limit| ("limit", limit.to_string()));
        after.into_iter().chain(limit).collect()
    }
}

/// The list as a table, and how to go on where it is not the whole.
pub(super) fn say_list(
    out: &mut impl Write,
    heads: &[&str],
    rows: &[Vec<String>],
    next: Option<impl std::fmt::Display>,
) -> Result<(), Failure> {
    say(out, &table(heads, rows))?;
    match next {
        Some(next) => say(out, &format!("and more: --after {next}\n")),
        None => Ok(()),
    }
}
