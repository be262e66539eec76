//! For those who come from Daphne: each of its options with ours or why there is none, as a page of the documentation
//! and, for what somebody has typed, as an answer that says what to type instead.

use crate::failure::Failure;

/// What stands before the table on the page.
const INTRODUCTION: &str = include_str!("daphne.md");

/// One option of Daphne.
struct Flag {
    /// Its spellings.
    names: &'static [&'static str],
    /// What it is here; none where it is the same word.
    here: Option<&'static str>,
    /// What is different, or why there is none.
    remark: &'static str,
}

/// All options of Daphne 4.2, in the order of its help.
const FLAGS: &[Flag] = &[
    same(&["-p", "--port"], "8000 in both."),
    same(&["-b", "--bind"], "127.0.0.1 in both."),
    same(
        &["--websocket_timeout"],
        "Also `--websocket-timeout`. Never by default: Daphne cuts every socket after 24 h.",
    ),
    same(
        &["--websocket_connect_timeout"],
        "Also `--websocket-connect-timeout`. 10 s by default, 5 s in Daphne; there is no -1.",
    ),
    same(&["-u", "--unix-socket"], "With `-b` or `-p` as well: both."),
    same(&["--fd"], "From 3 on, set up by systemd or handed over by any other program."),
    other(
        &["-e", "--endpoint"],
        "`--bind`, `--port`, `--unix-socket`, `--fd`",
        "Twisted's endpoints are its own; the refusal says which of these to use for yours. TLS is a proxy's.",
    ),
    other(
        &["-v", "--verbosity"],
        "`-v`, `-vv`",
        "Repeated instead of numbered: `-v 2` is `-v` here, `-v 1` is the default.",
    ),
    same(&["-t", "--http-timeout"], "Never by default in both; streams and polls are not meant."),
    same(
        &["--access-log"],
        "A line a request, and one at the end of each connection with code, side and age; never a query. Off by \
         default.",
    ),
    other(
        &["--log-fmt"],
        "`--log-format text` or `json`",
        "The fields are fixed, so that programs can read them.",
    ),
    same(&["--ping-interval"], "25 s by default, 20 s in Daphne."),
    same(&["--ping-timeout"], "60 s by default, 30 s in Daphne; must be longer than the interval."),
    same(
        &["--websocket-max-message-size"],
        "For `--relay` paths; 256 KiB by default, 1 MiB in Daphne; there is no 0. The chat's own limit is part of its \
         protocol.",
    ),
    other(
        &["--websocket-max-frame-size"],
        "`--websocket-max-message-size`",
        "Frames are counted together: what limits the message limits each of them.",
    ),
    same(
        &["--application-close-timeout"],
        "10 s in both: here for what the end of a connection still has to tell, as a relay's worker.",
    ),
    same(
        &["--root-path"],
        "Taken from the front of a path if it is there; for sockets and the API, not for the page.",
    ),
    other(
        &["--proxy-headers"],
        "`--trusted-proxy NETWORK`",
        "X-Forwarded-For and -Proto are always read, but only from proxies on this machine and from those named so: \
         from anybody else they could be forged.",
    ),
    other(
        &["--proxy-headers-host"],
        "`--trusted-proxy NETWORK`",
        "Let the proxy set X-Forwarded-For, as all of them can.",
    ),
    other(&["--proxy-headers-port"], "none", "The client's port says nothing that is used."),
    same(&["-s", "--server-name"], "No such header by default."),
    other(
        &["--no-server-name"],
        "none",
        "There is no such header unless you give one with `--server-name`.",
    ),
    other(
        &["application"],
        "none",
        "Moorline runs no Python. It takes the sockets; Django goes on behind it, see [From Channels](django.md).",
    ),
];

const fn same(names: &'static [&'static str], remark: &'static str) -> Flag {
    Flag { names, here: None, remark }
}

const fn other(names: &'static [&'static str], here: &'static str, remark: &'static str) -> Flag {
    Flag { names, here: Some(here), remark }
}

/// The page, as Markdown.
pub fn page() -> String {
    let row = |flag: &Flag| {
        let names: Vec<String> = flag.names.iter().map(|name| format!("`{name}`")).collect();
        let here = flag.here.unwrap_or("the same");
        format!("| {} | {here} | {} |\n", names.join(", "), flag.remark)
    };
    let rows: String = FLAGS.iter().map(row).collect();
    format!("{INTRODUCTION}| Daphne | Moorline | |\n| --- | --- | --- |\n{rows}")
}

/// What to type instead of an option of Daphne's that is none here. To be asked where the words were refused.
pub fn instead(words: &[String]) -> Option<Failure> {
    let mut words = words.iter().skip_while(|word| *word != "serve").skip(1).peekable();
    while let Some(word) = words.next() {
        let (name, inner) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if matches!(name, "-e" | "--endpoint") {
            let endpoint =
                inner.or_else(|| words.peek().map(ToString::to_string)).unwrap_or_default();
            let what = format!(
                "`{name} {endpoint}` is an endpoint of Twisted, which Moorline does not know."
            );
            return Some(Failure::usage(what, endpoint_instead(&endpoint)));
        }
        if is_application(word) {
            let what = format!("`{word}` looks like an ASGI application, and Moorline runs none.");
            let fix = "Leave it away. Django goes on behind Moorline: docs/django.md.";
            return Some(Failure::usage(what, fix));
        }
        let found = FLAGS.iter().find(|flag| flag.names.contains(&name));
        // -v is known here too, only without a number.
        if let Some(Flag { here: Some(here), remark, .. }) = found.filter(|_| name != "-v") {
            let what = format!("`{name}` is an option of Daphne, not of Moorline.");
            let use_it = match *here {
                "none" => "Leave it away.".to_owned(),
                here => format!("Use {here}."),
            };
            return Some(Failure::usage(what, format!("{use_it} {remark}")));
        }
    }
    None
}

/// `mysite.asgi:application`
fn is_application(word: &str) -> bool {
    let is_name = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        text.split('.').all(|part| starts(part) && part.chars().all(is_plain))
    };
    word.split_once(':').is_some_and(|(module, object)| is_name(module) && is_name(object))
}

/// What does here what a Twisted endpoint does there.
fn endpoint_instead(endpoint: &str) -> String {
    // A colon within a value is written \: there.
    let text = endpoint.replace("\\:", "\0");
    let mut parts = text.split(':').map(|part| part.replace('\0', ":"));
    let kind = parts.next().unwrap_or_default();
    let rest: Vec<String> = parts.collect();
    let named = |name: &str| {
        let value = |part: &String| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        rest.iter().find_map(value)
    };
    let first = || rest.first().filter(|part| !part.contains('=')).cloned();
    let port = || named("port").or_else(first).unwrap_or_else(|| "8000".into());
    match kind.as_str() {
        "tcp" | "tcp6" => {
            let all = if kind == "tcp" { "0.0.0.0" } else { "::" };
            let bind = named("interface").unwrap_or_else(|| all.into());
            format!("Use: moorline serve --bind {bind} --port {}", port())
        }
        "unix" => {
            let path = named("address").or_else(first).unwrap_or_else(|| "PATH".into());
            format!("Use: moorline serve --unix-socket {path}")
        }
        "fd" => {
            let number = named("fileno").or_else(first).unwrap_or_else(|| "3".into());
            format!("Use: moorline serve --fd {number}")
        }
        "systemd" => {
            let index = named("index").and_then(|index| index.parse::<u32>().ok()).unwrap_or(0);
            format!("Use: moorline serve --fd {} (systemd's sockets begin at 3)", index.saturating_add(3))
        }
        "ssl" | "txsni" | "le" => {
            "Moorline speaks plain HTTP: let a proxy hold the certificate and pass on to \
             moorline serve --port 8000 on the same machine."
                .into()
        }
        "haproxy" => {
            "Let HAProxy pass on HTTP with `option forwardfor` instead of the PROXY protocol, and name it with \
             --trusted-proxy."
                .into()
        }
        _ => "Use --bind and --port, --unix-socket or --fd.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    fn asked(words: &[&str]) -> Option<Failure> {
        let words: Vec<String> =
            ["moorline", "serve"].iter().chain(words).map(ToString::to_string).collect();
        instead(&words)
    }

    #[test]
    fn an_endpoint_of_twisted_is_refused_with_what_does_the_same() {
        for (endpoint, expected) in [
            ("tcp:port=9000:interface=10.0.0.5", "--bind 10.0.0.5 --port 9000"),
            ("tcp:9000", "--bind 0.0.0.0 --port 9000"),
            ("tcp6:port=9000", "--bind :: --port 9000"),
            ("tcp:9000:interface=\\:\\:1", "--bind ::1 --port 9000"),
            ("unix:/run/daphne.sock", "--unix-socket /run/daphne.sock"),
            ("fd:fileno=5", "--fd 5"),
            ("systemd:domain=INET:index=1", "--fd 4"),
            ("ssl:443:privateKey=key.pem", "proxy"),
            ("haproxy:tcp:8000", "--trusted-proxy"),
            ("onion:80", "--bind and --port"),
            ("", "--bind and --port"),
        ] {
            let told = asked(&["-e", endpoint]).unwrap();
            assert!(told.fix.contains(expected), "{endpoint}: {}", told.fix);
            assert_eq!(
                told,
                Failure {
                    what: told.what.clone(),
                    ..asked(&[&format!("--endpoint={endpoint}")]).unwrap()
                }
            );
        }
    }

    #[test]
    fn what_is_no_option_here_is_answered_and_what_is_one_is_left_alone() {
        assert!(asked(&["--proxy-headers"]).unwrap().fix.contains("--trusted-proxy"));
        assert!(
            asked(&["--port", "1", "--no-server-name"]).unwrap().fix.contains("Leave it away.")
        );
        assert!(asked(&["mysite.asgi:application"]).unwrap().fix.contains("docs/django.md"));
        for fine in [
            &["--port", "1"][..],
            &["-v"],
            &["--prot", "1"],
            &["--auth-url", "http://a:1/b"],
            &["127.0.0.1:8000"],
        ] {
            assert_eq!(asked(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn what_the_page_calls_the_same_is_an_option_here() {
        let words = |name: &str| {
            let value = if name == "--bind" || name == "-b" { "::1" } else { "3" };
            ["moorline", "serve", name, value].map(str::to_owned)
        };
        let mut tried = 0;
        for flag in FLAGS.iter().filter(|flag| flag.here.is_none()) {
            for name in flag.names {
                assert!(args::parse(words(name)).is_ok(), "{name}");
                tried += 1;
            }
        }
        assert!(tried >= 18, "{tried}");
        for flag in FLAGS.iter().filter(|flag| flag.here.is_some()) {
            let is_verbosity = flag.names.contains(&"-v");
            assert!(
                is_verbosity || flag.names.iter().all(|name| args::parse(words(name)).is_err())
            );
        }
    }
}
