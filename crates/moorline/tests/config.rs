//! What `serve` makes of flags, environment and defaults, and every sentence with which it refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

use std::time::Duration;

use moorline::args::{self, Command};
use moorline::config::{Config, LogFormat};
use moorline::failure::{Exit, Failure};
use moorline::settings::Environment;
use moorline_chat::Directory;
use moorline_protocol::api::Signup;

const LONG: &str = "0123456789abcdef0123456789abcdef";

fn resolve_with(words: &[&str], variables: &[(&str, &str)]) -> Result<Config, Failure> {
    let line = ["moorline", "serve"].iter().chain(words);
    let Command::Serve(args) = args::parse(line).unwrap().command else { panic!("not serve") };
    let variable = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let environment: Environment = variables.iter().map(variable).collect();
    Config::resolve(&args, &environment)
}

fn resolve(words: &[&str]) -> Result<Config, Failure> {
    resolve_with(words, &[])
}

#[test]
fn with_nothing_said_it_serves_this_machine_on_port_8000() {
    let config = resolve(&[]).unwrap();
    assert_eq!(config.listen.tcp.unwrap().to_string(), "127.0.0.1:8000");
    assert_eq!(config.listen.unix, None);
    assert_eq!(config.data_dir.to_str(), Some("moorline-data"));
    assert_eq!(config.ping_interval, Duration::from_secs(25));
    assert_eq!(config.ping_timeout, Duration::from_secs(60));
    assert_eq!(config.signup, Signup::Open);
    assert_eq!(config.directory, Directory::All);
    assert_eq!(config.log_format, LogFormat::Text);
    assert!(config.jwt_secret.is_none() && config.api_key.is_none() && config.origins.is_empty());
    assert!(!config.limit_loopback && config.metrics_bind.is_none());
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_default() {
    let variables = [("MOORLINE_PORT", "9001"), ("MOORLINE_PING_INTERVAL", "10")];
    let config = resolve_with(&["--port", "9002"], &variables).unwrap();
    assert_eq!(config.listen.tcp.unwrap().port(), 9002);
    assert_eq!(config.ping_interval, Duration::from_secs(10));
    assert_eq!(config.ping_timeout, Duration::from_secs(60));
}

#[test]
fn every_option_can_come_from_the_environment() {
    let variables = [
        ("MOORLINE_BIND", "::1"),
        ("MOORLINE_PORT", "0"),
        ("MOORLINE_UNIX_SOCKET", "/run/m.sock"),
        ("MOORLINE_METRICS_BIND", "localhost:9100"),
        ("MOORLINE_TRUSTED_PROXY", "10.0.0.0/8,::1"),
        ("MOORLINE_DATA_DIR", "/srv/m"),
        ("MOORLINE_PING_TIMEOUT", "2m"),
        ("MOORLINE_DRAIN_TIMEOUT", "5"),
        ("MOORLINE_LIMIT_LOOPBACK", "1"),
        ("MOORLINE_ORIGIN", "https://a.example"),
        ("MOORLINE_SIGNUP", "invite"),
        ("MOORLINE_DIRECTORY", "shared"),
        ("MOORLINE_JWT_SECRET", LONG),
        ("MOORLINE_API_KEY", LONG),
        ("MOORLINE_LOG_FORMAT", "json"),
        ("MOORLINE_VERBOSE", "2"),
    ];
    let config = resolve_with(&[], &variables).unwrap();
    assert_eq!(config.listen.tcp.unwrap().to_string(), "[::1]:0");
    assert_eq!(config.listen.unix.unwrap().to_str(), Some("/run/m.sock"));
    assert_eq!(config.metrics_bind.unwrap().to_string(), "127.0.0.1:9100");
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.data_dir.to_str(), Some("/srv/m"));
    assert_eq!(config.ping_timeout, Duration::from_secs(120));
    assert_eq!(config.drain_timeout, Duration::from_secs(5));
    assert!(config.limit_loopback);
    assert_eq!(config.origins[0].as_str(), "https://a.example");
    assert_eq!((config.signup, config.directory), (Signup::Invite, Directory::Shared));
    assert_eq!(config.jwt_secret.unwrap().expose(), LONG);
    assert_eq!(config.api_key.unwrap().expose(), LONG);
    assert_eq!((config.log_format, config.verbosity), (LogFormat::Json, 2));
}

#[test]
fn sign_up_is_closed_where_others_can_reach_it_or_a_backend_makes_the_people() {
    let signup = |words: &[&str]| resolve(words).unwrap().signup;
    assert_eq!(signup(&["--bind", "localhost"]), Signup::Open);
    assert_eq!(signup(&["--bind", "::1"]), Signup::Open);
    assert_eq!(signup(&["--unix-socket", "/s"]), Signup::Open);
    assert_eq!(signup(&["--bind", "0.0.0.0"]), Signup::Closed);
    assert_eq!(signup(&["--bind", "::"]), Signup::Closed);
    assert_eq!(signup(&["--fd", "3"]), Signup::Closed);
    assert_eq!(signup(&["--jwt-secret", LONG]), Signup::Closed);
    assert_eq!(signup(&["--bind", "0.0.0.0", "--signup", "open"]), Signup::Open);
}

#[test]
fn a_unix_socket_stands_alone_unless_a_port_is_asked_for_too() {
    let listen = resolve(&["-u", "/s"]).unwrap().listen;
    assert!(listen.tcp.is_none() && listen.unix.is_some());
    let listen = resolve(&["-u", "/s", "-p", "9"]).unwrap().listen;
    assert!(listen.tcp.is_some() && listen.unix.is_some());
}

#[test]
fn a_secret_never_shows_in_the_configuration_that_is_printed() {
    let config = resolve(&["--jwt-secret", LONG, "--api-key", LONG]).unwrap();
    assert!(!format!("{config:?}").contains(LONG));
}

#[test]
fn a_short_secret_is_for_this_machine_only() {
    assert!(resolve(&["--jwt-secret", "short"]).is_ok());
    for option in ["--jwt-secret", "--api-key"] {
        let failure = resolve(&["--bind", "0.0.0.0", option, "short"]).unwrap_err();
        assert!(failure.what.contains(option) && failure.what.contains("5 bytes"), "{failure}");
        assert!(failure.fix.contains("openssl rand"), "{failure}");
    }
}

#[test]
fn every_refusal_names_the_value_where_it_came_from_and_what_to_do() {
    let cases: [(&[&str], &str, &str); 18] = [
        (&["--bind", "here"], "`here` from --bind is not an address.", "127.0.0.1"),
        (&["--port", "99999"], "`99999` from --port is not a port.", "65535"),
        (&["--port", "http"], "`http` from --port is not a port.", "65535"),
        (&["--fd", "1"], "`1` from --fd is not an inherited descriptor.", "3"),
        (
            &["--metrics-bind", "9000"],
            "`9000` from --metrics-bind is not an address with a port.",
            "127.0.0.1:9000",
        ),
        (&["--trusted-proxy", "nginx"], "`nginx` from --trusted-proxy is neither", "10.0.0.0/8"),
        (&["--ping-interval", "0"], "`0` from --ping-interval is not a time", "25"),
        (&["--ping-interval", "-5"], "`-5` from --ping-interval is not a time", "25"),
        (&["--ping-timeout", "soon"], "`soon` from --ping-timeout is not a time", "25"),
        (&["--ping-interval", "60"], "The ping timeout (60s) must be longer", "--ping-interval 25"),
        (&["--drain-timeout", "2d"], "`2d` from --drain-timeout is not a time", "25"),
        (&["--origin", "*"], "`*` from --origin is not an origin.", "no wildcard"),
        (&["--origin", "chat.example"], "`chat.example` from --origin is not", "https://"),
        (&["--signup", "maybe"], "`maybe` from --signup is not one", "open, invite, closed"),
        (&["--directory", "some"], "`some` from --directory is not one", "all, shared, off"),
        (&["--log-format", "xml"], "`xml` from --log-format is not one", "text, json"),
        (
            &["--web-dir", "/nowhere"],
            "The folder `/nowhere` of --web-dir does not",
            "cargo xtask web",
        ),
        (&["--jwt-secret-file", "/nowhere"], "The file `/nowhere` from --jwt-secret-file", "path"),
    ];
    for (words, what, fix) in cases {
        let failure = resolve(words).unwrap_err();
        assert!(failure.what.starts_with(what), "{words:?}: {failure}");
        assert!(failure.fix.contains(fix), "{words:?}: {failure}");
        assert_eq!(failure.exit, Exit::Usage, "{words:?}");
    }
}

#[test]
fn a_refusal_names_the_variable_that_the_value_came_from() {
    let cases = [
        ("MOORLINE_PORT", "http", "`http` from MOORLINE_PORT is not a port."),
        ("MOORLINE_VERBOSE", "much", "`much` from MOORLINE_VERBOSE is not a number."),
        (
            "MOORLINE_PORT",
            "tcp://10.0.0.1:8000",
            "`tcp://10.0.0.1:8000` from MOORLINE_PORT is not a port; Kubernetes",
        ),
    ];
    for (name, value, what) in cases {
        let failure = resolve_with(&[], &[(name, value)]).unwrap_err();
        assert!(failure.what.starts_with(what), "{failure}");
    }
}
