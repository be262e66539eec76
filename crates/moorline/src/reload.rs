//! SIGHUP: reads the settings file and the secrets' files again, and puts in force what can change under a running
//! server. What cannot is named in the log. A mistake anywhere changes nothing at all.

mod secrets;

use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;
use moorline_chat::Chat;
use moorline_layer::ChannelLayer;
use moorline_protocol::api::Signup;
use moorline_server::api::ApiKey;
use moorline_server::auth::Authenticator;
use moorline_server::{Live, Network, Origins};
use tokio::signal::unix::Signal;
use tokio::task::JoinHandle;

use self::secrets::Changed;
use crate::access_log::AccessFile;
use crate::args::{self, ServeArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::logging::Level;
use crate::settings::Environment;
use crate::settings::show::{InForce, in_force};
use crate::{notify, serve};

/// The settings that take effect at once. The content of the secrets' files among them counts, too.
pub const LIVE: [&str; 9] = [
    "trusted-proxy",
    "retention",
    "origin",
    "signup",
    "jwt-secret",
    "jwt-secret-file",
    "api-key",
    "api-key-file",
    "verbose",
];

/// What is replaced under its readers.
#[derive(Clone)]
pub struct LiveParts {
    /// Signs tokens.
    pub auth: Arc<Authenticator>,
    /// Opens the server API.
    pub api_key: Live<Option<ApiKey>>,
    /// Who may make an account.
    pub signup: Live<Signup>,
    /// Pages that may use a cookie.
    pub origins: Live<Origins>,
    /// Proxies whose word counts.
    pub proxies: Live<Vec<Network>>,
    /// Opens the admin interface on the internal address; none where it is not there.
    pub admin_token: Option<Live<ApiKey>>,
    /// Follows its passwords and keys; none where it is in this process.
    pub layer: Option<ChannelLayer>,
}

impl LiveParts {
    /// As these settings have it; the API key is put in by who makes the API.
    pub fn of(config: &Config, auth: Arc<Authenticator>, layer: Option<ChannelLayer>) -> Self {
        let token = config.admin.token.as_ref();
        Self {
            auth,
            api_key: Live::default(),
            signup: Live::new(config.signup),
            origins: Live::new(serve::origins(config)),
            proxies: Live::new(config.trusted_proxies.clone()),
            admin_token: token.map(|token| Live::new(ApiKey::new(token.expose()))),
            layer,
        }
    }

    /// Puts these settings in force.
    pub fn set(&self, config: &Config) {
        self.auth.set_secret(config.jwt_secret.as_ref().map(|secret| secret.expose()));
        self.api_key.set(config.api_key.as_ref().map(|key| ApiKey::new(key.expose())));
        self.signup.set(config.signup);
        self.origins.set(serve::origins(config));
        self.proxies.set(config.trusted_proxies.clone());
        if let (Some(live), Some(token)) = (&self.admin_token, &config.admin.token) {
            live.set(ApiKey::new(token.expose()));
        }
    }
}

/// A server's settings and what of it follows them.
pub struct Reload {
    /// The command line, read into types once more with each new file.
    pub args: ServeArgs,
    /// The same as clap has it, for what is in force.
    pub flags: ArgMatches,
    /// Variables and file.
    pub environment: Environment,
    /// What is in force.
    pub config: Config,
    /// What is replaced.
    pub parts: LiveParts,
    /// How much the log says.
    pub level: Level,
    /// Is opened anew, since it may have been moved away.
    pub access: Option<Arc<AccessFile>>,
    /// Removes old messages.
    pub upkeep: Upkeep,
}

/// The task that keeps the chat in order, as long as this is held.
pub struct Upkeep {
    chat: Arc<Chat>,
    task: JoinHandle<()>,
}

impl Upkeep {
    /// Starts it.
    pub fn start(chat: &Arc<Chat>, retention: Option<Duration>) -> Self {
        let task = tokio::spawn(Arc::clone(chat).keep_up(retention));
        Self { chat: Arc::clone(chat), task }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The options of the `serve` that this process runs; none where it runs another command.
pub fn flags_of_process() -> clap::ArgMatches {
    let typed = args::command().try_get_matches_from(std::env::args_os());
    let serve = typed.ok().and_then(|mut matches| matches.remove_subcommand());
    serve.map(|(_, serve)| serve).unwrap_or_default()
}

/// What a reload found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    live: Vec<String>,
    waiting: Vec<String>,
}

impl Reload {
    /// Reads the settings again at each signal, for ever.
    pub async fn follow(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            notify::reloading();
            match self.read_again() {
                Ok(changes) => tell(&changes),
                Err(Failure { what, why, fix, .. }) => {
                    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                    tracing::error!(
                        "the settings were not read again, nothing has changed: {what}{why} {fix}"
                    );
                }
            }
            notify::ready();
        }
    }

    fn read_again(&mut self) -> Result<Changes, Failure> {
        let environment = self.environment.reread()?;
        let config = Config::resolve(&self.args, &environment)?;
        if let Some(access) = &self.access {
            access.reopen()?;
        }
        let before = in_force(&self.flags, &self.environment);
        let mut changes = changes(&before, &in_force(&self.flags, &environment));
        for secret in secrets::changed(&self.config, &config, &self.parts)? {
            changes.settle(secret);
        }
        self.parts.set(&config);
        self.level.set(config.verbosity);
        if config.retention != self.config.retention {
            self.upkeep = Upkeep::start(&self.upkeep.chat, config.retention);
        }
        (self.config, self.environment) = (config, environment);
        Ok(changes)
    }
}

impl Changes {
    /// Names a secret whose content has changed, wherever it stands, where it belongs.
    fn settle(&mut self, Changed { name, is_live }: Changed) {
        let file = format!("{name}-file");
        let is_it = |known: &String| known == name || *known == file;
        let (to, from) = match is_live {
            true => (&mut self.live, &mut self.waiting),
            false => (&mut self.waiting, &mut self.live),
        };
        from.retain(|known| !is_it(known));
        if !to.iter().any(is_it) {
            to.push(name.to_owned());
        }
    }
}

fn changes(before: &[InForce], after: &[InForce]) -> Changes {
    let mut changes = Changes::default();
    for (old, new) in before.iter().zip(after).filter(|(old, new)| old.values != new.values) {
        let name = &new.entry.name;
        let list =
            if LIVE.contains(&name.as_str()) { &mut changes.live } else { &mut changes.waiting };
        list.push(old.entry.name.clone());
    }
    changes
}

fn tell(Changes { live, waiting }: &Changes) {
    let (now, later) = (live.join(", "), waiting.join(", "));
    let now = if live.is_empty() { "nothing" } else { &now };
    tracing::info!(changed = now, "settings read again; changed: {now}");
    if !waiting.is_empty() {
        tracing::warn!(needs_restart = later, "settings that need a restart to change: {later}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::show::Origin;
    use crate::settings::table;

    fn with(name: &str, value: &str) -> Vec<InForce> {
        let setting = |entry: table::Entry| {
            let values = if entry.name == name { vec![value.to_owned()] } else { vec![] };
            InForce { entry, values, origin: Origin::File, source: None }
        };
        table::all().into_iter().map(setting).collect()
    }

    #[test]
    fn what_is_called_live_is_a_setting() {
        let all = table::all();
        for name in LIVE {
            assert!(all.iter().any(|entry| entry.name == name), "{name}");
        }
    }

    #[test]
    fn what_has_changed_is_live_or_waits_for_a_restart() {
        let of = |name: &str| changes(&with(name, "a"), &with(name, "b"));
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(of("signup"), Changes { live: names("signup"), waiting: vec![] });
        assert_eq!(of("port"), Changes { live: vec![], waiting: names("port") });
        assert_eq!(of("access-log"), Changes { live: vec![], waiting: names("access-log") });
        assert_eq!(changes(&with("port", "a"), &with("port", "a")), Changes::default());
    }
}
