//! The typed configuration of `serve`: parsed once, never checked again.
//! `resolve` takes the raw arguments and the environment; every refusal says what is wrong and what to do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use moorline_chat::{Directory, LeaseTimes};
use moorline_protocol::api::Signup;
use moorline_server::Network;
use moorline_server::relay::RelayRule;
use moorline_store::DatabaseUrl;

use crate::admin::AdminConfig;
use crate::args::ServeArgs;
use crate::auth_url::AuthUrl;
use crate::database::database;
use crate::failure::Failure;
use crate::layer::LayerConfig;
use crate::outside::OutsideConfig;
use crate::parse::{self, Origin};
use crate::relay;
use crate::secret::Secret;
use crate::settings::{Environment, Setting};

/// Everything that `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Where /metrics is answered to anyone; none: to loopback peers only, on the main address.
    pub metrics_bind: Option<SocketAddr>,
    /// Who may ask what the server does.
    pub admin: AdminConfig,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// The folder that holds everything that is kept.
    pub data_dir: PathBuf,
    /// The PostgreSQL database; none: SQLite in the data folder.
    pub database: Option<DatabaseUrl>,
    /// The channel layer over Redis; none: inside this process.
    pub layer: Option<LayerConfig>,
    /// Sockets of existing Channels pages.
    pub relays: Vec<RelayRule>,
    /// What other programs get and may do.
    pub outside: OutsideConfig,
    /// How long events are kept in rooms that say nothing of it themselves; none: for ever.
    pub retention: Option<Duration>,
    /// Whether an erased person's messages stay, under the name of nobody.
    pub keeps_erased_messages: bool,
    /// 25 s: below the idle timeout of every proxy that we know.
    pub ping_interval: Duration,
    /// 60 s: two lost pings are no dead peer yet.
    pub ping_timeout: Duration,
    /// 10 s: well below the 30 s after which Kubernetes kills.
    pub drain_timeout: Duration,
    /// Whether clients of `/ws` may negotiate compression.
    pub compression: bool,
    /// Whether peers on this machine are limited too.
    pub limit_loopback: bool,
    /// Pages that may use a cookie; empty: only the server's own.
    pub origins: Vec<Origin>,
    /// Pages that may show the chat in a frame.
    pub embed_origins: Vec<Origin>,
    /// Who may make an account.
    pub signup: Signup,
    /// Whom people can look up by name.
    pub directory: Directory,
    /// The backend that says whose a cookie is.
    pub auth_url: Option<AuthUrl>,
    /// Signs the tokens of the application.
    pub jwt_secret: Option<Secret>,
    /// Opens the server API.
    pub api_key: Option<Secret>,
    /// How long a node that is killed keeps its people.
    pub presence: LeaseTimes,
    /// The form of the log.
    pub log_format: LogFormat,
    /// 0 to 2.
    pub verbosity: u8,
    /// The page's folder instead of the built-in page.
    pub web_dir: Option<PathBuf>,
}

/// Where to listen; at least one is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listen {
    /// An address and port.
    pub tcp: Option<SocketAddr>,
    /// A Unix socket.
    pub unix: Option<PathBuf>,
    /// An inherited descriptor, from 3 on.
    pub fd: Option<usize>,
}

impl Listen {
    /// Whether only this machine can reach it. What was inherited counts as reachable by others.
    pub fn is_local(&self) -> bool {
        self.fd.is_none() && self.tcp.is_none_or(|tcp| tcp.ip().to_canonical().is_loopback())
    }
}

/// The form of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Signing keys shorter than this can be guessed (RFC 7518 section 3.2 asks for 256 bits).
pub const SECRET_BYTES: usize = 32;

impl Config {
    /// Gives types to what was typed, with the environment and the defaults behind it.
    pub fn resolve(args: &ServeArgs, environment: &Environment) -> Result<Self, Failure> {
        let pick = |flag: &Option<String>, option| environment.pick(flag.as_ref(), option);
        let seconds = |flag, option, default| period(pick(flag, option), default);
        let listen = listen(args, environment)?;
        let jwt_secret = secret(args, environment, "jwt-secret", &listen)?;
        let auth_url = AuthUrl::resolve(&args.auth, environment)?;
        let is_known_elsewhere = jwt_secret.is_some() || auth_url.is_some();
        let layer = LayerConfig::resolve(&args.layer, environment)?;
        let metrics_bind =
            pick(&args.metrics_bind, "metrics-bind").map(socket_address).transpose()?;
        let config = Self {
            metrics_bind,
            admin: AdminConfig::resolve(&args.admin, environment, metrics_bind)?,
            trusted_proxies: networks(environment.pick_all(&args.trusted_proxy, "trusted-proxy"))?,
            data_dir: path(pick(&args.data_dir, "data-dir")).unwrap_or("moorline-data".into()),
            database: database(
                args.database_url.as_ref(),
                args.database_url_file.as_ref(),
                environment,
            )?,
            relays: relay::resolve(&args.relay, environment, layer.is_some())?,
            outside: OutsideConfig::resolve(&args.outside, environment, layer.is_some())?,
            layer,
            retention: retention(pick(&args.retention, "retention"))?,
            keeps_erased_messages: keeps_erased(pick(&args.erase_messages, "erase-messages"))?,
            presence: LeaseTimes::of(seconds(&args.presence_lease, "presence-lease", 45)?),
            ping_interval: seconds(&args.ping_interval, "ping-interval", 25)?,
            ping_timeout: seconds(&args.ping_timeout, "ping-timeout", 60)?,
            drain_timeout: seconds(&args.drain_timeout, "drain-timeout", 10)?,
            compression: environment.is_on(args.compression, "compression")?,
            limit_loopback: environment.is_on(args.limit_loopback, "limit-loopback")?,
            origins: origins(environment.pick_all(&args.origin, "origin"))?,
            embed_origins: origins(environment.pick_all(&args.embed_origin, "embed-origin"))?,
            signup: signup(pick(&args.signup, "signup"), &listen, is_known_elsewhere)?,
            directory: directory(pick(&args.directory, "directory"))?,
            api_key: secret(args, environment, "api-key", &listen)?,
            log_format: log_format(pick(&args.log_format, "log-format"))?,
            verbosity: verbosity(args.verbose, environment)?,
            web_dir: path(pick(&args.web_dir, "web-dir")),
            listen,
            auth_url,
            jwt_secret,
        };
        config.check()
    }

    /// What no single option shows: how they fit together.
    fn check(self) -> Result<Self, Failure> {
        if self.ping_timeout <= self.ping_interval {
            return Err(Failure::usage(
                format!(
                    "The ping timeout ({:?}) must be longer than the ping interval ({:?}).",
                    self.ping_timeout, self.ping_interval
                ),
                "Use at least twice the interval, for example --ping-interval 25 --ping-timeout 60.",
            ));
        }
        if let Some(folder) = self.web_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Failure::usage(
                format!("The folder `{}` of --web-dir does not exist.", folder.display()),
                "Build the page first (cargo xtask web), or leave --web-dir away.",
            ));
        }
        Ok(self)
    }
}

fn listen(args: &ServeArgs, environment: &Environment) -> Result<Listen, Failure> {
    let bind = environment.pick(args.bind.as_ref(), "bind");
    let port = environment.pick(args.port.as_ref(), "port");
    let unix = path(environment.pick(args.unix_socket.as_ref(), "unix-socket"));
    let fd = environment.pick(args.fd.as_ref(), "fd").map(descriptor).transpose()?;
    let is_elsewhere = unix.is_some() || fd.is_some();
    if is_elsewhere && bind.is_none() && port.is_none() {
        return Ok(Listen { tcp: None, unix, fd });
    }
    let address = bind.map_or(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)), address)?;
    let port = port.map_or(Ok(8000), port_number)?;
    Ok(Listen { tcp: Some(SocketAddr::new(address, port)), unix, fd })
}

fn address(setting: Setting) -> Result<IpAddr, Failure> {
    if setting.value == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = setting.value.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_err(|_| {
        bad(
            &setting,
            "is not an address",
            "Use 127.0.0.1 for this machine only, or 0.0.0.0 or :: for every interface.",
        )
    })
}

fn port_number(setting: Setting) -> Result<u16, Failure> {
    if setting.value.starts_with("tcp://") {
        return Err(bad(
            &setting,
            "is not a port; Kubernetes sets this variable for a service named moorline",
            "Pass --port, or set enableServiceLinks: false in the pod.",
        ));
    }
    setting.value.parse().map_err(|_| {
        bad(&setting, "is not a port", "Use a number from 1 to 65535, or 0 for any free port.")
    })
}

fn descriptor(setting: Setting) -> Result<usize, Failure> {
    setting.value.parse().ok().filter(|number| *number >= 3).ok_or_else(|| {
        bad(
            &setting,
            "is not an inherited descriptor",
            "Descriptors that are handed over begin at 3.",
        )
    })
}

fn socket_address(setting: Setting) -> Result<SocketAddr, Failure> {
    setting.value.replace("localhost:", "127.0.0.1:").parse().map_err(|_| {
        bad(&setting, "is not an address with a port", "Use for example 127.0.0.1:9000.")
    })
}

fn networks(settings: Vec<Setting>) -> Result<Vec<Network>, Failure> {
    let network = |setting: Setting| {
        setting.value.parse().map_err(|_| {
            let fix = "Use for example 10.0.0.7 or 10.0.0.0/8.";
            bad(&setting, "is neither an address nor a network", fix)
        })
    };
    settings.into_iter().map(network).collect()
}

fn origins(settings: Vec<Setting>) -> Result<Vec<Origin>, Failure> {
    let origin = |setting: Setting| {
        Origin::parse(&setting.value).ok_or_else(|| {
            bad(
                &setting,
                "is not an origin",
                "Write scheme, host and port as the browser's address bar shows them, for example \
                 https://chat.example.org. There is no wildcard: any page could then act as whoever visits it.",
            )
        })
    };
    settings.into_iter().map(origin).collect()
}

fn period(setting: Option<Setting>, default_secs: u64) -> Result<Duration, Failure> {
    let Some(setting) = setting else { return Ok(Duration::from_secs(default_secs)) };
    let is_sane = |period: &Duration| !period.is_zero() && *period <= Duration::from_secs(86_400);
    parse::duration(&setting.value).filter(is_sane).ok_or_else(|| {
        bad(
            &setting,
            "is not a time between 0 and a day",
            "Give seconds, for example 25, or 90s, 15m.",
        )
    })
}

fn retention(setting: Option<Setting>) -> Result<Option<Duration>, Failure> {
    let Some(setting) = setting else { return Ok(None) };
    let kept = parse::duration(&setting.value).filter(|kept| kept.as_secs() > 0);
    kept.map(Some).ok_or_else(|| {
        let fix = "Use for example 365d or 12h; leave it away to keep messages for ever.";
        bad(&setting, "is not a time of a second or more", fix)
    })
}

fn keeps_erased(setting: Option<Setting>) -> Result<bool, Failure> {
    let words = [("tombstone", false), ("keep", true)];
    setting.map_or(Ok(false), |setting| one_of(setting, &words))
}

fn signup(
    setting: Option<Setting>,
    listen: &Listen,
    is_known_elsewhere: bool,
) -> Result<Signup, Failure> {
    let Some(setting) = setting else {
        let is_private = listen.is_local() && !is_known_elsewhere;
        return Ok(if is_private { Signup::Open } else { Signup::Closed });
    };
    one_of(
        setting,
        &[("open", Signup::Open), ("invite", Signup::Invite), ("closed", Signup::Closed)],
    )
}

fn directory(setting: Option<Setting>) -> Result<Directory, Failure> {
    let words = [("all", Directory::All), ("shared", Directory::Shared), ("off", Directory::Off)];
    setting.map_or(Ok(Directory::All), |setting| one_of(setting, &words))
}

fn log_format(setting: Option<Setting>) -> Result<LogFormat, Failure> {
    let words = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    setting.map_or(Ok(LogFormat::Text), |setting| one_of(setting, &words))
}

fn verbosity(flag: u8, environment: &Environment) -> Result<u8, Failure> {
    let setting = (flag == 0).then(|| environment.pick(None, "verbose")).flatten();
    let Some(setting) = setting else { return Ok(flag) };
    setting.value.parse().map_err(|_| bad(&setting, "is not a number", "Use 0, 1 or 2."))
}

fn secret(
    args: &ServeArgs,
    environment: &Environment,
    option: &str,
    listen: &Listen,
) -> Result<Option<Secret>, Failure> {
    let (plain, file) = match option {
        "jwt-secret" => (&args.jwt_secret, &args.jwt_secret_file),
        _ => (&args.api_key, &args.api_key_file),
    };
    let secret = environment.secret(plain.as_ref(), file.as_ref(), option)?;
    match secret {
        Some(short) if short.len() < SECRET_BYTES && !listen.is_local() => Err(Failure::usage(
            format!(
                "--{option} has {} bytes; an address that others can reach needs {SECRET_BYTES}.",
                short.len()
            ),
            "Whoever guesses it can act as anyone. Make one with: openssl rand -hex 32",
        )),
        secret => Ok(secret),
    }
}

fn path(setting: Option<Setting>) -> Option<PathBuf> {
    setting.map(|setting| PathBuf::from(setting.value))
}

fn one_of<T: Copy>(setting: Setting, words: &[(&str, T)]) -> Result<T, Failure> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == setting.value) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Err(bad(&setting, "is not one of the choices", &format!("Use one of: {}.", known.join(", "))))
}

fn bad(setting: &Setting, why: &str, fix: &str) -> Failure {
    Failure::usage(format!("`{}` from {} {why}.", setting.value, setting.source), fix)
}
