//! One question over HTTP: a GET with the forwarded headers, and an answer that is read up to a limit. Redirects are
//! never followed: they would carry a cookie to somebody else. The caller limits the time.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::{Forwarded, Unanswered};

/// The longest answer: a thousand rooms with the longest ids.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The longest head of an answer.
const HEAD_BYTES: usize = 32 * 1024;
/// Below the time after which servers usually end a connection that is not used.
const IDLE: Duration = Duration::from_secs(4);

/// The way to the backend.
pub(super) struct Asker {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Asker {
    /// To this URL; for https with the system's certificates.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub(super) fn new(url: Uri) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        if url.scheme_str() == Some("https") {
            let found = rustls_native_certs::load_native_certs();
            if roots.add_parsable_certificates(found.certs).0 == 0 {
                return Err("there are no certificates of authorities on this machine".to_owned());
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = connector.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(HEAD_BYTES)
            .build(connector);
        Ok(Self { url, client })
    }

    /// The body of a 200; none for a status that means nobody.
    ///
    /// # Errors
    /// Where there is no such answer.
    pub(super) async fn ask(&self, forwarded: &Forwarded) -> Result<Option<Bytes>, Unanswered> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let agent = concat!("moorline/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        for name in forwarded.headers().keys() {
            headers.remove(name);
        }
        headers.extend(forwarded.headers().clone());
        let response = self.client.request(request).await.map_err(|error| unreached(&error))?;
        match response.status() {
            StatusCode::OK => read(response.into_body()).await.map(Some),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NO_CONTENT => Ok(None),
            status if status.is_redirection() => Err(Unanswered::Redirect),
            status => Err(Unanswered::Status(status.as_u16())),
        }
    }
}

/// Why there is no connection. That a certificate is not trusted is told apart, since somebody has to mend it.
fn unreached(error: &hyper_util::client::legacy::Error) -> Unanswered {
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = tls {
            return Unanswered::Untrusted(format!("{why:?}"));
        }
        cause = error.source();
    }
    let cause = error.source().map(ToString::to_string);
    Unanswered::Unreachable(cause.unwrap_or_else(|| error.to_string()))
}

async fn read(body: hyper::body::Incoming) -> Result<Bytes, Unanswered> {
    let read = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Unanswered::TooLong;
        }
        Unanswered::Unreachable(format!("its answer broke off: {error}"))
    })?;
    Ok(read.to_bytes())
}
