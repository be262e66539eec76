//! Answers as text for a terminal: columns, times, and nothing that could steer the terminal.
//!
//! Names, reasons and programs' names come from strangers. The commands of the admin interface and of the channel layer
//! call this.

use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use crate::failure::{Exit, Failure};

/// A text from outside with its control and direction characters made visible.
pub(crate) fn clean(text: &str) -> String {
    let is_odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_odd) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut cleaned, letter| {
        if is_odd(letter) {
            cleaned.extend(letter.escape_default());
        } else {
            cleaned.push(letter);
        }
        cleaned
    })
}

/// How long something lasts, in its two largest units: `850ms`, `12s`, `3m 5s`, `2h 4m`, `9d 3h`.
pub(crate) fn lasting(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A round trip, in milliseconds.
pub(crate) fn round_trip(us: Option<u64>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.1}ms", us as f64 / 1_000.0))
}

/// Rows under their heads, each column as wide as it must be.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, widest)| {
            format!("{cell}{}", " ".repeat(widest.saturating_sub(width(cell))))
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    std::iter::once(&heads).chain(rows).map(line).collect()
}

/// Writes a value as one JSON object.
pub(crate) fn json(out: &mut impl Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| {
        let fix = "Leave --json away.";
        Failure::new(Exit::Failed, "The answer has no form as JSON.", fix).because(error)
    })?;
    say(out, &format!("{text}\n"))
}

/// Writes a text.
pub(crate) fn say(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| {
        let fix = "Check where the output goes.";
        Failure::new(Exit::Failed, "The answer could not be written.", fix).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(clean("Zoë 🚢"), "Zoë 🚢");
        assert_eq!(clean("\x1b[2J\u{202e}a\n"), "\\u{1b}[2J\\u{202e}a\\n");
    }

    #[test]
    fn times_are_told_in_two_units() {
        let told = [7, 12_999, 185_000, 7_440_000, 788_400_000].map(lasting);
        assert_eq!(told, ["7ms", "12s", "3m 5s", "2h 4m", "9d 3h"]);
        assert_eq!((round_trip(None), round_trip(Some(1_540))), ("-".into(), "1.5ms".into()));
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [vec!["a".into(), "b".into()], vec!["äöü".into(), String::new()]];
        assert_eq!(table(&["N", "X"], &rows), "N    X\na    b\näöü\n");
    }
}
