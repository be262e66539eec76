//! Where a server is, as its people name it: scheme, host, port and perhaps a path before `/ws`. Gives byte streams to it,
//! with TLS where the scheme says so. Everything else of this crate connects through here.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Uri;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A connection that does not come in this time has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One end of a connection, encrypted or not.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Duplex for T {}

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    is_tls: bool,
    host: String,
    port: u16,
    /// What stands before `/ws` and `/api`, without a slash at its end; mostly nothing.
    base: String,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        let host = address.ip().to_string();
        Self { is_tls: false, host, port: address.port(), base: String::new() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}{}{}",
            if self.is_tls { "https://" } else { "http://" },
            self.authority(),
            self.base
        )
    }
}

impl Target {
    /// Reads `https://chat.example.org`, `ws://localhost:8000/chat` and the like.
    ///
    /// # Errors
    /// If it is no URL of http, https, ws or wss, or holds a user, a password or a query.
    pub fn parse(text: &str) -> Result<Self> {
        let uri: Uri = text.parse().with_context(|| format!("`{text}` is no URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            _ => bail!("`{text}` begins with neither http:// nor https://"),
        };
        let authority = uri.authority().with_context(|| format!("`{text}` names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            bail!("a server's URL has no user and no query");
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { is_tls, host, port, base })
    }

    /// Host and port, as a `Host` header has them.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// A path of the server, behind what stands before all of them.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The URL of a WebSocket.
    pub(crate) fn socket_url(&self) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.path("/ws"))
    }

    /// Connects.
    pub(crate) async fn reach(&self) -> Result<Box<dyn Duplex>> {
        timeout(PATIENCE, self.open())
            .await
            .with_context(|| format!("{self} did not answer within {PATIENCE:?}"))?
            .with_context(|| format!("cannot connect to {self}"))
    }

    async fn open(&self) -> Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        if !self.is_tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(self.host.clone())?;
        Ok(Box::new(TlsConnector::from(tls()?).connect(name, stream).await?))
    }
}

/// TLS with the authorities of this machine; read once.
fn tls() -> Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        bail!("there are no certificates of authorities on this machine");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop there")]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_the_paths_of_a_server() {
        let cases = [
            ("http://localhost:8000", "ws://localhost:8000/ws"),
            ("http://localhost:8000/", "ws://localhost:8000/ws"),
            ("https://chat.example.org", "wss://chat.example.org:443/ws"),
            ("wss://example.org/chat/", "wss://example.org:443/chat/ws"),
            ("http://[::1]:9", "ws://[::1]:9/ws"),
        ];
        for (text, socket) in cases {
            assert_eq!(Target::parse(text).unwrap().socket_url(), socket, "{text}");
        }
        let target = Target::from(SocketAddr::from(([127, 0, 0, 1], 8)));
        assert_eq!(target, Target::parse("http://127.0.0.1:8").unwrap());
        assert_eq!(target.to_string(), "http://127.0.0.1:8");
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for text in
            ["", "localhost:8000", "ftp://a", "http://", "http://u:p@a", "http://a/?b=c", "/a"]
        {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
