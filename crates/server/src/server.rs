//! The server: HTTP by an axum router, WebSockets by routes of consumers, on listeners that the caller has bound.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::HeaderValue;
use moorline_chat::DEFAULT_LIMIT_BYTES;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::accept::{Entrance, Listener, accept_all};
use crate::access::AccessLog;
use crate::admin::Admin;
use crate::health::{DegradedCheck, Health, ReadyCheck};
use crate::limits::{HandshakeRate, Unauthenticated};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::proxy::Network;
use crate::registry::Registry;
use crate::route::Route;
use crate::service::{MetricsFor, Site};
use crate::websocket::{Pace, Settings};

/// The transport's settings. All have defaults that suit a public server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Pings and the end of silent peers.
    pub pace: Pace,
    /// Handshakes a second and address: a household of tabs coming back at once passes, a flood does not.
    pub handshakes_per_second: u32,
    /// Sockets whose person is not known yet.
    pub unauthenticated_sockets: usize,
    /// Whether clients on this machine, which no proxy stands before, are limited too.
    pub limit_loopback: bool,
    /// Proxies on other machines whose word on the client's address is believed.
    pub trusted_proxies: Live<Vec<Network>>,
    /// The longest body of an HTTP request.
    pub body_bytes: usize,
    /// Bytes of live events that may wait for one connection.
    pub outbox_bytes: usize,
    /// Clients that a drain sends away are asked to come back within this time, each at a random moment of it.
    pub drain_spread: Duration,
    /// A drain ends at the latest after this, below the 30 s after which orchestrators kill.
    pub drain_timeout: Duration,
    /// How long admissions and a consumer's `connect` may take.
    pub connect_timeout: Duration,
    /// How long an HTTP request may take until its answer begins; none: each wait within has its own limit. Streams and
    /// polls wait by design and are not meant.
    pub http_timeout: Option<Duration>,
    /// How long a WebSocket may be open; none, as it should be: for as long as it is healthy.
    pub websocket_timeout: Option<Duration>,
    /// How long a consumer may take to put its things in order after the end of its connection.
    pub close_timeout: Duration,
    /// The path before all paths, such as `/chat`; a proxy may or may not take it away.
    pub root_path: String,
    /// The `Server` header; none: there is none.
    pub server_name: Option<HeaderValue>,
    /// Who hears of each request.
    pub access_log: Option<Arc<dyn AccessLog>>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            handshakes_per_second: 20,
            unauthenticated_sockets: 1000,
            limit_loopback: false,
            trusted_proxies: Live::default(),
            body_bytes: 1024 * 1024,
            outbox_bytes: DEFAULT_LIMIT_BYTES,
            drain_spread: Duration::from_secs(3),
            drain_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            http_timeout: None,
            websocket_timeout: None,
            close_timeout: Duration::from_secs(10),
            root_path: String::new(),
            server_name: None,
            access_log: None,
        }
    }
}

/// A server that is being put together.
pub struct Server {
    config: ServerConfig,
    router: Router,
    routes: Vec<Route>,
    listeners: Vec<Listener>,
    metrics_listeners: Vec<Listener>,
    admin: Option<(Admin, Option<Listener>)>,
    metrics: Arc<Metrics>,
    health: Health,
}

impl Server {
    /// A server without routes or listeners.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            router: Router::new(),
            routes: Vec::new(),
            listeners: Vec::new(),
            metrics_listeners: Vec::new(),
            admin: None,
            metrics: Arc::default(),
            health: Health::default(),
        }
    }

    /// Answers HTTP requests that are for no WebSocket route. Each request carries a `ClientAddress` extension.
    #[must_use]
    pub fn http(mut self, router: Router) -> Self {
        self.router = router;
        self
    }

    /// Serves a path by consumers; the first route that fits is taken.
    #[must_use]
    pub fn websocket(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// The same for several paths.
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.routes.extend(routes);
        self
    }

    /// Accepts connections from there too.
    #[must_use]
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Serves the metrics to whoever reaches this listener, and then nowhere else.
    #[must_use]
    pub fn listen_for_metrics(mut self, listener: impl Into<Listener>) -> Self {
        self.metrics_listeners.push(listener.into());
        self
    }

    /// Lets an operator in, over this listener, and over those for metrics where there is an admin token.
    #[must_use]
    pub fn admin(mut self, admin: Admin, listener: Option<Listener>) -> Self {
        self.admin = Some((admin, listener));
        self
    }

    /// Counts here instead of in a registry of its own.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Asks this part on `/readyz`; it must answer at once.
    #[must_use]
    pub fn ready_when(mut self, part: &'static str, check: ReadyCheck) -> Self {
        self.health.checks.push((part, check));
        self
    }

    /// Asks this on `/readyz` too, which stays ready whatever the answer; it must answer at once.
    #[must_use]
    pub fn degraded_by(mut self, check: DegradedCheck) -> Self {
        self.health.degraded.push(check);
        self
    }

    /// Serves until `shutdown`, then drains: not ready, no new connections, every client told, an end in bounded time.
    ///
    /// # Errors
    /// When a listener cannot be used.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let metrics_entrances = open(self.metrics_listeners)?;
        let entrances = open(self.listeners)?;
        let metrics = self.metrics;
        let (admin, admin_listener) = self.admin.unzip();
        let tap = admin.as_ref().map(|admin| Arc::clone(admin.tap())).unwrap_or_default();
        let admin_entrance = admin_listener.flatten().map(Entrance::new).transpose()?;
        let site = Arc::new(Site {
            router: self.router,
            routes: self.routes,
            health: Arc::new(self.health),
            registry: Registry::counting(Arc::clone(&metrics)),
            settings: Arc::new(Settings {
                pace: self.config.pace,
                max_age: self.config.websocket_timeout,
                close_timeout: self.config.close_timeout,
                metrics: Arc::clone(&metrics),
                tap,
            }),
            rate: HandshakeRate::new(self.config.handshakes_per_second),
            unauthenticated: Unauthenticated::new(self.config.unauthenticated_sockets),
            metrics_for: if metrics_entrances.is_empty() {
                MetricsFor::Local
            } else {
                MetricsFor::Nobody
            },
            config: self.config,
            metrics,
        });
        let (drain, draining) = watch::channel(false);
        let mut accepting = JoinSet::new();
        for entrance in entrances {
            accepting.spawn(accept_all(entrance, Arc::clone(&site), draining.clone()));
        }
        let guarded = admin.as_ref().map(|admin| admin.guarded(&site.registry));
        let metrics_site = Arc::new(internal_site(&site, guarded));
        for entrance in metrics_entrances {
            accepting.spawn(accept_all(entrance, Arc::clone(&metrics_site), draining.clone()));
        }
        if let Some((admin, entrance)) = admin.zip(admin_entrance) {
            let admin_site = Arc::new(internal_site(&site, Some(admin.local(&site.registry))));
            accepting.spawn(accept_all(entrance, admin_site, draining.clone()));
        }
        shutdown.await;
        site.health.begin_drain();
        accepting.shutdown().await;
        drop(draining);
        drain_all(&site, &drain).await;
        Ok(())
    }
}

fn open(listeners: Vec<Listener>) -> io::Result<Vec<Entrance>> {
    listeners.into_iter().map(Entrance::new).collect()
}

async fn drain_all(site: &Site, drain: &watch::Sender<bool>) {
    tracing::info!(connections = site.registry.len(), "draining");
    drain.send_replace(true);
    site.registry.drain(site.config.drain_spread);
    let all_gone = async {
        // Those who watch see the last connection go, and then their own answer ends.
        site.registry.empty().await;
        site.settings.tap.end();
        drain.closed().await; // Each socket that speaks HTTP holds a receiver until its last answer is read.
        site.registry.empty().await;
    };
    if tokio::time::timeout(site.config.drain_timeout, all_gone).await.is_err() {
        tracing::warn!(connections = site.registry.len(), "some connections did not end in time");
    }
}

/// What is for operators alone: the same counters and health, the admin interface if any, nothing of the chat.
fn internal_site(site: &Site, admin: Option<Router>) -> Site {
    Site {
        router: admin.unwrap_or_default(),
        routes: Vec::new(),
        config: site.config.clone(),
        health: Arc::clone(&site.health),
        registry: Arc::clone(&site.registry),
        settings: Arc::clone(&site.settings),
        rate: HandshakeRate::new(site.config.handshakes_per_second),
        unauthenticated: Unauthenticated::new(site.config.unauthenticated_sockets),
        metrics_for: MetricsFor::All,
        metrics: Arc::clone(&site.metrics),
    }
}
