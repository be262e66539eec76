//! The channel layer of `serve`: its options, the variables that other programs know, and how it is told.
//! `config` asks here. Passwords and keys are never shown.

use std::time::Duration;

use clap::Args;
use moorline_layer::{ChannelLayer, Glob, Host, Options};

use crate::failure::Failure;
use crate::settings::{Environment, Setting};

/// The channel layer, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct LayerArgs {
    /// Redis for the channel layer, as redis://:password@host:6379/0, rediss://, unix:// or
    /// redis+sentinel://; repeatable for several; better in a file [default: REDIS_URL, else none]
    #[arg(long, value_name = "URL", help_heading = "Channel layer")]
    pub redis_url: Vec<String>,
    /// File that holds the Redis URL; - is standard input [default: REDIS_URL_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Channel layer")]
    pub redis_url_file: Option<String>,
    /// Which of Django's layers it is compatible with: core (channels_redis.core) or pubsub
    /// (channels_redis.pubsub) [default: core]
    #[arg(long, value_name = "KIND", help_heading = "Channel layer")]
    pub layer: Option<String>,
    /// Beginning of every key in Redis [default: asgi]
    #[arg(long, value_name = "TEXT", help_heading = "Channel layer")]
    pub layer_prefix: Option<String>,
    /// Unread messages that a channel holds [default: 1500]
    #[arg(long, value_name = "NUMBER", help_heading = "Channel layer")]
    pub layer_capacity: Option<String>,
    /// The same for channels whose names fit a pattern, as 'chat.inbox=5000' or 'specific.*=200'; the first that fits
    /// counts; repeatable
    #[arg(long, value_name = "PATTERN=NUMBER", help_heading = "Channel layer")]
    pub layer_channel_capacity: Vec<String>,
    /// Seconds that an unread message stays [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Channel layer")]
    pub layer_expiry: Option<String>,
    /// Seconds that a membership of a group stays without being refreshed [default: 86400]
    #[arg(long, value_name = "SECONDS", help_heading = "Channel layer")]
    pub layer_group_expiry: Option<String>,
    /// Key that seals what goes through Redis, as Django's symmetric_encryption_keys; better in a file
    #[arg(long, value_name = "KEY", help_heading = "Channel layer")]
    pub layer_key: Option<String>,
    /// File that holds the key, or several, a line each: the first seals, all open; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "Channel layer")]
    pub layer_key_file: Option<String>,
}

/// A channel layer over Redis, checked but not opened.
#[derive(Debug, Clone)]
pub struct LayerConfig {
    kind: Kind,
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Core,
    PubSub,
}

impl LayerConfig {
    /// Gives types to what was typed; none without a URL.
    pub fn resolve(args: &LayerArgs, environment: &Environment) -> Result<Option<Self>, Failure> {
        let hosts = hosts(args, environment)?;
        if hosts.is_empty() {
            return Ok(None);
        }
        let pick = |flag: &Option<String>, option| environment.pick(flag.as_ref(), option);
        let kind = match pick(&args.layer, "layer") {
            None => Kind::Core,
            Some(setting) => kind(&setting)?,
        };
        let mut options = Options { hosts, ..Options::default() };
        if let Some(prefix) = pick(&args.layer_prefix, "layer-prefix") {
            options.prefix = prefix.value;
        }
        if let Some(capacity) = pick(&args.layer_capacity, "layer-capacity") {
            options.capacity = number(&capacity, "messages", 1_000_000)?;
        }
        let by_pattern =
            environment.pick_all(&args.layer_channel_capacity, "layer-channel-capacity");
        options.channel_capacity =
            by_pattern.iter().map(channel_capacity).collect::<Result<_, _>>()?;
        if let Some(expiry) = pick(&args.layer_expiry, "layer-expiry") {
            options.expiry = seconds(&expiry)?;
        }
        if let Some(expiry) = pick(&args.layer_group_expiry, "layer-group-expiry") {
            options.group_expiry = seconds(&expiry)?;
        }
        let key = environment.secret(
            args.layer_key.as_ref(),
            args.layer_key_file.as_ref(),
            "layer-key",
        )?;
        let keys = key.iter().flat_map(|key| key.expose().lines());
        options.symmetric_encryption_keys = keys.map(str::to_owned).collect();
        Ok(Some(Self { kind, options }))
    }

    /// What it is opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether it is compatible with `channels_redis.pubsub`, not with the core layer.
    pub fn is_pubsub(&self) -> bool {
        self.kind == Kind::PubSub
    }

    /// Opens it: it connects in the background, for ever. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where no layer can work with the options.
    pub fn open(&self) -> Result<ChannelLayer, Failure> {
        let opened = match self.kind {
            Kind::Core => ChannelLayer::redis(self.options.clone()),
            Kind::PubSub => ChannelLayer::redis_pubsub(self.options.clone()),
        };
        opened.map_err(|error| {
            Failure::usage(
                "The channel layer cannot be opened with these options.".to_owned(),
                "Compare them with CHANNEL_LAYERS in Django's settings.",
            )
            .because(error)
        })
    }
}

impl std::fmt::Display for LayerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Core => "Redis",
            Kind::PubSub => "Redis Pub/Sub",
        };
        let hosts: Vec<String> = self.options.hosts.iter().map(ToString::to_string).collect();
        write!(f, "{kind}: {}", hosts.join(", "))
    }
}

/// `MOORLINE_REDIS_URL` beats `REDIS_URL`, as other programs know it.
fn hosts(args: &LayerArgs, environment: &Environment) -> Result<Vec<Host>, Failure> {
    let has_flag = !args.redis_url.is_empty() || args.redis_url_file.is_some();
    let nearest = environment.nearest(has_flag, "redis-url");
    let given = nearest.pick_all(&args.redis_url, "redis-url");
    if let Some(first) = given.first()
        && let Some(file) = nearest.pick(args.redis_url_file.as_ref(), "redis-url-file")
    {
        return Err(Failure::usage(
            format!("{} and {} are both given.", first.source, file.source),
            "Keep the one with the file and drop the other.",
        ));
    }
    if let Some(first) = given.first() {
        let words = given.iter().map(|setting| setting.value.as_str());
        // An option holds one URL, a variable may hold several.
        let urls = match args.redis_url.is_empty() {
            true => urls(words),
            false => words.map(str::to_owned).collect(),
        };
        return urls.iter().map(|url| host(url, &first.source)).collect();
    }
    let own = environment.secret(None, args.redis_url_file.as_ref(), "redis-url")?;
    let (text, source) = match own {
        Some(text) => (text, "--redis-url-file"),
        None => match environment.shared_secret("REDIS_URL")? {
            Some(text) => (text, "REDIS_URL"),
            None => return Ok(Vec::new()),
        },
    };
    let words = text.expose().split(',').map(str::trim).filter(|word| !word.is_empty());
    urls(words).iter().map(|url| host(url, source)).collect()
}

/// The URLs of a text that was divided at its commas, which also stand between the hosts of one Sentinel URL.
fn urls<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for word in words {
        match urls.last_mut().filter(|_| !word.contains("://")) {
            Some(url) => {
                url.push(',');
                url.push_str(word);
            }
            None => urls.push(word.to_owned()),
        }
    }
    urls
}

fn host(url: &str, source: &str) -> Result<Host, Failure> {
    Host::parse(url).map_err(|error| {
        Failure::usage(
            format!("The Redis URL from {source} cannot be used: {error}."),
            "Write redis://:password@host:6379/0; in a password, @ is %40, : is %3A and / is %2F.",
        )
    })
}

fn kind(setting: &Setting) -> Result<Kind, Failure> {
    match setting.value.as_str() {
        "core" => Ok(Kind::Core),
        "pubsub" => Ok(Kind::PubSub),
        _ => Err(refused(setting, "is no kind of channel layer", "Use core or pubsub.")),
    }
}

fn number(setting: &Setting, what: &str, most: usize) -> Result<usize, Failure> {
    let number = setting.value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| {
        refused(setting, "is out of range", &format!("Use a number of {what} from 1 to {most}."))
    })
}

/// A pattern of names and what such a channel holds.
fn channel_capacity(setting: &Setting) -> Result<(Glob, usize), Failure> {
    let Some((pattern, capacity)) = setting.value.rsplit_once('=') else {
        return Err(Failure::usage(
            format!("{} is `{}`, which names no capacity.", setting.source, setting.value),
            "Give a pattern of channel names and a number, such as 'chat.inbox=5000'.",
        ));
    };
    let capacity = Setting { value: capacity.to_owned(), source: setting.source.clone() };
    Ok((Glob::new(pattern), number(&capacity, "messages", 1_000_000)?))
}

fn seconds(setting: &Setting) -> Result<Duration, Failure> {
    let seconds = number(setting, "seconds", 31_536_000)?;
    Ok(Duration::from_secs(seconds as u64))
}

fn refused(setting: &Setting, why: &str, fix: &str) -> Failure {
    Failure::usage(format!("{} {why}: `{}`.", setting.source, setting.value), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        args: &LayerArgs,
        variables: &[(&str, &str)],
    ) -> Result<Option<LayerConfig>, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        LayerConfig::resolve(args, &variables.iter().map(pair).collect())
    }

    fn of(variables: &[(&str, &str)]) -> Option<LayerConfig> {
        resolve(&LayerArgs::default(), variables).unwrap()
    }

    #[test]
    fn the_first_users_settings_are_the_defaults() {
        let layer = of(&[("REDIS_URL", "redis://:hush@redis:6379/0")]).unwrap();
        let options = &layer.options;
        assert_eq!(
            (layer.kind, options.capacity, options.prefix.as_str()),
            (Kind::Core, 1500, "asgi")
        );
        assert_eq!(options.expiry, Duration::from_secs(10));
        assert_eq!(options.group_expiry, Duration::from_secs(86_400));
        let told = layer.to_string();
        assert!(told.contains("redis:6379") && !told.contains("hush"), "{told}");
        assert!(of(&[]).is_none());
    }

    #[test]
    fn every_option_is_taken_from_its_variable_too() {
        let layer = of(&[
            ("REDIS_URL", "redis://elsewhere"),
            ("MOORLINE_REDIS_URL", "redis://one,redis://two:7000/1"),
            ("MOORLINE_LAYER", "pubsub"),
            ("MOORLINE_LAYER_PREFIX", "chat"),
            ("MOORLINE_LAYER_CAPACITY", "5"),
            ("MOORLINE_LAYER_CHANNEL_CAPACITY", "chat.inbox=5000,specific.*=200"),
            ("MOORLINE_LAYER_EXPIRY", "60"),
            ("MOORLINE_LAYER_GROUP_EXPIRY", "120"),
            ("MOORLINE_LAYER_KEY", "sesame\nold-sesame"),
        ])
        .unwrap();
        let options = &layer.options;
        assert_eq!((layer.kind, options.hosts.len()), (Kind::PubSub, 2));
        assert_eq!((options.prefix.as_str(), options.capacity), ("chat", 5));
        assert_eq!(options.expiry + options.group_expiry, Duration::from_secs(180));
        let capacities =
            ["chat.inbox", "specific.a!b", "else"].map(|name| options.capacity_of(name));
        assert_eq!(capacities, [5000, 200, 5]);
        assert_eq!(options.symmetric_encryption_keys, ["sesame", "old-sesame"]);
        assert!(!format!("{layer:?}").contains("sesame"));
    }

    #[test]
    fn commas_stand_between_urls_and_between_the_hosts_of_a_sentinel_url() {
        let sentinel = "redis+sentinel://:hush@h1:26379,h2:26379/mymaster/0";
        for variable in ["REDIS_URL", "MOORLINE_REDIS_URL"] {
            let hosts = |url: &str| of(&[(variable, url)]).unwrap().options.hosts.len();
            assert_eq!(hosts(sentinel), 1);
            assert_eq!(hosts(&format!("{sentinel}, redis://one,redis://two")), 3);
        }
        let args = LayerArgs { redis_url: vec![sentinel.to_owned()], ..LayerArgs::default() };
        assert_eq!(resolve(&args, &[]).unwrap().unwrap().options.hosts.len(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do_and_without_the_password() {
        let url = ("REDIS_URL", "redis://redis");
        for (variable, part) in [
            (("MOORLINE_LAYER", "kafka"), "core or pubsub"),
            (("MOORLINE_LAYER_CAPACITY", "0"), "from 1 to"),
            (("MOORLINE_LAYER_CHANNEL_CAPACITY", "chat.inbox"), "names no capacity"),
            (("MOORLINE_LAYER_CHANNEL_CAPACITY", "chat.*=many"), "from 1 to"),
            (("MOORLINE_LAYER_EXPIRY", "ten"), "seconds"),
        ] {
            let refused = resolve(&LayerArgs::default(), &[url, variable]).unwrap_err().to_string();
            assert!(refused.contains(part) && refused.contains(variable.0), "{refused}");
        }
        let bad = resolve(&LayerArgs::default(), &[("REDIS_URL", "http://:hush@redis")]);
        let refused = bad.unwrap_err().to_string();
        assert!(refused.contains("REDIS_URL") && !refused.contains("hush"), "{refused}");
    }

    #[test]
    fn the_url_comes_from_a_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url").to_str().unwrap().to_owned();
        std::fs::write(&path, "redis://:hush@one\n").unwrap();
        for name in ["REDIS_URL_FILE", "MOORLINE_REDIS_URL_FILE"] {
            assert!(of(&[(name, &path)]).unwrap().to_string().contains("one"), "{name}");
        }
        let args = LayerArgs { redis_url_file: Some(path), ..LayerArgs::default() };
        assert!(resolve(&args, &[]).unwrap().is_some());
        let both = LayerArgs { redis_url: vec!["redis://two".into()], ..args };
        assert!(resolve(&both, &[]).unwrap_err().to_string().contains("both given"));
    }
}
