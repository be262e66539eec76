//! What is looked at: the settings of a server that runs or is to run, and a URL under which people reach it. The program
//! fills it in; checks read it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::Uri;
use moorline_layer::{Host, Options};
use moorline_store::DatabaseUrl;

use crate::mask::Mask;

/// Everything that checks may look at.
#[derive(Debug)]
pub struct Subject {
    /// What the server would use, or why it would refuse its settings.
    pub local: Result<Local, Problem>,
    /// Variables that look like misspelt settings, with what was probably meant.
    pub misspelt: Vec<(String, String)>,
    /// Where people reach it.
    pub web: Option<Web>,
    /// A token of a person, to come in with.
    pub token: Option<Secret>,
    /// What is never shown.
    pub mask: Mask,
    /// The clock; tests bring their own.
    pub now: fn() -> SystemTime,
}

/// Why the settings cannot be used, as the server itself would say it.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// What the server would use.
#[derive(Debug, Clone)]
pub struct Local {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub listening: Listening,
    /// PostgreSQL; none: SQLite in the folder.
    pub database: Option<DatabaseUrl>,
    /// The channel layer over Redis.
    pub layer: Option<Layer>,
    /// Where domain events are published.
    pub events: Option<Host>,
    /// Seconds between pings.
    pub ping_interval: Duration,
    /// The secret that tokens are signed with. Never shown.
    pub jwt_secret: Option<Secret>,
    /// The server that holds the data folder now, by its process.
    pub running: Option<u32>,
}

/// A text whose `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Where the server listens.
#[derive(Debug, Clone, Default)]
pub struct Listening {
    /// The main address.
    pub tcp: Option<SocketAddr>,
    /// The address of the metrics.
    pub metrics: Option<SocketAddr>,
}

/// The channel layer over Redis.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its options.
    pub options: Options,
    /// Whether it is the one of `channels_redis.pubsub`.
    pub is_pubsub: bool,
}

/// Where people reach the server, from outside.
#[derive(Debug, Clone)]
pub struct Web {
    /// The address.
    pub target: Target,
    /// Pages that are to use it; the first is tried. Empty: the server's own.
    pub origins: Vec<String>,
    /// How long to be silent on a connection, to see whether something ends it.
    pub idle: Option<Duration>,
}

/// An address of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host's name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it is `https` or `wss`.
    pub is_secure: bool,
    /// A path in front of all paths, without a slash at its end.
    pub root: String,
}

/// Why a text is no address of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUrl;

impl Target {
    /// Reads `https://host[:port][/path]`, also `http`, `wss` and `ws`.
    ///
    /// # Errors
    /// Where it is none of these.
    pub fn parse(text: &str) -> Result<Self, NotUrl> {
        let uri: Uri = text.trim().parse().map_err(|_| NotUrl)?;
        let is_secure = match uri.scheme_str() {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            _ => return Err(NotUrl),
        };
        let authority = uri.authority().ok_or(NotUrl)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(NotUrl);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let root = uri.path().trim_end_matches('/').trim_end_matches("/ws").to_owned();
        Ok(Self { host, port, is_secure, root })
    }

    /// As browsers write it: `https://host` or with a port.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Host and, unless the scheme implies it, port.
    #[must_use]
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let implied = if self.is_secure { 443 } else { 80 };
        if self.port == implied { host } else { format!("{host}:{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, origin, root) in [
            ("https://chat.example.org", "https://chat.example.org", ""),
            ("https://chat.example.org/", "https://chat.example.org", ""),
            ("wss://chat.example.org/chat/ws", "https://chat.example.org", "/chat"),
            ("http://[::1]:8000", "http://[::1]:8000", ""),
            ("https://a:443/x/", "https://a", "/x"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.origin().as_str(), target.root.as_str()), (origin, root), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_the_web_is_refused() {
        for text in
            ["chat.example.org", "ftp://a", "https://", "", "https://me:pw@a", "https://a/?x=1"]
        {
            assert_eq!(Target::parse(text), Err(NotUrl), "{text}");
        }
    }
}
