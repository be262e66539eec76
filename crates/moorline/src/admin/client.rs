//! Asks a running server: over its admin socket, or over its internal address with the admin token.
//!
//! One connection a request, in bounded time; only a tail is read for as long as it goes on. Every failure says what to
//! do, and has the exit code of its kind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use moorline_protocol::admin::PATH;
use moorline_protocol::api::ErrorBody;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::admin::SOCKET;
use crate::failure::{Exit, Failure};
use crate::secret::Secret;
use crate::settings::Environment;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin: the store may wait for a disk or a database.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer: a thousand connections, rooms or people have a tenth of it.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Which server, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct AdminAt {
    /// Folder of the running server, in which its admin socket is [default: ./moorline-data]
    #[arg(long, value_name = "FOLDER", help_heading = "Server")]
    pub data_dir: Option<String>,
    /// Its admin socket, if that is elsewhere, or its internal address as http://host:port
    #[arg(long, value_name = "PATH|URL", help_heading = "Server")]
    pub admin: Option<String>,
    /// File that holds the admin token, for an address; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub admin_token_file: Option<String>,
    /// The answer as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// The way to a server.
#[derive(Debug)]
pub struct AdminClient {
    place: Place,
    token: Option<Secret>,
}

#[derive(Debug)]
enum Place {
    Socket(PathBuf),
    Address(String),
}

impl AdminClient {
    /// The way that was typed, or that the environment says.
    pub fn of(at: &AdminAt, environment: &Environment) -> Result<Self, Failure> {
        let place = match environment.pick(at.admin.as_ref(), "admin") {
            Some(setting) => place(&setting.value)?,
            None if at.data_dir.is_none() => match environment.pick(None, "admin-socket") {
                Some(setting) => place(&setting.value)?,
                None => Place::Socket(folder(at, environment).join(SOCKET)),
            },
            None => Place::Socket(folder(at, environment).join(SOCKET)),
        };
        // The socket needs no token, and a file that is not needed is not read.
        let token = match &place {
            Place::Socket(_) => None,
            Place::Address(address) => {
                let token =
                    environment.secret(None, at.admin_token_file.as_ref(), "admin-token")?;
                Some(token.ok_or_else(|| no_token(address))?)
            }
        };
        Ok(Self { place, token })
    }

    /// Asks for something.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let request = self.request("GET", path, query, Bytes::new())?;
        self.answer(request).await
    }

    /// Asks for something to be done.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| self.odd(error))?;
        let request = self.request("POST", path, &[], body.into())?;
        self.answer(request).await
    }

    /// Asks for lines that come for as long as the server sends some.
    pub async fn lines(&self, path: &[&str], query: &[(&str, String)]) -> Result<Lines, Failure> {
        let request = self.request("GET", path, query, Bytes::new())?;
        let response = self.send(request).await?;
        Ok(Lines { body: response.into_body(), read: Vec::new(), place: self.to_string() })
    }

    fn request(
        &self,
        method: &str,
        path: &[&str],
        query: &[(&str, String)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut uri = PATH.to_owned();
        for part in path {
            uri += &format!("/{}", utf8_percent_encode(part, NON_ALPHANUMERIC));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            let before = if index == 0 { '?' } else { '&' };
            uri += &format!("{before}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        let host = match &self.place {
            Place::Socket(_) => "moorline",
            Place::Address(address) => address,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let value = header::HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| {
                let fix = "Give the file with the server's own token.";
                Failure::usage("The admin token has letters that no token has.", fix)
            })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(Full::new(body)).map_err(|error| self.odd(error))
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<T, Failure> {
        let body = self.send(request).await?.into_body();
        let body = timeout(ANSWER, Limited::new(body, ANSWER_BYTES).collect()).await;
        let body = body.map_err(|_| self.silent())?.map_err(|error| self.lost(error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| self.odd(error))
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let unreachable = |error: std::io::Error| self.unreachable(&error);
        let late = |_| self.unreachable(&std::io::ErrorKind::TimedOut.into());
        let response = match &self.place {
            Place::Socket(path) => {
                let stream = timeout(CONNECT, UnixStream::connect(path)).await;
                self.exchange(stream.map_err(late)?.map_err(unreachable)?, request).await?
            }
            Place::Address(address) => {
                let stream = timeout(CONNECT, TcpStream::connect(address)).await;
                self.exchange(stream.map_err(late)?.map_err(unreachable)?, request).await?
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        Err(self.refused(status, &body))
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = opened.map_err(|error| self.lost(error.into()))?;
        // It ends with the answer, or with this process.
        tokio::spawn(connection);
        let answer = timeout(ANSWER, sender.send_request(request)).await;
        answer.map_err(|_| self.silent())?.map_err(|error| self.lost(error.into()))
    }

    fn unreachable(&self, error: &std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            let what = format!("This user may not use {self}.");
            let fix = "Run the command as the server's own user, for example with sudo -u.";
            return Failure::new(Exit::Refused, what, fix).because(error);
        }
        let fix = match &self.place {
            Place::Socket(_) => {
                "Start the server, or say where it is: --data-dir FOLDER, --admin PATH, or \
                 --admin http://host:port with --admin-token-file."
            }
            Place::Address(_) => {
                "Check the address: it is that of --metrics-bind, and the server needs --admin-token-file."
            }
        };
        Failure::new(Exit::Unreachable, format!("No server answers on {self}."), fix).because(error)
    }

    fn silent(&self) -> Failure {
        let what = format!("The server on {self} does not answer in time.");
        let fix = "Look at its log and at /readyz: it may wait for a disk or a database.";
        Failure::new(Exit::Unreachable, what, fix)
    }

    fn lost(&self, error: Box<dyn std::error::Error + Send + Sync>) -> Failure {
        let what = format!("The connection to {self} was lost before the whole answer came.");
        Failure::new(Exit::Unreachable, what, "Try again.").because(error)
    }

    fn odd(&self, error: impl std::fmt::Display) -> Failure {
        let what =
            format!("What answers on {self} does not speak this Moorline's admin interface.");
        let fix =
            "Use the same version of Moorline for both; `moorline version` says which this is.";
        Failure::new(Exit::Failed, what, fix).because(error)
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let Ok(ErrorBody { error }) = serde_json::from_slice(body) else {
            if status == StatusCode::NOT_FOUND && self.token.is_some() {
                let what = format!("There is no admin interface on {self}.");
                return Failure::new(
                    Exit::Refused,
                    what,
                    "Start the server with --admin-token-file.",
                );
            }
            return self.odd(format!("it answered with status {status}"));
        };
        let (exit, fix) = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                (Exit::Refused, "Give the server's own token: --admin-token-file FILE.")
            }
            StatusCode::BAD_REQUEST => (Exit::Usage, "Correct it and try again."),
            StatusCode::NOT_FOUND => {
                (Exit::Failed, "See which there are: moorline rooms, users or clients list.")
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                (Exit::Failed, "Try again later.")
            }
            _ => (Exit::Failed, "The server's log may say more."),
        };
        Failure::new(exit, format!("The server says: {}", error.message), fix)
    }
}

impl std::fmt::Display for AdminClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Socket(path) => write!(f, "the admin socket `{}`", path.display()),
            Place::Address(address) => write!(f, "the internal address {address}"),
        }
    }
}

/// Lines as they come.
pub struct Lines {
    body: Incoming,
    read: Vec<u8>,
    place: String,
}

impl Lines {
    /// The next line that is not empty; none where the server has ended the answer.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => self.read.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => {
                    let what = format!("The connection to {} was lost.", self.place);
                    let fix = "Look whether the server still runs, and begin again.";
                    return Err(Failure::new(Exit::Unreachable, what, fix).because(error));
                }
            }
        }
    }
}

fn folder(at: &AdminAt, environment: &Environment) -> PathBuf {
    let folder = environment.pick(at.data_dir.as_ref(), "data-dir");
    folder.map_or_else(|| Path::new("moorline-data").to_owned(), |setting| setting.value.into())
}

fn place(text: &str) -> Result<Place, Failure> {
    if let Some(rest) = text.strip_prefix("http://") {
        let authority = rest.trim_end_matches('/');
        let known = authority.parse::<http::uri::Authority>().ok();
        if known.is_some_and(|known| known.port_u16().is_some() && !authority.contains('@')) {
            return Ok(Place::Address(authority.to_owned()));
        }
        let what = "The address of --admin is not one of a host and a port.";
        return Err(Failure::usage(what, "Write it as http://127.0.0.1:9000."));
    }
    let has_port = |known: http::uri::Authority| known.port_u16().is_some();
    if text.contains("://") || text.parse().is_ok_and(has_port) {
        let what = "The address of --admin must begin with http://.";
        let fix = "Write http://HOST:PORT. The internal address speaks no TLS: keep it inside a private network or a tunnel, \
                   such as ssh -L 9000:127.0.0.1:9000 HOST.";
        return Err(Failure::usage(what, fix));
    }
    if text == "off" {
        let what = "The server was told to have no admin socket (--admin-socket off).";
        return Err(Failure::usage(what, "Say where it is: --admin PATH or --admin URL."));
    }
    Ok(Place::Socket(text.into()))
}

fn no_token(address: &str) -> Failure {
    Failure::usage(
        format!("The internal address {address} asks for the admin token, and none is given."),
        "Give the file with it: --admin-token-file FILE, or MOORLINE_ADMIN_TOKEN_FILE.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(at: AdminAt, variables: &[(&str, &str)]) -> Result<AdminClient, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        AdminClient::of(&at, &variables.iter().map(pair).collect())
    }

    fn place_of(at: AdminAt, variables: &[(&str, &str)]) -> String {
        of(at, variables).unwrap().to_string()
    }

    fn at(admin: Option<&str>, data_dir: Option<&str>) -> AdminAt {
        let own = |text: Option<&str>| text.map(str::to_owned);
        AdminAt { admin: own(admin), data_dir: own(data_dir), ..AdminAt::default() }
    }

    #[test]
    fn the_socket_is_found_by_the_folder_and_what_was_typed_beats_what_the_environment_says() {
        let elsewhere = ("MOORLINE_ADMIN_SOCKET", "/run/m.sock");
        let folder = ("MOORLINE_DATA_DIR", "/var/m");
        assert!(place_of(at(None, None), &[]).contains("`moorline-data/admin.sock`"));
        assert!(place_of(at(None, None), &[folder]).contains("`/var/m/admin.sock`"));
        assert!(place_of(at(None, None), &[folder, elsewhere]).contains("`/run/m.sock`"));
        assert!(place_of(at(None, Some("/d")), &[elsewhere]).contains("`/d/admin.sock`"));
        assert!(place_of(at(Some("/a.sock"), Some("/d")), &[]).contains("`/a.sock`"));
    }

    #[test]
    fn an_address_needs_a_token_a_port_and_no_tls() {
        let token = ("MOORLINE_ADMIN_TOKEN", "hunter2");
        let client = of(at(Some("http://127.0.0.1:9000/"), None), &[token]).unwrap();
        assert_eq!(client.to_string(), "the internal address 127.0.0.1:9000");
        assert!(!format!("{client:?}").contains("hunter2"));
        for (address, part) in [
            ("http://127.0.0.1", "host and a port"),
            ("http://me@127.0.0.1:1", "host and a port"),
            ("https://127.0.0.1:9000", "http://"),
            ("off", "no admin socket"),
        ] {
            let failure = of(at(Some(address), None), &[token]).unwrap_err();
            assert!(failure.what.contains(part), "{failure}");
        }
        let failure = of(at(Some("http://127.0.0.1:9000"), None), &[]).unwrap_err();
        assert!(failure.fix.contains("--admin-token-file"), "{failure}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let client = of(at(None, folder.path().to_str()), &[]).unwrap();
        let failure = client.get::<serde_json::Value>(&["clients"], &[]).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.fix.contains("--data-dir"), "{failure}");
    }
}
