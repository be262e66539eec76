//! Where the database is: a `postgres://` URL, parsed once. Its password can be neither printed nor logged.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// A connection that is not there by then is taken for away.
const CONNECT: Duration = Duration::from_secs(3);
/// A peer that does not answer for so long is gone: what waits for it hears so within the time of a send.
const SILENCE: Duration = Duration::from_secs(8);

/// How far the server's certificate is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Encrypts, and believes any certificate, as libpq does below `verify-ca`.
    Anyone,
    /// One that an authority has signed, whatever host it is for (`verify-ca`).
    Signed(Authorities),
    /// One that an authority has signed for the host that is connected to (`verify-full`).
    Named(Authorities),
}

/// Whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those that this machine knows.
    System,
    /// The certificates in this file.
    File(PathBuf),
}

/// A PostgreSQL database. Printing it shows everything but the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// Why a text is no database URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

impl DatabaseUrl {
    /// What of it must not be shown, in errors of others either.
    #[must_use]
    pub fn secret(&self) -> Option<String> {
        self.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        if !is_postgres {
            return Err(InvalidUrl("it does not begin with postgres://".to_owned()));
        }
        let (bare, trust, has_application) = take_own(text)?;
        // The parser's own texts name options, never values.
        let mut config: Config = bare.parse().map_err(|error: tokio_postgres::Error| {
            InvalidUrl(
                std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), |cause| cause.to_string()),
            )
        })?;
        if config.get_hosts().is_empty() {
            return Err(InvalidUrl("it names no host".to_owned()));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if !has_application {
            config.application_name("moorline");
        }
        config.keepalives_idle(SILENCE / 2).keepalives_interval(SILENCE / 4).keepalives_retries(2);
        config.tcp_user_timeout(SILENCE);
        // A socket of this machine is not encrypted, whatever is asked for, as in libpq.
        #[cfg(unix)]
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
        }
        // Of several hosts, the one that can be written to.
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, trust })
    }
}

/// Takes out what the driver does not know: how far to believe the certificate.
fn take_own(text: &str) -> Result<(String, Trust, bool), InvalidUrl> {
    let Some((base, query)) = text.split_once('?') else {
        return Ok((text.to_owned(), Trust::Anyone, false));
    };
    let (mut mode, mut roots, mut has_application) = (None, None, false);
    let mut kept: Vec<String> = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", word)) => mode = Some(word),
            Some(("sslrootcert", file)) => roots = Some(file.replace("%2F", "/")),
            Some(("sslcert" | "sslkey", _)) => {
                return Err(InvalidUrl(
                    "client certificates (sslcert, sslkey) are not supported".to_owned(),
                ));
            }
            other => {
                has_application |= other.is_some_and(|(name, _)| name == "application_name");
                kept.push(pair.to_owned());
            }
        }
    }
    let (trust, driver_mode) = trust(mode, roots)?;
    kept.extend(driver_mode.map(|word| format!("sslmode={word}")));
    let bare = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((bare, trust, has_application))
}

/// What libpq's `sslmode` and `sslrootcert` mean, and the mode in the driver's words.
fn trust(
    mode: Option<&str>,
    roots: Option<String>,
) -> Result<(Trust, Option<&'static str>), InvalidUrl> {
    let has_roots = roots.is_some();
    let authorities = match roots.filter(|file| file != "system") {
        Some(file) => Authorities::File(file.into()),
        None => Authorities::System,
    };
    Ok(match mode {
        Some("disable") => (Trust::Anyone, Some("disable")),
        // The driver knows no way to try without first: encrypted is what both end up with where it is to be had.
        Some("allow" | "prefer") => (Trust::Anyone, Some("prefer")),
        // As libpq does it, for those who wrote it before there was verify-ca.
        Some("require") if has_roots => (Trust::Signed(authorities), Some("require")),
        Some("require") => (Trust::Anyone, Some("require")),
        Some("verify-ca") => (Trust::Signed(authorities), Some("require")),
        Some("verify-full") => (Trust::Named(authorities), Some("require")),
        // Who names an authority wants to be sure of it.
        None if has_roots => (Trust::Named(authorities), Some("require")),
        None => (Trust::Anyone, None),
        Some(_) => {
            return Err(InvalidUrl(
                "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full"
                    .to_owned(),
            ));
        }
    })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            let password = if self.config.get_password().is_some() { ":***" } else { "" };
            write!(f, "{user}{password}@")?;
        }
        let ports = self.config.get_ports();
        for (number, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(5_432);
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or(""))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabaseUrl, InvalidUrl> {
        text.parse()
    }

    #[test]
    fn the_password_is_never_shown() {
        let url = parse("postgres://ann:s3cret@db.example:6000/chat").unwrap();
        assert_eq!(url.to_string(), "postgres://ann:***@db.example:6000/chat");
        assert!(!format!("{url:?}").contains("s3cret"));
        let url = parse("postgresql://ann@db/chat?password=s3cret").unwrap();
        assert_eq!(url.to_string(), "postgres://ann:***@db:5432/chat");
    }

    #[test]
    fn a_certificate_is_checked_as_the_url_says() {
        use Authorities::{File, System};
        let file = || File("/ca.pem".into());
        for (query, trust, mode) in [
            ("", Trust::Anyone, SslMode::Prefer),
            ("sslmode=disable", Trust::Anyone, SslMode::Disable),
            ("sslmode=allow", Trust::Anyone, SslMode::Prefer),
            ("sslmode=prefer", Trust::Anyone, SslMode::Prefer),
            ("sslmode=require", Trust::Anyone, SslMode::Require),
            ("sslmode=require&sslrootcert=/ca.pem", Trust::Signed(file()), SslMode::Require),
            ("sslmode=verify-ca", Trust::Signed(System), SslMode::Require),
            ("sslmode=verify-full", Trust::Named(System), SslMode::Require),
            ("sslmode=verify-full&sslrootcert=system", Trust::Named(System), SslMode::Require),
            ("sslrootcert=%2Fca.pem&sslmode=verify-full", Trust::Named(file()), SslMode::Require),
            ("sslrootcert=%2Fca.pem", Trust::Named(file()), SslMode::Require),
        ] {
            let url = parse(&format!("postgres://db/chat?{query}")).unwrap();
            assert_eq!((&url.trust, url.config.get_ssl_mode()), (&trust, mode), "{query}");
        }
        let socket = parse("postgres://%2Frun/chat?sslmode=require").unwrap();
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn what_is_no_url_of_a_database_is_refused_with_its_reason() {
        for (text, words) in [
            ("mysql://db/chat", "does not begin with postgres://"),
            ("postgres://", "names no host"),
            ("postgres://db/chat?sslmode=maybe", "sslmode"),
            ("postgres://db/chat?colour=red", "colour"),
            ("postgres://db/chat?sslcert=x", "not supported"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn of_several_hosts_the_one_that_can_be_written_to_is_taken() {
        let url = parse("postgres://a:1,b:2/chat").unwrap();
        assert_eq!(url.to_string(), "postgres://a:1,b:2/chat");
        assert_eq!(url.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }
}
