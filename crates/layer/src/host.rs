//! Where a Redis is: parsed once from a URL, its password hidden from then on.
//!
//! Callers put hosts into [`Options`](crate::Options); `redis/connect.rs` dials them. The forms are those of redis-py, and one for
//! Sentinel. Nothing here opens a connection.

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// One Redis, or the master that Sentinels name.
#[derive(Clone, PartialEq, Eq)]
pub struct Host {
    pub(crate) place: Place,
    pub(crate) login: Login,
    pub(crate) database: u32,
    pub(crate) tls: Option<Tls>,
}

/// Whom to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(Address),
    Unix(String),
    Sentinel { sentinels: Vec<Address>, master: String, login: Login },
}

/// A host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// User and password, neither of them printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// How the server's certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tls {
    /// Certificates that are trusted instead of the system's, as a PEM file.
    pub(crate) authorities: Option<String>,
    /// `ssl_cert_reqs=none`: any certificate is taken.
    pub(crate) accepts_any: bool,
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl Host {
    /// `127.0.0.1:6379` without a login, the default of `channels_redis`.
    #[must_use]
    pub fn localhost() -> Self {
        Self::pair("127.0.0.1", REDIS_PORT)
    }

    /// A host and port without a login, database 0.
    #[must_use]
    pub fn pair(host: &str, port: u16) -> Self {
        Self::at(Place::Tcp(Address { host: host.to_owned(), port }))
    }

    /// The master of this name, as the Sentinels at these hosts and ports tell it.
    #[must_use]
    pub fn sentinel(sentinels: &[(&str, u16)], master: &str) -> Self {
        let sentinels = sentinels
            .iter()
            .map(|(host, port)| Address { host: (*host).to_owned(), port: *port })
            .collect();
        let login = Login::default();
        Self::at(Place::Sentinel { sentinels, master: master.to_owned(), login })
    }

    /// The same host with this login; behind Sentinels it is the master's.
    #[must_use]
    pub fn with_login(mut self, user: Option<&str>, password: &str) -> Self {
        self.login = Login { user: user.map(str::to_owned), password: Some(password.to_owned()) };
        self
    }

    /// The same host with the password that the Sentinels themselves ask for.
    #[must_use]
    pub fn with_sentinel_login(mut self, user: Option<&str>, password: &str) -> Self {
        if let Place::Sentinel { login, .. } = &mut self.place {
            *login = Login { user: user.map(str::to_owned), password: Some(password.to_owned()) };
        }
        self
    }

    /// The same host with another database.
    #[must_use]
    pub fn with_database(mut self, database: u32) -> Self {
        self.database = database;
        self
    }

    /// Whether it is the same Redis, whatever the login.
    pub(crate) fn is_same_but_for_login(&self, other: &Self) -> bool {
        let mut known = self.clone();
        known.login = other.login.clone();
        if let (Place::Sentinel { login, .. }, Place::Sentinel { login: new, .. }) =
            (&mut known.place, &other.place)
        {
            *login = new.clone();
        }
        known == *other
    }

    /// Parses a URL:
    ///
    /// - `redis://[[user]:password@]host[:port][/db]` and `rediss://…` over TLS,
    /// - `unix://[[user]:password@]/path[?db=1]`,
    /// - `redis+sentinel://[[user]:password@]host[:port][,host…]/master[/db]`, `rediss+sentinel://…`.
    ///
    /// User and password are percent-decoded. Of the query, `db`, `ssl_cert_reqs` (`required` or `none`),
    /// `ssl_ca_certs` (a PEM file), `sentinel_username` and `sentinel_password` count; other options of redis-py are ignored.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`], which says what is missing and never shows the password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| unknown_scheme(url))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('#') || query.contains('#') {
            return refuse("a Redis URL holds `#`; write it as %23 if it is part of the password");
        }
        let (login, rest) = split_login(scheme, rest)?;
        let mut host = match scheme {
            "redis" | "rediss" => parse_tcp(rest)?,
            "unix" => Self::at(Place::Unix(decode(rest)?)),
            "redis+sentinel" | "rediss+sentinel" => parse_sentinel(rest)?,
            _ => return Err(unknown_scheme(url)),
        };
        host.login = login;
        host.tls = scheme.starts_with("rediss").then(Tls::default);
        host.read_query(query)?;
        Ok(host)
    }

    fn at(place: Place) -> Self {
        Self { place, login: Login::default(), database: 0, tls: None }
    }

    fn read_query(&mut self, query: &str) -> Result<(), Error> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match (key, &mut self.tls, &mut self.place) {
                ("db", ..) => self.database = parse_database(&value)?,
                ("ssl_cert_reqs", Some(tls), _) => tls.accepts_any = value == "none",
                ("ssl_ca_certs", Some(tls), _) => tls.authorities = Some(value),
                ("sentinel_username", _, Place::Sentinel { login, .. }) => login.user = Some(value),
                ("sentinel_password", _, Place::Sentinel { login, .. }) => {
                    login.password = Some(value);
                }
                _ => tracing::debug!(option = key, "an option of a Redis URL has no meaning here"),
            }
        }
        Ok(())
    }
}

/// The user part of the authority ends at its last `@`, so that a password may hold one.
fn split_login<'a>(scheme: &str, rest: &'a str) -> Result<(Login, &'a str), Error> {
    let authority_ends = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..authority_ends].rfind('@') else {
        if scheme != "unix" && rest[authority_ends..].contains('@') {
            return refuse("a Redis URL has `/` before its `@`; write it as %2F in the password");
        }
        return Ok((Login::default(), rest));
    };
    let (user, password) = match rest[..at].split_once(':') {
        Some((user, password)) => (user, Some(decode(password)?)),
        None => (&rest[..at], None),
    };
    let user = if user.is_empty() { None } else { Some(decode(user)?) };
    Ok((Login { user, password: password.filter(|text| !text.is_empty()) }, &rest[at + 1..]))
}

fn parse_tcp(rest: &str) -> Result<Host, Error> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut host = Host::at(Place::Tcp(parse_address(authority, REDIS_PORT)?));
    host.database = parse_database(path)?;
    Ok(host)
}

fn parse_sentinel(rest: &str) -> Result<Host, Error> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() {
        return refuse(
            "a Sentinel URL needs the master's name: redis+sentinel://host:26379/mymaster/0",
        );
    }
    let sentinels = authority
        .split(',')
        .map(|text| parse_address(text, SENTINEL_PORT))
        .collect::<Result<_, _>>()?;
    let (master, login) = (decode(master)?, Login::default());
    let mut host = Host::at(Place::Sentinel { sentinels, master, login });
    host.database = parse_database(database)?;
    Ok(host)
}

fn parse_address(text: &str, default_port: u16) -> Result<Address, Error> {
    let port_at = match text.rfind(']') {
        Some(bracket) => text[bracket..].find(':').map(|at| bracket + at),
        None => text.rfind(':'),
    };
    let (host, port) = match port_at {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let port = if port.is_empty() { Ok(default_port) } else { port.parse() };
    let Ok(port) = port else {
        return refuse("the port in a Redis URL is no number from 0 to 65535");
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { "localhost".to_owned() } else { decode(host)? };
    Ok(Address { host, port })
}

fn parse_database(text: &str) -> Result<u32, Error> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().or_else(|_| refuse("the database in a Redis URL is no number"))
}

fn decode(text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(Into::into)
        .or_else(|_| refuse("a Redis URL has a percent escape that is not UTF-8"))
}

fn refuse<T>(why: &str) -> Result<T, Error> {
    Err(Error::InvalidOptions(why.to_owned()))
}

/// Names the scheme only: what follows may hold a password.
fn unknown_scheme(url: &str) -> Error {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    Error::InvalidOptions(format!(
        "a Redis host must be a URL starting with redis://, rediss://, unix:// or redis+sentinel://, not {scheme:?}"
    ))
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The URL, its password masked: for logs and errors.
impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secure = if self.tls.is_some() { "rediss" } else { "redis" };
        let login = &self.login;
        match &self.place {
            Place::Tcp(address) => write!(f, "{secure}://{login}{address}/{}", self.database),
            Place::Unix(path) => write!(f, "unix://{login}{path}?db={}", self.database),
            Place::Sentinel { sentinels, master, .. } => {
                let all: Vec<_> = sentinels.iter().map(ToString::to_string).collect();
                write!(f, "{secure}+sentinel://{login}{}/{master}/{}", all.join(","), self.database)
            }
        }
    }
}

impl std::fmt::Display for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.user, &self.password) {
            (None, None) => Ok(()),
            (user, None) => write!(f, "{}@", user.as_deref().unwrap_or_default()),
            (user, Some(_)) => write!(f, "{}:***@", user.as_deref().unwrap_or_default()),
        }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({self})")
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Host {
        Host::parse(url).unwrap()
    }

    #[test]
    fn urls_of_redis_py_are_understood() {
        let cases = [
            ("redis://", "redis://localhost:6379/0"),
            ("redis://h", "redis://h:6379/0"),
            ("redis://h:7000/3", "redis://h:7000/3"),
            ("redis://h/3?db=4", "redis://h:6379/4"),
            ("redis://[::1]:7000", "redis://[::1]:7000/0"),
            ("rediss://ann:pw@h", "rediss://ann:***@h:6379/0"),
            ("redis://h?socket_timeout=30&protocol=2", "redis://h:6379/0"),
            ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
            ("unix://:pw@/run/redis.sock", "unix://:***@/run/redis.sock?db=0"),
            (
                "redis+sentinel://:pw@a:1,b/mymaster/2",
                "redis+sentinel://:***@a:1,b:26379/mymaster/2",
            ),
        ];
        for (url, shown) in cases {
            assert_eq!(parse(url).to_string(), shown, "{url}");
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let host = parse("redis://a%40b:p%3A%2F%23@w@h");
        assert_eq!(host.login.user.as_deref(), Some("a@b"));
        assert_eq!(host.login.password.as_deref(), Some("p:/#@w"));
    }

    #[test]
    fn sentinels_have_a_password_of_their_own() {
        let host = parse("redis+sentinel://:master@a/mymaster?sentinel_password=watch%20er");
        let Place::Sentinel { login, .. } = &host.place else { panic!("no Sentinels") };
        assert_eq!(login.password.as_deref(), Some("watch er"));
        assert_eq!(host.login.password.as_deref(), Some("master"));
        let built = Host::sentinel(&[("a", 26379)], "mymaster")
            .with_login(None, "master")
            .with_sentinel_login(None, "watch er");
        assert_eq!(built, host);
    }

    #[test]
    fn certificates_are_chosen_in_the_query() {
        let host = parse("rediss://h?ssl_ca_certs=%2Fca.pem&ssl_cert_reqs=none");
        let tls = Tls { authorities: Some("/ca.pem".to_owned()), accepts_any: true };
        assert_eq!(host.tls, Some(tls));
        assert_eq!(parse("rediss://h").tls, Some(Tls::default()));
    }

    #[test]
    fn a_url_that_cannot_work_is_refused_without_its_password() {
        let urls = [
            "h:6379",
            "http://:hunter2@h",
            "redis://:hunter2@h:port",
            "redis://:hunter2@h/db",
            "redis://:hunter2#x@h",
            "redis://:hunter2/x@h",
            "redis://:hunter2%ff@h",
            "redis+sentinel://:hunter2@h",
        ];
        for url in urls {
            let error = Host::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter"), "{url}: {error}");
        }
    }

    #[test]
    fn nothing_prints_a_password() {
        let host = Host::sentinel(&[("a", 1)], "m")
            .with_login(Some("ann"), "hunter2")
            .with_sentinel_login(None, "hunter3");
        assert!(!format!("{host:?} {host} {:?}", host.place).contains("hunter"));
    }
}
