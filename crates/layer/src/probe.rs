//! One connection to a Redis for those who look at how it is, beside the layers and without their retries.
//!
//! A doctor of the configuration opens it. It logs in exactly as the layers do, or not at all, and says what Redis says.
//! Nothing here shows a password.

use std::time::Duration;

use redis::Value;

use crate::host::{Address, Host, Login, Place};
use crate::redis::connect::{BoxedStream, Failure, connect, dial_host};
use crate::redis::resp::{Frames, value};
use crate::trouble::{Cause, Trouble};

/// A logged-in connection, or one of a stranger.
pub struct Probe {
    stream: BoxedStream,
    frames: Frames,
    name: String,
}

/// What Redis answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// There is no such thing.
    Nothing,
    /// A number.
    Number(i64),
    /// A text or bytes.
    Bytes(Vec<u8>),
    /// Several of them.
    List(Vec<Reply>),
    /// An error, in Redis' own words, its code first.
    Refused(String),
}

impl Probe {
    /// Connects and logs in as the layers do.
    ///
    /// # Errors
    /// What kept it from that, by cause.
    pub async fn open(host: &Host) -> Result<Self, Trouble> {
        let stream = connect(host).await.map_err(|failure| trouble(host, failure))?;
        Ok(Self { stream, frames: Frames::default(), name: host.to_string() })
    }

    /// Connects and says nothing yet, within this time.
    ///
    /// # Errors
    /// Where nobody answers there.
    pub async fn open_as_stranger(host: &Host, within: Duration) -> Result<Self, Trouble> {
        let late = || Failure::network(format!("no answer within {} s", within.as_secs()));
        let dialled = tokio::time::timeout(within, dial_host(host)).await;
        let stream =
            dialled.map_err(|_| late()).flatten().map_err(|failure| trouble(host, failure))?;
        Ok(Self { stream, frames: Frames::default(), name: host.to_string() })
    }

    /// Sends one command and waits for its answer for so long.
    ///
    /// # Errors
    /// Where the connection is lost or nothing comes in time; what Redis refuses is an answer.
    pub async fn ask<W: AsRef<[u8]>>(
        &mut self,
        words: &[W],
        within: Duration,
    ) -> Result<Reply, Trouble> {
        let late = || Failure::network(format!("no answer within {} s", within.as_secs()));
        let asked = tokio::time::timeout(within, self.exchange(words)).await;
        asked.map_err(|_| late()).flatten().map_err(|failure| Trouble {
            host: self.name.clone(),
            cause: failure.cause,
            why: failure.why,
        })
    }

    async fn exchange<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Reply, Failure> {
        use tokio::io::AsyncWriteExt as _;
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words.iter().map(AsRef::as_ref) {
            command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            command.extend_from_slice(word);
            command.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&command).await.map_err(Failure::network)?;
        self.stream.flush().await.map_err(Failure::network)?;
        self.next().await
    }

    /// Waits for something that Redis says unasked, as to subscribers; nothing where none comes in time. Cancel-safe.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub async fn hear(&mut self, within: Duration) -> Result<Option<Reply>, Trouble> {
        match tokio::time::timeout(within, self.next()).await {
            Ok(Ok(reply)) => Ok(Some(reply)),
            Ok(Err(failure)) => {
                Err(Trouble { host: self.name.clone(), cause: failure.cause, why: failure.why })
            }
            Err(_) => Ok(None),
        }
    }

    async fn next(&mut self) -> Result<Reply, Failure> {
        loop {
            if let Some(frame) = self.frames.next().map_err(Failure::network)? {
                return value(frame).map(reply).map_err(Failure::network);
            }
            self.frames.fill(&mut self.stream).await.map_err(Failure::network)?;
        }
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Probe({})", self.name)
    }
}

impl Reply {
    /// The text, whatever bytes it has; none where it is no text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Nothing | Self::List(_) | Self::Refused(_) => None,
        }
    }

    /// The number, also where it is written as text.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        self.text()?.parse().ok()
    }

    /// The parts; none of them where it is no list.
    #[must_use]
    pub fn parts(&self) -> &[Reply] {
        if let Self::List(parts) = self { parts } else { &[] }
    }
}

impl Host {
    /// The number of its database.
    #[must_use]
    pub fn database(&self) -> u32 {
        self.database
    }

    /// Whether a password is given for it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.login.password.is_some()
    }

    /// The Sentinels by themselves, each with its own login, and the name of their master; none where it is a plain host.
    #[must_use]
    pub fn sentinels(&self) -> Option<(Vec<Self>, &str)> {
        let Place::Sentinel { sentinels, master, login } = &self.place else { return None };
        let of = |address: &Address| Self {
            place: Place::Tcp(address.clone()),
            login: login.clone(),
            database: 0,
            tls: self.tls.clone(),
        };
        Some((sentinels.iter().map(of).collect(), master))
    }

    /// Everything of it that must not be shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        let watchers = match &self.place {
            Place::Sentinel { login, .. } => login.password.as_deref(),
            Place::Tcp(_) | Place::Unix(_) => None,
        };
        let Login { password, .. } = &self.login;
        password.as_deref().into_iter().chain(watchers).collect()
    }
}

fn trouble(host: &Host, Failure { why, cause }: Failure) -> Trouble {
    Trouble { host: host.to_string(), cause, why }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nothing,
        Value::Int(number) => Reply::Number(number),
        Value::Okay => Reply::Bytes(b"OK".to_vec()),
        Value::SimpleString(text) => Reply::Bytes(text.into_bytes()),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::Array(parts) => Reply::List(parts.into_iter().map(reply).collect()),
        Value::ServerError(error) => {
            let details = error.details().unwrap_or_default();
            Reply::Refused(format!("{} {details}", error.code()).trim_end().to_owned())
        }
        other => Reply::Refused(format!("an answer of an unknown sort: {other:?}")),
    }
}

impl Trouble {
    /// Whether Redis was reached at all.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.cause != Cause::Unreachable
    }
}

#[cfg(test)]
mod tests {
    use moorline_test_redis::{PASSWORD, Server};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_stranger_hears_what_redis_says_to_strangers() {
        let server = Server::start();
        let host = Host::parse(&server.url(0)).unwrap();
        let mut stranger = Probe::open_as_stranger(&host, SOON).await.unwrap();
        let Reply::Refused(why) = stranger.ask(&["PING"], SOON).await.unwrap() else {
            panic!("not refused")
        };
        assert!(why.starts_with("NOAUTH"), "{why}");
    }

    #[tokio::test]
    async fn answers_of_every_sort_are_read() {
        let server = Server::start();
        let host = Host::parse(&server.url(0)).unwrap();
        let mut probe = Probe::open(&host).await.unwrap();
        assert_eq!(probe.ask(&["PING"], SOON).await.unwrap().text().as_deref(), Some("PONG"));
        assert_eq!(probe.ask(&["GET", "none"], SOON).await.unwrap(), Reply::Nothing);
        assert_eq!(probe.ask(&["INCR", "n"], SOON).await.unwrap(), Reply::Number(1));
        assert_eq!(probe.ask(&["TIME"], SOON).await.unwrap().parts().len(), 2);
        let wrong = probe.ask(&["LPUSH", "n", "x"], SOON).await.unwrap();
        assert!(matches!(&wrong, Reply::Refused(why) if why.starts_with("WRONGTYPE")), "{wrong:?}");
        let list = probe.ask(&["CLIENT", "LIST"], SOON).await.unwrap().text().unwrap();
        assert!(list.contains("name=moorline"), "{list}");
    }

    #[tokio::test]
    async fn a_redis_that_falls_silent_is_given_up_in_time() {
        let server = Server::start();
        let mut probe = Probe::open(&Host::parse(&server.url(0)).unwrap()).await.unwrap();
        server.pause();
        let silent = probe.ask(&["PING"], Duration::from_secs(1)).await.unwrap_err();
        server.resume();
        assert!(!silent.is_reached() && silent.why.contains("no answer"), "{silent:?}");
        assert!(!format!("{silent:?}").contains(PASSWORD));
    }

    #[test]
    fn what_must_not_be_shown_is_named() {
        let host =
            Host::parse("redis+sentinel://:one@a:1,b:2/main/3?sentinel_password=two").unwrap();
        assert_eq!(host.secrets(), ["one", "two"]);
        let (sentinels, master) = host.sentinels().unwrap();
        assert_eq!((sentinels.len(), master, host.database()), (2, "main", 3));
        assert!(host.has_password() && !Host::localhost().has_password());
    }
}
