//! A backend with an auth endpoint that answers as it is told, over hyper.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// What the endpoint does with a question.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    location: Option<&'static str>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Text(String),
    /// Bytes without end, as fast as they are taken.
    Huge,
    /// A byte now and then, without end.
    Drip,
    /// Not even a head.
    Hang,
}

impl Reply {
    pub(crate) fn json(value: Value) -> Self {
        Self::text(&value.to_string())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self { status: 200, location: None, body: Body::Text(text.into()) }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, location: None, body: Body::Text(String::new()) }
    }

    pub(crate) fn redirect(to: &'static str) -> Self {
        Self { location: Some(to), ..Self::status(302) }
    }

    pub(crate) fn huge() -> Self {
        Self { body: Body::Huge, ..Self::status(200) }
    }

    pub(crate) fn drip() -> Self {
        Self { body: Body::Drip, ..Self::status(200) }
    }

    pub(crate) fn hang() -> Self {
        Self { body: Body::Hang, ..Self::status(200) }
    }
}

/// A certificate for 127.0.0.1 that signs itself.
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    key: rcgen::KeyPair,
    /// As it stands in a file.
    pub(crate) pem: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (der, pem) = (made.cert.der().clone(), made.cert.pem());
        Self { der, key: made.signing_key, pem }
    }
}

/// The backend; ends with the test's runtime.
pub(crate) struct Backend {
    address: SocketAddr,
    desk: Arc<Desk>,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    scheme: &'static str,
}

struct Desk {
    reply: Mutex<Reply>,
    seen: Mutex<Vec<HeaderMap>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        Self::start_on(None).await
    }

    /// Over TLS with this certificate and its key.
    pub(crate) async fn start_with_tls(certificate: &Certificate) -> Self {
        let certificates = vec![certificate.der.clone()];
        let key = PrivatePkcs8KeyDer::from(certificate.key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        Self::start_on(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_on(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk {
            reply: Mutex::new(Reply::status(401)),
            seen: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, tls, desk.clone(), ended));
        Self { address, desk, end: Some(end), serving, scheme }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/moorline/auth/", self.scheme, self.address)
    }

    pub(crate) fn answer_with(&self, reply: Reply) {
        *self.desk.reply.lock().unwrap() = reply;
    }

    /// The headers of all questions so far.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// The most questions that were open at one moment.
    pub(crate) fn at_once(&self) -> usize {
        self.desk.most.load(Ordering::SeqCst)
    }

    /// Until so many questions more have come.
    pub(crate) async fn wait_for(&self, more: usize) {
        let enough = self.seen().len() + more;
        let asked = async {
            while self.seen().len() < enough {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asked).await.expect("it is asked");
    }

    /// Nobody listens there any more, and what was open is cut, when this returns.
    pub(crate) async fn stop(&mut self) {
        self.end.take();
        (&mut self.serving).await.unwrap();
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    desk: Arc<Desk>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut open = JoinSet::new();
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = &mut ended => break,
        };
        let (tls, desk) = (tls.clone(), desk.clone());
        open.spawn(async move {
            match tls {
                None => talk(socket, desk).await,
                Some(tls) => {
                    // A client that does not trust the certificate ends the handshake.
                    if let Ok(stream) = tls.accept(socket).await {
                        talk(stream, desk).await;
                    }
                }
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, desk: Arc<Desk>) {
    let service = hyper::service::service_fn(|request| answer(desk.clone(), request));
    let http = hyper::server::conn::http1::Builder::new();
    // A client that gives up ends its connection; that is no failure of the test.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// One question that is open.
struct Open(Arc<Desk>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let now = desk.now.fetch_add(1, Ordering::SeqCst) + 1;
    let _open = Open(desk.clone());
    desk.most.fetch_max(now, Ordering::SeqCst);
    assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/moorline/auth/"));
    desk.seen.lock().unwrap().push(request.headers().clone());
    let Reply { status, location, body } = desk.reply.lock().unwrap().clone();
    let mut response = Response::builder().status(status);
    if let Some(location) = location {
        response = response.header("location", location);
    }
    let endless = |wait: Duration, bytes: usize| {
        let chunks = futures_util::stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(wait).await;
            Ok(Frame::data(Bytes::from(vec![b'['; bytes])))
        });
        StreamBody::new(chunks).boxed_unsync()
    };
    let body = match body {
        Body::Text(text) => Full::from(text).boxed_unsync(),
        Body::Huge => endless(Duration::ZERO, 16 * 1024),
        Body::Drip => endless(Duration::from_millis(100), 1),
        Body::Hang => std::future::pending().await,
    };
    Ok(response.body(body).unwrap())
}
