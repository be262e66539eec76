//! What `serve` says once it is ready: where the page is, where the data is, what is in use, and what of this is not
//! safe where strangers can reach it. Plain text on standard output; one event in the log where that is JSON.

use std::fmt::Write;
use std::path::Path;

use moorline_chat::Directory;
use moorline_protocol::api::Signup;

use crate::args::ServeArgs;
use crate::config::{Config, SECRET_BYTES};
use crate::listen::{Bound, for_browser};

/// What was started.
#[derive(Debug)]
pub struct Welcome {
    /// Where the page is.
    pub page: String,
    /// Lines of name and value.
    facts: Vec<(&'static str, String)>,
    /// What is not safe on a public address.
    warnings: Vec<String>,
}

impl Welcome {
    /// Of a configuration and what it bound.
    pub fn new(config: &Config, args: &ServeArgs, bound: &Bound, has_page: bool) -> Self {
        let page = page(config, bound);
        let mut facts = vec![("Page", page.clone())];
        if !has_page {
            facts.push(("", "(this program was built without the page: cargo xtask web)".into()));
        }
        facts.extend([
            ("Data", full_path(&config.data_dir)),
            ("Store", store(config)),
            ("Layer", layer(config)),
            ("Sign-up", signup(config).into()),
            ("Tokens", on_off(config.jwt_secret.is_some(), "HS256", "--jwt-secret-file")),
            ("Server API", on_off(config.api_key.is_some(), "on", "--api-key-file")),
            ("Metrics", metrics(config)),
        ]);
        let file = config.settings_file.as_deref();
        facts.extend(file.map(|file| ("Settings", full_path(file))));
        Self { page, facts, warnings: warnings(config, args) }
    }

    /// Adds a link that lets the first person in, where sign-up is by invitation.
    pub fn add_invite(&mut self, invite: &str) {
        let link = format!("{}#invite={invite}", self.page);
        self.facts.push(("Invitation", link));
    }

    /// Adds what does not work at the start, though the server serves on.
    pub fn add_trouble(&mut self, error: &str) {
        let place = self.facts.iter().position(|(name, _)| *name == "Layer");
        let place = place.map_or(self.facts.len(), |place| place + 1);
        self.facts.insert(place, ("", format!("NOT WORKING: {error}")));
    }

    /// The lines for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("Moorline {}\n\n", env!("CARGO_PKG_VERSION"));
        let mut line = |words: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{words}");
        };
        for (name, value) in &self.facts {
            line(format!("  {name:<11} {value}"));
        }
        line(String::new());
        line("Not safe on a public address:".into());
        self.warnings.iter().for_each(|warning| line(format!("  - {warning}")));
        line(String::new());
        line("Stop with Ctrl+C.".into());
        text
    }

    /// The same as an event of the log.
    pub fn log(&self) {
        let warnings = self.warnings.join(" ");
        tracing::info!(page = %self.page, unsafe_in_public = %warnings, "ready at {}", self.page);
    }
}

fn store(config: &Config) -> String {
    config.database.as_ref().map_or_else(
        || "SQLite, synced at every commit".into(),
        |url| format!("PostgreSQL, synced at every commit: {url}"),
    )
}

fn layer(config: &Config) -> String {
    match (&config.layer, &config.database) {
        (None, None) => "inside this process: one node".into(),
        (None, Some(_)) => {
            "inside this process: other nodes hear within a second, by the database (--redis-url)"
                .into()
        }
        (Some(layer), Some(_)) => format!("{layer}: other nodes hear at once"),
        (Some(layer), None) => {
            format!("{layer}: one node, since its store is its own (--database-url)")
        }
    }
}

fn page(config: &Config, bound: &Bound) -> String {
    if let Some(origin) = config.origins.first() {
        return format!("{}/", origin.as_str());
    }
    match (bound.addresses.first(), &bound.unix) {
        (Some(address), _) => format!("http://{}/", for_browser(*address)),
        (None, Some(socket)) => format!("on the Unix socket {}", socket.0.display()),
        (None, None) => "on an inherited socket".into(),
    }
}

fn full_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn signup(config: &Config) -> &'static str {
    match config.signup {
        Signup::Open => "open: whoever reaches the page can make an account (--signup)",
        Signup::Invite => "by invitation (--signup)",
        Signup::Closed if config.auth_url.is_some() => {
            "closed: people come as your backend knows them (--auth-url)"
        }
        Signup::Closed if config.jwt_secret.is_some() => "closed: people come by token (--signup)",
        Signup::Closed => "closed: nobody new can make an account (--signup open or invite)",
    }
}

fn metrics(config: &Config) -> String {
    match config.metrics_bind {
        Some(address) => format!("http://{}/metrics", for_browser(address)),
        None => "/metrics, for this machine only (--metrics-bind)".into(),
    }
}

fn on_off(is_on: bool, on: &str, option: &str) -> String {
    if is_on { on.to_owned() } else { format!("off ({option})") }
}

fn warnings(config: &Config, args: &ServeArgs) -> Vec<String> {
    let mut warnings = vec![
        "This is plain HTTP: passwords and messages can be read on the way. Put a proxy with TLS in front."
            .to_owned(),
    ];
    let mut warn = |is_so: bool, text: String| {
        if is_so {
            warnings.push(text);
        }
    };
    let is_open = config.signup == Signup::Open;
    warn(is_open, "Anyone can make an account: --signup invite or --signup closed.".into());
    let is_public = is_open && config.directory == Directory::All;
    warn(is_public, "Anyone with an account can find everyone by name: --directory shared.".into());
    let secrets = [
        ("--jwt-secret", &config.jwt_secret, &args.jwt_secret),
        ("--api-key", &config.api_key, &args.api_key),
    ];
    for (option, secret, flag) in secrets {
        let is_short = secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES);
        warn(
            is_short,
            format!(
                "{option} is shorter than {SECRET_BYTES} bytes and can be guessed: openssl rand -hex 32."
            ),
        );
        let is_shown = flag.is_some();
        warn(
            is_shown,
            format!(
                "{option} on the command line can be read by every user of this machine: use {option}-file."
            ),
        );
    }
    let is_far = config.metrics_bind.is_some_and(|address| !address.ip().is_loopback());
    warn(is_far, "Whoever reaches --metrics-bind can read the metrics.".into());
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Environment;

    fn welcome(args: &ServeArgs) -> String {
        let config = Config::resolve(args, &Environment::default()).unwrap();
        let addresses = vec![config.listen.tcp.unwrap()];
        let bound = Bound { addresses, ..Bound::default() };
        Welcome::new(&config, args, &bound, true).text()
    }

    #[test]
    fn it_names_page_data_store_layer_and_what_is_not_safe() {
        let text = welcome(&ServeArgs::default());
        let data = std::path::absolute("moorline-data").unwrap();
        for words in [
            "  Page        http://127.0.0.1:8000/\n",
            &format!("  Data        {}\n", data.display()),
            "  Store       SQLite, synced at every commit\n",
            "  Layer       inside this process: one node\n",
            "Not safe on a public address:\n",
            "  - This is plain HTTP",
            "  - Anyone can make an account: --signup",
            "  - Anyone with an account can find everyone",
        ] {
            assert!(text.contains(words), "{words:?} is not in:\n{text}");
        }
    }

    #[test]
    fn a_guessable_or_visible_secret_is_named_but_not_shown() {
        let text = welcome(&ServeArgs { jwt_secret: Some("hush".into()), ..ServeArgs::default() });
        assert!(text.contains("--jwt-secret is shorter than 32 bytes"), "{text}");
        assert!(text.contains("--jwt-secret on the command line"), "{text}");
        assert!(!text.contains("Anyone can make an account"), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }

    #[test]
    fn an_origin_is_where_people_find_the_page() {
        let origin = vec!["https://chat.example.org".into()];
        let text = welcome(&ServeArgs { origin, ..ServeArgs::default() });
        assert!(text.contains("Page        https://chat.example.org/\n"), "{text}");
    }
}
