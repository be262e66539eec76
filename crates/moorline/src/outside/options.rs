//! The options about other programs, as typed and as understood. `config` asks here. The password of the URL is never shown.

use clap::Args;
use moorline_chat::{DjangoSettings, EventsTo};
use moorline_layer::Host;

use crate::failure::Failure;
use crate::settings::{Environment, Setting};

/// Characters of the beginning of a channel.
const PREFIX_BYTES: usize = 64;

/// The options, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct OutsideArgs {
    /// Send each event to a group of Django's channel layer under a type that its consumers handle,
    /// as 'group=chat.{room} type=chat.event'; repeatable [default: nothing is sent]
    #[arg(long, value_name = "WHERE", help_heading = "Other programs")]
    pub django_events: Vec<String>,
    /// Store messages that are sent to the channel `moorline` as chat.post: whoever can write to Redis
    /// can then post as anyone
    #[arg(long, help_heading = "Other programs")]
    pub accept_layer_posts: bool,
    /// Redis on which domain events are published (Pub/Sub) for any program, as
    /// redis://:password@host:6379/1; better in a file [default: none]
    #[arg(long, value_name = "URL", help_heading = "Other programs")]
    pub events_url: Option<String>,
    /// File that holds the URL for domain events; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "Other programs")]
    pub events_url_file: Option<String>,
    /// Beginning of the channels of domain events, before names such as message.created; Pub/Sub knows
    /// no databases, so this is what keeps servers on one Redis apart [default: moorline:]
    #[arg(long, value_name = "TEXT", help_heading = "Other programs")]
    pub events_prefix: Option<String>,
}

/// What other programs get and may do.
#[derive(Debug, Clone, Default)]
pub struct OutsideConfig {
    /// Django, where there is a channel layer.
    pub django: DjangoSettings,
    /// Domain events, where they are wanted.
    pub events: Option<EventsConfig>,
}

/// Where domain events are published.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// The Redis.
    pub host: Host,
    /// What channels begin with.
    pub prefix: String,
}

impl OutsideConfig {
    /// Gives types to what was typed.
    pub fn resolve(
        args: &OutsideArgs,
        environment: &Environment,
        has_layer: bool,
    ) -> Result<Self, Failure> {
        let events = environment.pick_all(&args.django_events, "django-events");
        let accepts_posts = environment.is_on(args.accept_layer_posts, "accept-layer-posts")?;
        if !has_layer && (accepts_posts || !events.is_empty()) {
            let option = if accepts_posts { "accept-layer-posts" } else { "django-events" };
            return Err(Failure::usage(
                format!("--{option} needs a channel layer, and there is none."),
                "Name the Redis of Django's CHANNEL_LAYERS: --redis-url, or REDIS_URL.",
            ));
        }
        let events = events.iter().map(target).collect::<Result<_, _>>()?;
        let django = DjangoSettings { events, accepts_posts };
        Ok(Self { django, events: domain_events(args, environment)? })
    }
}

fn target(setting: &Setting) -> Result<EventsTo, Failure> {
    setting.value.parse().map_err(|error| {
        Failure::usage(
            format!("`{}` from {} cannot be used: {error}.", setting.value, setting.source),
            "Write for example 'group=chat.{room} type=chat.event'; Django's consumers in that group \
             then need a method chat_event.",
        )
    })
}

fn domain_events(
    args: &OutsideArgs,
    environment: &Environment,
) -> Result<Option<EventsConfig>, Failure> {
    let prefix = environment.pick(args.events_prefix.as_ref(), "events-prefix");
    let url = environment.secret(
        args.events_url.as_ref(),
        args.events_url_file.as_ref(),
        "events-url",
    )?;
    let Some(url) = url else {
        return match prefix {
            None => Ok(None),
            Some(prefix) => Err(Failure::usage(
                format!("{} is given, but no Redis to publish on.", prefix.source),
                "Add --events-url redis://:password@host:6379/1.",
            )),
        };
    };
    let host = Host::parse(url.expose()).map_err(|error| {
        Failure::usage(
            format!("The Redis URL of --events-url cannot be used: {error}."),
            "Write redis://:password@host:6379/1; in a password, @ is %40, : is %3A and / is %2F.",
        )
    })?;
    let prefix = prefix.map_or(Ok("moorline:".to_owned()), checked_prefix)?;
    Ok(Some(EventsConfig { host, prefix }))
}

fn checked_prefix(setting: Setting) -> Result<String, Failure> {
    let is_good = setting.value.len() <= PREFIX_BYTES
        && setting.value.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?[]\\".contains(&byte));
    if is_good {
        return Ok(setting.value);
    }
    Err(Failure::usage(
        format!("`{}` from {} cannot begin a channel.", setting.value, setting.source),
        format!("Use at most {PREFIX_BYTES} printable ASCII characters without * ? [ ] and \\."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(has_layer: bool, variables: &[(&str, &str)]) -> Result<OutsideConfig, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let environment = variables.iter().map(pair).collect();
        OutsideConfig::resolve(&OutsideArgs::default(), &environment, has_layer)
    }

    #[test]
    fn with_nothing_said_nobody_gets_or_may_do_anything() {
        let config = resolve(true, &[]).unwrap();
        assert!(config.django.events.is_empty() && !config.django.accepts_posts);
        assert!(config.events.is_none());
    }

    #[test]
    fn everything_can_come_from_the_environment() {
        let config = resolve(
            true,
            &[
                ("MOORLINE_DJANGO_EVENTS", "group=chat.{room} type=chat.event, group=all type=a.b"),
                ("MOORLINE_ACCEPT_LAYER_POSTS", "yes"),
                ("MOORLINE_EVENTS_URL", "redis://:hush@redis:6379/1"),
                ("MOORLINE_EVENTS_PREFIX", "shop."),
            ],
        );
        let config = config.unwrap();
        let kinds: Vec<&str> = config.django.events.iter().map(EventsTo::kind).collect();
        assert_eq!((kinds, config.django.accepts_posts), (vec!["chat.event", "a.b"], true));
        let events = config.events.as_ref().unwrap();
        assert_eq!(events.prefix, "shop.");
        assert!(events.host.to_string().contains("redis:6379"));
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn the_url_comes_from_a_file_and_the_prefix_has_a_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url").to_str().unwrap().to_owned();
        std::fs::write(&path, "redis://:hush@one\n").unwrap();
        let config = resolve(false, &[("MOORLINE_EVENTS_URL_FILE", &path)]).unwrap();
        assert_eq!(config.events.unwrap().prefix, "moorline:");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do_and_without_the_password() {
        for (has_layer, variable, part) in [
            (true, ("MOORLINE_DJANGO_EVENTS", "chat.{room}"), "group=chat.{room} type="),
            (false, ("MOORLINE_DJANGO_EVENTS", "group=a type=b"), "--redis-url"),
            (false, ("MOORLINE_ACCEPT_LAYER_POSTS", "1"), "--redis-url"),
            (true, ("MOORLINE_ACCEPT_LAYER_POSTS", "perhaps"), "perhaps"),
            (true, ("MOORLINE_EVENTS_PREFIX", "a."), "--events-url"),
            (true, ("MOORLINE_EVENTS_URL", "http://:hush@redis"), "redis://"),
        ] {
            let refused = resolve(has_layer, &[variable]).unwrap_err().to_string();
            assert!(refused.contains(part) && !refused.contains("hush"), "{refused}");
        }
        for bad in ["a b", "a*", "ü", &"x".repeat(65)] {
            let variables =
                [("MOORLINE_EVENTS_URL", "redis://redis"), ("MOORLINE_EVENTS_PREFIX", bad)];
            let refused = resolve(true, &variables).unwrap_err().to_string();
            assert!(refused.contains("MOORLINE_EVENTS_PREFIX"), "{refused}");
        }
    }
}
