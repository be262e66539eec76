//! How long connections and requests may take, where the site lies, and who hears of them: the options that whoever
//! comes from Daphne knows, under the same names. `config` asks here.

use std::time::Duration;

use clap::Args;
use http::HeaderValue;
use moorline_server::DEFAULT_MESSAGE_BYTES;

use crate::failure::Failure;
use crate::parse;
use crate::settings::{Environment, Setting};

/// The longest time that can be given: more would be never.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// The longest message that can be allowed, since each is held in memory as a whole.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The options, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct SocketArgs {
    /// Close a WebSocket after this many seconds, however well it is; its client comes back at once [default: never]
    #[arg(long, alias = "websocket_timeout", value_name = "SECONDS", help_heading = "Connections")]
    #[arg(allow_hyphen_values = true)]
    pub websocket_timeout: Option<String>,
    /// Seconds that the opening of a WebSocket, stream or poll may take, with all that is asked about who it is [default: 10]
    #[arg(
        long,
        alias = "websocket_connect_timeout",
        value_name = "SECONDS",
        help_heading = "Connections"
    )]
    #[arg(allow_hyphen_values = true)]
    pub websocket_connect_timeout: Option<String>,
    /// Seconds that an HTTP request may take until its answer begins; streams and polls are not meant [default: never]
    #[arg(short = 't', long, value_name = "SECONDS", help_heading = "Connections")]
    #[arg(allow_hyphen_values = true)]
    pub http_timeout: Option<String>,
    /// Longest message in bytes that a browser may send on a --relay path; the chat's own limit is part of its
    /// protocol [default: 262144]
    #[arg(long, value_name = "BYTES", help_heading = "Connections")]
    pub websocket_max_message_size: Option<String>,
    /// Seconds that putting things in order may take after the end of a connection, as telling a worker of it [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Connections", allow_hyphen_values = true)]
    pub application_close_timeout: Option<String>,
    /// Path before all paths, as /chat, which a proxy does not take away; for sockets and the API, since the built-in page
    /// wants a host of its own [default: none]
    #[arg(long, value_name = "PATH", help_heading = "Listening")]
    pub root_path: Option<String>,
    /// What the header Server of each answer says [default: none]
    #[arg(short = 's', long, value_name = "NAME", help_heading = "Listening")]
    pub server_name: Option<String>,
    /// File that gets a line for each request and for each end of a connection, without queries; - is standard
    /// output [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub access_log: Option<String>,
}

/// The same with types.
#[derive(Debug, Clone)]
pub struct SocketConfig {
    /// How long a WebSocket may be open.
    pub websocket_timeout: Option<Duration>,
    /// How long the opening of a connection may take.
    pub connect_timeout: Duration,
    /// How long an HTTP request may take until its answer begins.
    pub http_timeout: Option<Duration>,
    /// The longest message on a relay's path.
    pub message_bytes: usize,
    /// How long the end of a connection may take in its consumer.
    pub close_timeout: Duration,
    /// The path before all paths; empty for none.
    pub root_path: String,
    /// The header `Server`.
    pub server_name: Option<HeaderValue>,
    /// Where the access log goes; `-` is standard output.
    pub access_log: Option<String>,
}

impl SocketConfig {
    /// Gives types to what was typed.
    pub fn resolve(args: &SocketArgs, environment: &Environment) -> Result<Self, Failure> {
        let pick = |flag: &Option<String>, option| environment.pick(flag.as_ref(), option);
        let ten = Duration::from_secs(10);
        let limit = |flag, option| pick(flag, option).map_or(Ok(ten), some_time);
        Ok(Self {
            websocket_timeout: pick(&args.websocket_timeout, "websocket-timeout")
                .map_or(Ok(None), time_or_never)?,
            connect_timeout: limit(&args.websocket_connect_timeout, "websocket-connect-timeout")?,
            http_timeout: pick(&args.http_timeout, "http-timeout")
                .map_or(Ok(None), time_or_never)?,
            message_bytes: pick(&args.websocket_max_message_size, "websocket-max-message-size")
                .map_or(Ok(DEFAULT_MESSAGE_BYTES), bytes)?,
            close_timeout: limit(&args.application_close_timeout, "application-close-timeout")?,
            root_path: pick(&args.root_path, "root-path").map_or(Ok(String::new()), path)?,
            server_name: pick(&args.server_name, "server-name").map(name).transpose()?,
            access_log: pick(&args.access_log, "access-log").map(|setting| setting.value),
        })
    }
}

fn time_or_never(setting: Setting) -> Result<Option<Duration>, Failure> {
    match setting.value.as_str() {
        "never" | "-1" | "0" => Ok(None),
        _ => some_time(setting).map(Some),
    }
}

fn some_time(setting: Setting) -> Result<Duration, Failure> {
    let is_sane = |time: &Duration| !time.is_zero() && *time <= LONGEST;
    parse::duration(&setting.value).filter(is_sane).ok_or_else(|| {
        let fix =
            "Give seconds, for example 30, or 90s, 15m, 12h; where that is the default, never.";
        bad(&setting, "is not a time between 0 and a year", fix)
    })
}

fn bytes(setting: Setting) -> Result<usize, Failure> {
    setting.value.parse().ok().filter(|bytes| (1..=MOST_BYTES).contains(bytes)).ok_or_else(|| {
        let fix = format!("Use a number from 1 to {MOST_BYTES}; each message is held in memory.");
        bad(&setting, "is not a size in bytes", &fix)
    })
}

fn path(setting: Setting) -> Result<String, Failure> {
    let path = setting.value.strip_suffix('/').unwrap_or(&setting.value);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let is_path = path.starts_with('/') && !path.contains("//") && path.bytes().all(is_plain);
    if path.is_empty() || is_path {
        return Ok(path.to_owned());
    }
    Err(bad(&setting, "is not a path that others can begin with", "Use for example /chat."))
}

fn name(setting: Setting) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(&setting.value).map_err(|_| {
        bad(&setting, "cannot stand in a header", "Use plain characters, for example chat.")
    })
}

fn bad(setting: &Setting, why: &str, fix: &str) -> Failure {
    Failure::usage(format!("`{}` from {} {why}.", setting.value, setting.source), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)]) -> Result<SocketConfig, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        SocketConfig::resolve(&SocketArgs::default(), &variables.iter().map(pair).collect())
    }

    #[test]
    fn with_nothing_said_healthy_sockets_stay_open_and_nothing_is_told() {
        let config = resolve(&[]).unwrap();
        assert_eq!((config.websocket_timeout, config.http_timeout), (None, None));
        assert_eq!(config.connect_timeout + config.close_timeout, Duration::from_secs(20));
        assert_eq!((config.root_path.as_str(), config.message_bytes), ("", 262_144));
        assert!(config.server_name.is_none() && config.access_log.is_none());
    }

    #[test]
    fn every_option_is_taken_and_never_has_three_spellings() {
        let config = resolve(&[
            ("MOORLINE_WEBSOCKET_TIMEOUT", "12h"),
            ("MOORLINE_WEBSOCKET_CONNECT_TIMEOUT", "5"),
            ("MOORLINE_HTTP_TIMEOUT", "30"),
            ("MOORLINE_WEBSOCKET_MAX_MESSAGE_SIZE", "1048576"),
            ("MOORLINE_APPLICATION_CLOSE_TIMEOUT", "2"),
            ("MOORLINE_ROOT_PATH", "/a/chat/"),
            ("MOORLINE_SERVER_NAME", "chat"),
            ("MOORLINE_ACCESS_LOG", "-"),
        ])
        .unwrap();
        assert_eq!(config.websocket_timeout, Some(Duration::from_secs(43_200)));
        assert_eq!(config.http_timeout, Some(Duration::from_secs(30)));
        assert_eq!(config.connect_timeout + config.close_timeout, Duration::from_secs(7));
        assert_eq!((config.root_path.as_str(), config.message_bytes), ("/a/chat", 1_048_576));
        assert!(config.server_name.is_some() && config.access_log.is_some());
        for never in ["never", "-1", "0"] {
            assert_eq!(
                resolve(&[("MOORLINE_WEBSOCKET_TIMEOUT", never)]).unwrap().websocket_timeout,
                None
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        for (variable, value, part) in [
            ("MOORLINE_WEBSOCKET_TIMEOUT", "soon", "a year"),
            ("MOORLINE_WEBSOCKET_CONNECT_TIMEOUT", "-1", "a year"),
            ("MOORLINE_HTTP_TIMEOUT", "9999d", "a year"),
            ("MOORLINE_WEBSOCKET_MAX_MESSAGE_SIZE", "0", "from 1 to"),
            ("MOORLINE_ROOT_PATH", "chat", "/chat"),
            ("MOORLINE_ROOT_PATH", "/a//b", "/chat"),
            ("MOORLINE_ROOT_PATH", "/{room}", "/chat"),
            ("MOORLINE_SERVER_NAME", "a\nb", "header"),
        ] {
            let refused = resolve(&[(variable, value)]).unwrap_err().to_string();
            assert!(refused.contains(variable) && refused.contains(part), "{refused}");
        }
    }
}
