//! `moorline serve`: takes the folder, binds, opens the store, wires the parts, serves, drains, closes.
//! Nothing here decides anything about chat; it only says which part gets which.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use moorline_chat::{Chat, Trouble, now_ms};
use moorline_protocol::{Keepalive, Limits, ServerPart};
use moorline_server::api::Api;
use moorline_server::auth::{Authenticator, Invites, SignIn, SignInSettings};
use moorline_server::fallback::Fallbacks;
use moorline_server::session::{ChatConsumer, SessionSettings};
use moorline_server::{
    AccessLog, Admin, Degraded, Metrics, OriginCheck, Origins, Pace, Route, Server, ServerConfig,
};
use moorline_store::{Commits, Error, Store, StoreConfig};
use tokio::signal::unix::{SignalKind, signal};

use crate::access_log::AccessFile;
use crate::admin::AdminSocket;
use crate::args::ServeArgs;
use crate::auth_url::AuthUrl;
use crate::config::{Config, LogFormat};
use crate::failure::{Exit, Failure};
use crate::layer::LayerConfig;
use crate::listen::{Bound, bind_all, bind_tcp};
use crate::lock::FolderLock;
use crate::logging::Level;
use crate::outside::Outside;
use crate::page::Page;
use crate::reload::{LiveParts, Reload, Upkeep};
use crate::settings::Environment;
use crate::welcome::Welcome;
use crate::{args, gauges, listen, logging, notify, relay, reload, stop};

/// How long the store may take to write down what was accepted; far more than it needs.
const CLOSING: Duration = Duration::from_secs(10);

/// How long the start waits for the channel layer's first word; it need not come.
const FIRST_WORD: Duration = Duration::from_millis(500);

/// Runs the server until it is told to stop.
pub fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let config = Config::resolve(args, environment)?;
    listen::adopt(&config.listen)?;
    let (_log, level) =
        logging::start(config.log_format, config.verbosity).map_err(|error| threads(&error))?;
    let access = config.sockets.access_log.as_deref();
    let access = access.map(|path| AccessFile::open(path, config.log_format)).transpose()?;
    let (access, _access_log) = access.unzip();
    for (name, meant) in environment.misspelt(&options()) {
        tracing::warn!("{name} is no setting of Moorline; {meant} is");
    }
    let bound = bind_all(&config.listen)?;
    let _folder = FolderLock::take(&config.data_dir)?;
    let admin = AdminSocket::open(&config.admin, &config.data_dir)?;
    let place = StoreConfig::new(&config.data_dir);
    let place = match config.database.clone() {
        Some(url) => place.in_database(url),
        None => place,
    };
    let (store, commits) = Store::open(place).map_err(|error| cannot_open(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| threads(&error))?;
    let told = Told { args, environment, level, access };
    runtime.block_on(serve(&config, told, (bound, admin), (store, commits)))
}

fn threads(error: &std::io::Error) -> Failure {
    let fix = "Check the limits of this user: ulimit -a.";
    Failure::new(Exit::Failed, "The server's threads cannot be started.", fix).because(error)
}

/// What the process was told, and its logs.
struct Told<'a> {
    args: &'a ServeArgs,
    environment: &'a Environment,
    level: Level,
    access: Option<Arc<AccessFile>>,
}

impl Told<'_> {
    /// What follows the settings from now on.
    fn reload(self, config: &Config, parts: LiveParts, chat: &Arc<Chat>) -> Reload {
        Reload {
            args: self.args.clone(),
            flags: reload::flags_of_process(),
            environment: self.environment.clone(),
            config: config.clone(),
            parts,
            level: self.level,
            access: self.access,
            upkeep: Upkeep::start(chat, config.retention),
        }
    }
}

async fn serve(
    config: &Config,
    told: Told<'_>,
    (mut bound, admin): (Bound, Option<AdminSocket>),
    (store, commits): (Store, Commits),
) -> Result<(), Failure> {
    // From here on a signal is a wish to stop, not the end.
    let stopping = stop::on_signal().map_err(|error| unusable("signals", &error))?;
    let hangup = signal(SignalKind::hangup()).map_err(|error| unusable("signals", &error))?;
    let layer = config.layer.as_ref().map(LayerConfig::open).transpose()?;
    let (chat, publishing) =
        Chat::start_with(store.clone(), commits, config.directory, layer.clone(), config.presence);
    let invites = invites(&store, &config.data_dir)?;
    let page = config.web_dir.clone().map_or(Page::BuiltIn, Page::Folder);
    let mut welcome = Welcome::new(config, told.args, &bound, page.exists());
    let metrics = Arc::new(Metrics::new());
    let auth = authenticator(config, &store, &metrics)?;
    let parts = LiveParts::of(config, Arc::clone(&auth), layer.clone());
    let (router, parts) = router(config, &chat, parts, &invites, page).await?;
    let (commands, sessions) = sessions(config, &chat, &parts);
    gauges::register(&metrics, &chat);
    let outside = Outside::start(&config.outside, &chat, layer.as_ref(), &metrics);
    let (listener, _admin_file) = admin.map(|admin| (admin.listener, admin.file)).unzip();
    let admin = Admin::new(Arc::clone(&chat), auth.clone(), parts.admin_token.clone());
    let relays = relay::routes(config, layer, (&chat, &parts), &metrics)?;
    let server = Server::new(server_config(config, &parts, told.access.clone()))
        .http(router.merge(commands))
        .routes(sessions)
        .routes(relays)
        .metrics(metrics)
        .admin(admin, listener)
        .ready_when("store", Box::new(store_check(store.clone())))
        .degraded_by(Box::new(degraded_check(Arc::clone(&chat))))
        .degraded_by(outside.check());
    let server = listening(server, config, &mut bound)?;
    if config.signup == moorline_protocol::api::Signup::Invite
        && let Some(made) = invites.make(now_ms())
    {
        welcome.add_invite(&made.invite);
    }
    if let Some(trouble) = first_word(&chat).await {
        welcome.add_trouble(&trouble.error);
    }
    announce(config, &welcome);
    notify::serving();
    let following = tokio::spawn(told.reload(config, parts, &chat).follow(hangup));
    let served = server.run(notify::stopping(stopping)).await;
    following.abort();
    // It ends by being told to, and with it the upkeep, before the store does.
    let _ = following.await;
    close(store, publishing).await;
    chat.hub().tell_end(now_ms());
    outside.finish().await;
    served.map_err(|error| unusable("the listeners", &error))
}

fn listening(mut server: Server, config: &Config, bound: &mut Bound) -> Result<Server, Failure> {
    for listener in bound.listeners.drain(..) {
        server = server.listen(listener);
    }
    if let Some(address) = config.metrics_bind {
        server = server.listen_for_metrics(bind_tcp(address, "--metrics-bind")?);
    }
    Ok(server)
}

async fn router(
    config: &Config,
    chat: &Arc<Chat>,
    parts: LiveParts,
    invites: &Invites,
    page: Page,
) -> Result<(Router, LiveParts), Failure> {
    let auth = &parts.auth;
    let settings = SignInSettings {
        signup: parts.signup.clone(),
        invites: invites.clone(),
        origins: Origins::Live(parts.origins.clone()),
        limit_loopback: config.limit_loopback,
    };
    let sign_in = SignIn::new(Arc::clone(chat), Arc::clone(auth), settings).await;
    let sign_in = sign_in.map_err(|error| unusable("the password pool", &error))?;
    let key = config.api_key.as_ref().map(|key| key.expose());
    let api = Api::new(Arc::clone(chat), key, Arc::clone(auth))
        .with_origins(Origins::Live(parts.origins.clone()))
        .keeping_messages(config.keeps_erased_messages);
    let framers = config.embed_origins.iter().map(|origin| origin.as_str().to_owned()).collect();
    let parts = LiveParts { api_key: api.key(), ..parts };
    Ok((page.router(framers).merge(sign_in.router()).merge(api.router()), parts))
}

/// The ways of clients into the chat: commands over HTTP, and the routes of WebSockets, streams and polls.
fn sessions(config: &Config, chat: &Arc<Chat>, parts: &LiveParts) -> (Router, Vec<Route>) {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let settings = Arc::new(SessionSettings {
        chat: Arc::clone(chat),
        auth: Arc::clone(&parts.auth),
        keepalive: Keepalive {
            interval_ms: ms(config.ping_interval),
            timeout_ms: ms(config.ping_timeout),
        },
        limit_loopback: config.limit_loopback,
    });
    let shown = config.auth_url.as_ref().map(AuthUrl::headers).unwrap_or_default();
    let check = OriginCheck::with_cookie(Origins::Live(parts.origins.clone()), "moorline_session")
        .or_headers(shown);
    let fallbacks = Fallbacks::new(Arc::clone(&settings), check.clone());
    let websocket = Route::new("/ws", move |_| ChatConsumer::new(Arc::clone(&settings)))
        .admission(check)
        .message_bytes(Limits::DEFAULT.frame_bytes as usize)
        .compressed(config.compression);
    let [stream, poll] = fallbacks.routes();
    (fallbacks.router(), vec![websocket, stream, poll])
}

fn authenticator(
    config: &Config,
    store: &Store,
    metrics: &Metrics,
) -> Result<Arc<Authenticator>, Failure> {
    let secret = config.jwt_secret.as_ref().map(|secret| secret.expose());
    let backend = config.auth_url.as_ref().map(AuthUrl::backend).transpose()?;
    backend.iter().for_each(|backend| backend.register(metrics));
    Ok(Arc::new(Authenticator::new(store.clone(), secret).asking(backend)))
}

fn server_config(
    config: &Config,
    parts: &LiveParts,
    access: Option<Arc<AccessFile>>,
) -> ServerConfig {
    let sockets = &config.sockets;
    ServerConfig {
        pace: Pace { interval: config.ping_interval, timeout: config.ping_timeout },
        limit_loopback: config.limit_loopback,
        trusted_proxies: parts.proxies.clone(),
        drain_timeout: config.drain_timeout,
        connect_timeout: sockets.connect_timeout,
        http_timeout: sockets.http_timeout,
        websocket_timeout: sockets.websocket_timeout,
        close_timeout: sockets.close_timeout,
        root_path: sockets.root_path.clone(),
        server_name: sockets.server_name.clone(),
        access_log: access.map(|log| log as Arc<dyn AccessLog>),
        ..ServerConfig::default()
    }
}

/// The pages that may use a cookie.
pub(crate) fn origins(config: &Config) -> Origins {
    if config.origins.is_empty() {
        return Origins::Own;
    }
    Origins::Listed(config.origins.iter().map(|origin| origin.as_str().to_owned()).collect())
}

fn store_check(store: Store) -> impl Fn() -> Result<(), String> {
    move || {
        let health = store.health();
        if health.writable {
            return Ok(());
        }
        Err(health.last_error.unwrap_or_else(|| "the store cannot write".into()))
    }
}

/// The store is not among them: where it cannot write, the server is not ready.
fn degraded_check(chat: Arc<Chat>) -> impl Fn() -> Vec<Degraded> {
    move || {
        let troubles = chat.troubles().into_iter();
        let goes_on = troubles.filter(|trouble| trouble.part != ServerPart::Store);
        let told = |trouble: Trouble| Degraded {
            part: trouble.part.as_str(),
            cause: trouble.cause,
            error: trouble.error,
        };
        goes_on.map(told).collect()
    }
}

/// Waits a moment for what the layer has to say at the start: it connects while the rest is made ready.
async fn first_word(chat: &Chat) -> Option<Trouble> {
    let started = tokio::time::Instant::now();
    while started.elapsed() < FIRST_WORD && !chat.has_connected() {
        let trouble = chat.troubles().into_iter().find(|trouble| trouble.part == ServerPart::Layer);
        if trouble.is_some() {
            return trouble;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

fn announce(config: &Config, welcome: &Welcome) {
    match config.log_format {
        LogFormat::Json => welcome.log(),
        LogFormat::Text => {
            let mut out = std::io::stdout().lock();
            // A closed standard output is no reason not to serve.
            let _ = out.write_all(welcome.text().as_bytes());
            let _ = out.flush();
        }
    }
}

/// Writes down what was accepted and publishes it, in bounded time.
async fn close(store: Store, publishing: tokio::task::JoinHandle<()>) {
    let closed = async {
        store.close().await;
        // The hub's task ends with the store; a panic in it was logged where it happened.
        let _ = publishing.await;
    };
    match tokio::time::timeout(CLOSING, closed).await {
        Ok(()) => tracing::info!("stopped; everything that was accepted is stored"),
        Err(_) => {
            tracing::warn!("stopped before the store had closed; it recovers at the next start")
        }
    }
}

/// Why the store cannot be opened, and what to do.
pub(crate) fn cannot_open(error: &Error) -> Failure {
    if let Error::NewerSchema { path, found, known } = error {
        let what = format!("The data in `{}` was written by a newer Moorline.", path.display());
        let fix = "Start a Moorline at least as new, or restore a backup made before the upgrade.";
        let why = format!("its schema is {found}, this program knows up to {known}");
        return Failure::new(Exit::Refused, what, fix).because(why);
    }
    if let Error::Database { place, reason } = error {
        let what = format!("The database {place} cannot be used.");
        let fix = "Check that the server runs, that the URL names it, and that it lets this user in: \
                   psql with the same URL shows.";
        return Failure::new(Exit::Unreachable, what, fix).because(reason);
    }
    let fix = "Check the folder's owner, its rights and the free space; if the file is damaged, restore a \
               backup; or choose another folder: --data-dir FOLDER.";
    Failure::new(Exit::Failed, "The store cannot be opened.", fix).because(error)
}

fn unusable(part: &str, error: &dyn std::fmt::Display) -> Failure {
    let what = format!("The server cannot use {part}.");
    Failure::new(Exit::Failed, what, "Check the limits of this user: ulimit -a.").because(error)
}

/// Nodes on one database share a key; a node with a store of its own keeps one beside it.
fn invites(store: &Store, folder: &Path) -> Result<Invites, Failure> {
    Ok(match store.shared_key("invites") {
        Some(key) => Invites::new(&key),
        None => Invites::new(&invite_key(folder)?),
    })
}

/// The key that signs invitations; made at the first start, readable by the server's user only.
fn invite_key(folder: &Path) -> Result<Vec<u8>, Failure> {
    let path = folder.join("invite.key");
    if let Ok(key) = fs::read(&path)
        && key.len() == 32
    {
        return Ok(key);
    }
    let key: [u8; 32] = rand::random();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(&key));
    written.map_err(|error| {
        let what = format!("The file `{}` cannot be written.", path.display());
        Failure::new(Exit::Failed, what, "Check the folder's owner and rights.").because(error)
    })?;
    Ok(key.to_vec())
}

/// The options of `serve`, by their long names.
fn options() -> Vec<String> {
    let command = args::command();
    let serve = command.find_subcommand("serve");
    let names = serve.into_iter().flat_map(clap::Command::get_arguments);
    names.filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
}
