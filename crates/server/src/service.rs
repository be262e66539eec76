//! One socket from its first byte to its upgrade: HTTP by hyper, WebSocket handshakes by the routes, the rest by axum.
//!
//! What is needed only for HTTP, hyper's buffers above all, ends with this task: an upgraded socket goes on in a small
//! task of its own.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use moorline_chat::Outbox;
use moorline_protocol::admin::What;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use crate::access::Visit;
use crate::answer;
use crate::body::{Lender, TimedBody};
use crate::connection::{Connection, Facts};
use crate::consumer::{Accept, Refusal};
use crate::cors;
use crate::health::Health;
use crate::http_io::{Framing, HttpIo, linger};
use crate::limits::{HandshakeRate, Unauthenticated, UnauthenticatedSlot};
use crate::metrics::Metrics;
use crate::proxy::client_address;
use crate::registry::Registry;
use crate::route::{Accepted, Begin, Route, Start};
use crate::scope::{ClientAddress, Scope};
use crate::server::ServerConfig;
use crate::site_name;
use crate::transport::Transport;
use crate::websocket::{
    Opening, Settings, Socket, Wire, accept_key, is_upgrade, negotiate, subprotocols, switching,
};
use silence::Silence;

mod opened;
mod silence;

pub(crate) use opened::Posted;

/// Whoever has not sent a request's head by then is cut, also on a connection that is kept for the next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS: usize = 100;

/// What all sockets of a server share.
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) routes: Vec<Route>,
    pub(crate) config: ServerConfig,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) rate: HandshakeRate,
    pub(crate) unauthenticated: Unauthenticated,
    pub(crate) metrics_for: MetricsFor,
}

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricsFor {
    /// Whoever reaches the listener.
    All,
    /// Clients on this machine.
    Local,
    /// Nobody here; they have a listener of their own.
    Nobody,
}

impl Site {
    /// Whether rates and counts apply to a client: to all but those on this machine itself.
    pub(crate) fn limits(&self, client: &ClientAddress) -> bool {
        self.config.limit_loopback || !client.is_local()
    }
}

/// One accepted socket.
pub(crate) struct Guest {
    pub(crate) socket: Socket,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) slot: Option<UnauthenticatedSlot>,
}

/// What a socket's task and its service share.
struct Desk {
    site: Arc<Site>,
    peer: Option<IpAddr>,
    framing: Framing,
    slot: Mutex<Option<UnauthenticatedSlot>>,
    handoff: Mutex<Option<Handoff>>,
}

/// An accepted handshake whose 101 is on its way.
struct Handoff {
    start: Start,
    wire: Wire,
    transport: Transport,
    connection: Connection,
    silence: Option<Silence>,
}

/// The socket goes to a driver that answers the request itself.
#[derive(Debug, thiserror::Error)]
#[error("the socket was handed over")]
struct HandedOver;

/// Serves one socket until it is upgraded or done.
pub(crate) async fn serve_guest(
    site: Arc<Site>,
    guest: Guest,
    mut draining: watch::Receiver<bool>,
) {
    let framing = Framing::default();
    let desk = Arc::new(Desk {
        site: Arc::clone(&site),
        peer: guest.peer,
        framing: framing.clone(),
        slot: Mutex::new(guest.slot),
        handoff: Mutex::new(None),
    });
    let service = {
        let desk = Arc::clone(&desk);
        hyper::service::service_fn(move |request| answer_boxed(Arc::clone(&desk), request))
    };
    let io = TokioIo::new(HttpIo::new(guest.socket, framing));
    let mut http = builder().serve_connection(io, service);
    let served = tokio::select! {
        served = poll_fn(|cx| http.poll_without_shutdown(cx)) => served,
        () = begun(&mut draining) => {
            std::pin::Pin::new(&mut http).graceful_shutdown();
            poll_fn(|cx| http.poll_without_shutdown(cx)).await
        }
    };
    let parts = http.into_parts();
    let socket = parts.io.into_inner().into_socket();
    let handoff = desk.handoff.lock().take();
    match (served, handoff) {
        // hyper ends with an error where the request was not answered by it.
        (served, Some(handoff)) if served.is_ok() || handoff.transport == Transport::Stream => {
            hand_over(&site, handoff, socket, parts.read_buf.to_vec());
        }
        (Ok(()), _) => linger(socket).await,
        (Err(error), _) => tracing::debug!(%error, "an HTTP connection ended"),
    }
}

/// Waits for the drain to begin; for ever if the server is gone, whose runtime ends this task too.
async fn begun(draining: &mut watch::Receiver<bool>) {
    if draining.wait_for(|draining| *draining).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .half_close(false);
    builder
}

fn hand_over(site: &Arc<Site>, handoff: Handoff, socket: Socket, unread: Vec<u8>) {
    let registration = site.registry.register(&handoff.connection, handoff.transport);
    if site.health.is_draining() {
        handoff.connection.shared().begin_drain(site.config.drain_spread);
    }
    (handoff.start)(Begin::Socket(Opening {
        socket,
        unread,
        wire: handoff.wire,
        connection: handoff.connection,
        registration,
        settings: match handoff.silence {
            Some(silence) => silence.settings(&site.settings),
            None => Arc::clone(&site.settings),
        },
    }));
}

type Answer = BoxFuture<'static, Result<Response, HandedOver>>;

fn answer_boxed(desk: Arc<Desk>, mut request: Request<Incoming>) -> Answer {
    Box::pin(async move {
        let config = &desk.site.config;
        let client = client_address(desk.peer, request.headers(), &config.trusted_proxies.get());
        let log = config.access_log.as_ref();
        let visit = log.map(|log| Box::new(Visit::of(&request, &client, log)));
        site_name::below_root(&mut request, &config.root_path);
        let is_open = cors::is_open(request.uri().path());
        let mut response = match cors::preflight(&request) {
            Some(preflight) => preflight,
            None => match desk.answer(request, client).await {
                Ok(response) => response,
                Err(handed_over) => {
                    desk.remember(visit, StatusCode::OK);
                    return Err(handed_over);
                }
            },
        };
        if is_open {
            cors::open(response.headers_mut());
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer::secure(&mut response, client.secure);
        }
        site_name::sign(&mut response, config.server_name.as_ref());
        desk.remember(visit, response.status());
        Ok(response)
    })
}

impl Desk {
    /// Tells the access log of an answer, and keeps the visit for the end of the connection that it begins.
    fn remember(&self, visit: Option<Box<Visit>>, status: StatusCode) {
        let Some(visit) = visit else { return };
        visit.answered(status.as_u16());
        if let Some(handoff) = self.handoff.lock().as_mut() {
            handoff.connection.shared().remember(visit);
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        client: ClientAddress,
    ) -> Result<Response, HandedOver> {
        let site = &self.site;
        if self.framing.is_ambiguous() {
            let text =
                "A request is framed by Content-Length or by Transfer-Encoding, not by both.";
            return Ok(closing(answer::error(StatusCode::BAD_REQUEST, "invalid", text)));
        }
        let path = request.uri().path();
        let may_read = match site.metrics_for {
            MetricsFor::All => true,
            MetricsFor::Local => client.is_local(),
            MetricsFor::Nobody => false,
        };
        if let Some(answer) = site.health.answer(request.method(), path, &site.metrics, may_read) {
            return Ok(answer);
        }
        let route = site.routes.iter().find_map(|route| Some((route, route.parameters(path)?)));
        let Some((route, parameters)) = route else { return Ok(self.http(request, client).await) };
        let answered = match route.transport {
            Transport::WebSocket => self.upgrade(request, client, route, parameters).await,
            Transport::Stream | Transport::Poll => {
                match self.open(request, client, route, parameters).await {
                    Ok(Some(answer)) => Ok(answer),
                    Ok(None) => return Err(HandedOver),
                    Err(refusal) => Err(refusal),
                }
            }
        };
        Ok(answered.unwrap_or_else(|refusal| {
            site.metrics.refused(refusal.code);
            site.settings.tap.tell(None, || What::Refused {
                code: refusal.code.to_owned(),
                address: client.effective().map(|address| address.to_string()),
            });
            refusal.into_response()
        }))
    }

    async fn http(&self, request: Request<Incoming>, client: ClientAddress) -> Response {
        let limit = self.site.config.body_bytes;
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit as u64) {
            let text = format!("The body may have at most {limit} bytes.");
            return closing(answer::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &text));
        }
        let lender = Lender::default();
        let mut request = request.map(|body| Body::new(lender.lend(TimedBody::new(body, limit))));
        request.extensions_mut().insert(client);
        let asked = self.site.router.clone().oneshot(request);
        let Some(Ok(response)) = within(self.site.config.http_timeout, asked).await else {
            return closing(overloaded("The server took too long to answer.").into_response());
        };
        // hyper ends a connection with unread bytes of a body, without saying so in the answer.
        if !lender.finish().await {
            return closing(response);
        }
        if response.extensions().get::<answer::SignedIn>().is_some() {
            self.slot.lock().take();
        }
        response
    }

    /// Answers a handshake: 101 and a handoff, or a refusal.
    async fn upgrade(
        &self,
        request: Request<Incoming>,
        client: ClientAddress,
        route: &Route,
        parameters: Vec<(String, String)>,
    ) -> Result<Response, Refusal> {
        if !is_upgrade(&request) {
            let text = "This path speaks WebSocket only.";
            return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "invalid", text));
        }
        let key = accept_key(&request)?;
        self.check_limits(&client)?;
        let (head, _) = request.into_parts();
        let extension = route.is_compressed.then(|| negotiate(&head.headers)).flatten();
        let mut scope = Scope {
            subprotocols: subprotocols(&head.headers),
            uri: head.uri,
            headers: head.headers,
            client,
            user: None,
            extensions: http::Extensions::new(),
            parameters,
        };
        let Accepted { accept, start } =
            timeout(self.site.config.connect_timeout, route.connect(&mut scope))
                .await
                .unwrap_or_else(|_| Err(overloaded("The server took too long to decide.")))?;
        let transport = Transport::WebSocket;
        let connection = self.connection(&accept, &mut scope, transport)?;
        let deflates = extension.is_some();
        let wire = Wire::WebSocket { message_limit: route.message_bytes, deflates };
        let (transport, silence) = (Transport::WebSocket, Silence::wanted(&scope.headers));
        *self.handoff.lock() = Some(Handoff { start, wire, transport, connection, silence });
        let mut response = switching(key, accept.subprotocol.as_deref());
        silence.into_iter().for_each(|silence| silence.tell(&mut response));
        if let Some(extension) = extension {
            response.headers_mut().insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
        }
        Ok(response)
    }

    fn connection(
        &self,
        accept: &Accept,
        scope: &mut Scope,
        transport: Transport,
    ) -> Result<Connection, Refusal> {
        let slot = self.slot(accept.awaits_sign_in, &scope.client)?;
        let outbox = Arc::new(Outbox::new(self.site.config.outbox_bytes));
        let facts = Facts::of(scope, transport);
        Ok(Connection::new(outbox, scope.user.take(), slot, facts))
    }

    fn check_limits(&self, client: &ClientAddress) -> Result<(), Refusal> {
        if self.site.health.is_draining() {
            let text = "The server restarts.";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining", text));
        }
        let Some(address) = client.effective().filter(|_| self.site.limits(client)) else {
            return Ok(());
        };
        if !self.site.rate.admit(address, Instant::now()) {
            let text = "Too many connections from this address; try again in a second.";
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text));
        }
        Ok(())
    }

    /// The place among the unauthenticated that the connection keeps until its person has signed in.
    fn slot(
        &self,
        awaits_sign_in: bool,
        client: &ClientAddress,
    ) -> Result<Option<UnauthenticatedSlot>, Refusal> {
        let held = self.slot.lock().take();
        if !awaits_sign_in || !self.site.limits(client) || held.is_some() {
            return Ok(held.filter(|_| awaits_sign_in));
        }
        match self.site.unauthenticated.take() {
            Some(slot) => Ok(Some(slot)),
            None => Err(overloaded("Too many connections wait for their sign-in.")),
        }
    }
}

/// What comes in time; none if it does not.
async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

fn overloaded(text: &'static str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", text)
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
