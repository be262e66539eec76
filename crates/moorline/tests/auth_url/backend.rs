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
use tokio::net::TcpListener;

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

/// The backend; ends with the test's runtime.
pub(crate) struct Backend {
    address: SocketAddr,
    desk: Arc<Desk>,
    serving: tokio::task::JoinHandle<()>,
}

struct Desk {
    reply: Mutex<Reply>,
    seen: Mutex<Vec<HeaderMap>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk {
            reply: Mutex::new(Reply::status(401)),
            seen: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let serving = tokio::spawn(serve(listener, desk.clone()));
        Self { address, desk, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/moorline/auth/", self.address)
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

    /// From now on nobody listens there, and what was open is cut.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let desk = desk.clone();
        open.spawn(async move {
            let service = hyper::service::service_fn(|request| answer(desk.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            // A client that gives up ends its connection; that is no failure of the test.
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        });
    }
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
