//! Connections to a server of the web, and one HTTP request on each. It follows no redirect and keeps nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::subject::Target;

/// For a connection, and for the head of an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// A body longer than this is cut.
const MOST_BYTES: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The name has no address, nobody listens, or nothing comes.
    Away(String),
    /// The certificate is not one to trust.
    Certificate(String),
    /// Somebody answers, but not in HTTP.
    NotHttp(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away(why) | Self::Certificate(why) | Self::NotHttp(why) => f.write_str(why),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Asks for a path below the target's.
pub(crate) async fn get(
    target: &Target,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Answer, Failure> {
    let response = send(target, Method::GET, path, headers, Bytes::new()).await?;
    whole(response).await
}

/// Reads an answer to its end, or as much of it as is of use.
pub(crate) async fn whole(response: Response<Incoming>) -> Result<Answer, Failure> {
    let (head, mut body) = response.into_parts();
    let mut bytes = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(_)) => {}
                Err(_) => break,
            }
            if bytes.len() > MOST_BYTES {
                break;
            }
        }
    };
    // What came until then is what there is.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: bytes.freeze() })
}

/// Sends one request on a connection of its own and waits for the head of the answer.
pub(crate) async fn send(
    target: &Target,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Response<Incoming>, Failure> {
    let late = |_| Failure::Away(format!("no answer within {} s", PATIENCE.as_secs()));
    let sent = async {
        let stream = connect(target).await?;
        let broken = |error: hyper::Error| match error.is_parse() {
            true => Failure::NotHttp(format!("what answers there does not speak HTTP: {error}")),
            false => Failure::Away(error.to_string()),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", target.root))
            .header(header::HOST, target.authority())
            .header(header::USER_AGENT, concat!("moorline-doctor/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body));
        let request = request
            .map_err(|error| Failure::Away(format!("the request cannot be made: {error}")))?;
        sender.send_request(request).await.map_err(broken)
    };
    tokio::time::timeout(PATIENCE, sent).await.map_err(late).flatten()
}

/// The connection of an answer that changed the protocol.
pub(crate) async fn upgraded(response: Response<Incoming>) -> Result<TokioIo<Upgraded>, Failure> {
    let upgraded = hyper::upgrade::on(response).await;
    upgraded.map(TokioIo::new).map_err(|error| Failure::Away(error.to_string()))
}

async fn connect(target: &Target) -> Result<Box<dyn Stream>, Failure> {
    let Target { host, port, .. } = target;
    let tcp = TcpStream::connect((host.as_str(), *port))
        .await
        .map_err(|error| Failure::Away(format!("{host}:{port}: {error}")))?;
    tcp.set_nodelay(true).map_err(|error| Failure::Away(error.to_string()))?;
    if !target.is_secure {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.clone()).map_err(|error| {
        Failure::Certificate(format!("{host} cannot stand in a certificate: {error}"))
    })?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls()?));
    let stream = connector.connect(name, tcp).await.map_err(|error| {
        let is_certificate = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
        match is_certificate {
            true => Failure::Certificate(format!("its certificate is not trusted: {error}")),
            false => Failure::Away(format!("TLS: {error}")),
        }
    })?;
    Ok(Box::new(stream))
}

/// Trusts what this machine trusts.
fn tls() -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Away(format!("TLS cannot be used: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
