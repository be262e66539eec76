//! The log on standard error: one line per event, text or JSON, colours on a terminal only.
//! Libraries below us speak only in warnings, since what they say at `trace` could hold a cookie.

mod held;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
pub use held::Flush;
use held::Held;

/// Starts the log; `verbosity` 1 shows each connection, 2 each command. Whoever ends the process drops what this
/// returns, so that the last lines are written.
///
/// # Errors
/// Where there can be no further thread.
pub fn start(format: LogFormat, verbosity: u8) -> io::Result<Flush> {
    let (held, flush) = Held::new(io::stderr())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(verbosity)))
        .with_writer(held);
    // A second start happens in tests only, and keeps the first log.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => log.with_ansi(has_colours()).with_target(verbosity > 0).try_init(),
    };
    Ok(flush)
}

fn filter(verbosity: u8) -> String {
    let level = match verbosity {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    let crates =
        ["moorline", "moorline_protocol", "moorline_store", "moorline_chat", "moorline_server"];
    let own: Vec<String> = crates.iter().map(|name| format!("{name}={level}")).collect();
    // How the layer is, the chat tells in one line a change, for all hosts and with what it means.
    let layer = if verbosity == 0 { "error" } else { level };
    format!("warn,moorline_layer::redis::link={layer},{}", own.join(","))
}

/// Colours on standard error: on a terminal, unless NO_COLOR is set to anything.
pub fn has_colours() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_unwanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_at_warnings_however_verbose_we_are() {
        assert!(filter(2).starts_with("warn,moorline_layer::redis::link=trace,moorline=trace,"));
        assert!(filter(0).starts_with("warn,moorline_layer::redis::link=error,moorline=info,"));
    }
}
