//! `moorline token inspect`: what a token says, and why the server takes or refuses it.
//!
//! The verdict is the server's own: by its function where the secret is at hand, else by the running server, which also
//! knows its people. The signature, without which a token opens nothing, is never shown.

use std::io::{Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use moorline_protocol::admin::{InspectToken, TokenVerdict};
use moorline_server::auth::read_token;
use serde_json::{Value, json};

use crate::admin::shown::{self, clean, lasting, say};
use crate::admin::{AdminAt, AdminClient, block_on};
use crate::backup::moment;
use crate::failure::{Exit, Failure};
use crate::settings::Environment;

/// What is read of a token: the server itself looks at none over 16 KiB.
const TOKEN_BYTES: u64 = 64 * 1024;

/// Which token, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct InspectArgs {
    /// File that holds the token [default: standard input]
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Judge by this file's secret; - is standard input [default: ask the running server]
    #[arg(long, value_name = "FILE")]
    pub jwt_secret_file: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub at: AdminAt,
}

/// Says what the token is; a token that is refused is a failed check.
///
/// # Errors
/// Where the token cannot be read, or nobody can judge it.
pub fn inspect(
    args: &InspectArgs,
    environment: &Environment,
    now: SystemTime,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let secret = environment.secret(None, args.jwt_secret_file.as_ref(), "jwt-secret")?;
    let is_stdin = args.file.as_deref().is_none_or(|file| file == "-");
    if is_stdin && args.jwt_secret_file.as_deref() == Some("-") {
        let fix = "Give one of them in a file.";
        return Err(Failure::usage("Token and secret cannot both be on standard input.", fix));
    }
    let token = read(args.file.as_deref().filter(|_| !is_stdin))?;
    let (verdict, judge) = match secret {
        Some(secret) => {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let why = read_token(&token, secret.expose().as_bytes(), now).err();
            (TokenVerdict { good: why.is_none(), why, now }, "secret")
        }
        None => (ask(args, environment, &token)?, "server"),
    };
    let said = Said::of(&token);
    if args.at.json {
        shown::json(out, &said.json(&verdict, judge))?;
    } else {
        say(out, &said.text(&verdict, judge))?;
    }
    Ok(verdict.good)
}

fn read(file: Option<&str>) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file {
        Some(file) => std::fs::File::open(file)
            .and_then(|file| file.take(TOKEN_BYTES).read_to_string(&mut text)),
        None => std::io::stdin().lock().take(TOKEN_BYTES).read_to_string(&mut text),
    };
    read.map_err(|error| {
        let place = file.map_or("standard input".to_owned(), |file| format!("`{file}`"));
        let fix = "Give a file with the token, or the token on standard input.";
        Failure::usage(format!("The token cannot be read from {place}."), fix).because(error)
    })?;
    // As it may have been copied out of a header.
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    if token.is_empty() {
        let fix = "Give a file with the token, or the token on standard input.";
        return Err(Failure::usage("There is no token.", fix));
    }
    Ok(token.to_owned())
}

fn ask(
    args: &InspectArgs,
    environment: &Environment,
    token: &str,
) -> Result<TokenVerdict, Failure> {
    let client = AdminClient::of(&args.at, environment)?;
    let token = InspectToken { token: token.to_owned() };
    block_on(client.post(&["token"], &token)).map_err(|failure| {
        let fix = format!("{} Or give the secret: --jwt-secret-file FILE.", failure.fix);
        if failure.exit == Exit::Unreachable { Failure { fix, ..failure } } else { failure }
    })
}

/// What a token says of itself, whoever made it; none where it is no JWT.
struct Said {
    header: Option<Value>,
    claims: Option<Value>,
    signature_letters: usize,
}

impl Said {
    fn of(token: &str) -> Self {
        let mut parts = token.splitn(3, '.');
        let mut part = || {
            let decoded = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            serde_json::from_slice(&decoded).ok().filter(Value::is_object)
        };
        let (header, claims) = (part(), part());
        let signature = token.splitn(3, '.').nth(2).unwrap_or_default();
        Self { header, claims, signature_letters: signature.len() }
    }

    fn json(&self, verdict: &TokenVerdict, judge: &str) -> Value {
        json!({
            "header": self.header, "claims": self.claims, "signature": {"letters": self.signature_letters},
            "good": verdict.good, "why": verdict.why, "now": verdict.now, "judge": judge,
        })
    }

    fn text(&self, verdict: &TokenVerdict, judge: &str) -> String {
        let part = |part: &Option<Value>| match part {
            Some(value) => clean(&value.to_string()),
            None => "cannot be read".to_owned(),
        };
        let mut lines = vec![
            ("header", part(&self.header)),
            ("claims", part(&self.claims)),
            ("signature", format!("{} letters, not shown", self.signature_letters)),
        ];
        for (claim, name) in [("exp", "expires"), ("nbf", "not before"), ("iat", "issued")] {
            lines.extend(self.time(claim, verdict.now).map(|time| (name, time)));
        }
        let by = match judge {
            "secret" => {
                "by the secret given; whether its person was revoked, only a running server knows"
            }
            _ => "by the running server",
        };
        lines.push(("judged", by.to_owned()));
        lines.push(match &verdict.why {
            None => ("verdict", "good".to_owned()),
            Some(why) => ("verdict", format!("refused: {why}")),
        });
        lines.iter().map(|(name, value)| format!("{name:<11} {value}\n")).collect()
    }

    /// A claim that is a time, and how far away it is.
    fn time(&self, claim: &str, now: u64) -> Option<String> {
        let at = self.claims.as_ref()?.get(claim)?.as_f64().filter(|at| *at >= 0.0)? as u64;
        let away = |seconds: u64| lasting(seconds.saturating_mul(1_000));
        let when = match at.cmp(&now) {
            std::cmp::Ordering::Less => format!("{} ago", away(now - at)),
            std::cmp::Ordering::Equal => "now".to_owned(),
            std::cmp::Ordering::Greater => format!("in {}", away(at - now)),
        };
        Some(format!("{} ({when})", moment(at.saturating_mul(1_000))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::args::MintArgs;
    use crate::token::mint;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: u64 = 1_795_377_137;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn minted(secret: &str) -> String {
        let args = MintArgs {
            sub: "ann".into(),
            ttl: Some("60s".into()),
            jwt_secret: Some(secret.into()),
            ..MintArgs::default()
        };
        mint(&args, &Environment::default(), at(NOW)).unwrap()
    }

    /// What is said of a token by this secret at this time.
    fn judged(token: &str, now: u64) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path.to_str().unwrap().to_owned())
        };
        let args = InspectArgs {
            file: file("token", &format!("Bearer {token}\n")),
            jwt_secret_file: file("secret", SECRET),
            ..InspectArgs::default()
        };
        let mut out = Vec::new();
        let good = inspect(&args, &Environment::default(), at(now), &mut out).unwrap();
        (good, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_good_token_is_told_with_its_times_and_without_its_signature() {
        let token = minted(SECRET);
        let (good, said) = judged(&token, NOW + 10);
        assert!(good && said.contains("verdict     good"), "{said}");
        assert!(said.contains("(in 50s)") && said.contains("(10s ago)"), "{said}");
        assert!(said.contains(r#""sub":"ann""#), "{said}");
        let signature = token.rsplit('.').next().unwrap();
        assert!(!said.contains(signature) && !said.contains(SECRET), "{said}");
    }

    #[test]
    fn a_token_that_is_refused_is_told_why() {
        let token = minted(SECRET);
        let (head, _) = token.rsplit_once('.').unwrap();
        for (token, now, parts) in [
            (token.as_str(), NOW + 153, ["refused: it has expired", "(1m 33s ago)"]),
            (token.as_str(), NOW - 100, ["refused: it is not valid yet", "(in 1m 40s)"]),
            (&minted("another-secret"), NOW, ["refused: its signature", r#""sub":"ann""#]),
            (&format!("{head}."), NOW, ["refused: its signature", "0 letters"]),
            ("eyJhbGciOiJub25lIn0.e30.", NOW, ["refused: its algorithm", "none"]),
            ("nonsense", NOW, ["refused: it is no well-formed JWT", "cannot be read"]),
        ] {
            let (good, said) = judged(token, now);
            assert!(!good, "{said}");
            for part in parts {
                assert!(said.contains(part), "{part} is not in: {said}");
            }
        }
    }
}
