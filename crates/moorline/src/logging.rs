//! The log on standard error: one line per event, text or JSON, colours on a terminal only.
//! Libraries below us speak only in warnings, since what they say at `trace` could hold a cookie.

mod held;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::config::LogFormat;
pub use held::Flush;
pub(crate) use held::Held;

/// How much a log says, to be changed while it is written.
#[derive(Clone)]
pub struct Level(Arc<dyn Fn(u8) + Send + Sync>);

impl Level {
    /// From now on as much as this verbosity asks for.
    pub fn set(&self, verbosity: u8) {
        (self.0)(verbosity);
    }
}

/// Starts the log; `verbosity` 1 shows each connection, 2 each command. Whoever ends the process drops the first that
/// this returns, so that the last lines are written.
///
/// # Errors
/// Where there can be no further thread.
pub fn start(format: LogFormat, verbosity: u8) -> io::Result<(Flush, Level)> {
    let (held, flush) = Held::new(io::stderr())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(verbosity)))
        .with_writer(held);
    // A second start happens in tests only, and keeps the first log.
    let level = match format {
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(false);
            let log = log.with_filter_reloading();
            let level = level(log.reload_handle());
            let _ = log.try_init();
            level
        }
        LogFormat::Text => {
            let log = log.with_ansi(has_colours()).with_target(verbosity > 0);
            let log = log.with_filter_reloading();
            let level = level(log.reload_handle());
            let _ = log.try_init();
            level
        }
    };
    Ok((flush, level))
}

fn level<S: 'static>(filter_of: Handle<EnvFilter, S>) -> Level {
    Level(Arc::new(move |verbosity| {
        // It fails only where the log is gone, and then nobody could be told.
        let _ = filter_of.reload(EnvFilter::new(filter(verbosity)));
    }))
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
