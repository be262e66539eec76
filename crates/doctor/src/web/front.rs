//! What stands in front: whether Moorline answers at all, what its answers lose on the way, and its clock.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::dial::{Answer, Failure, get};
use super::{UNREACHED, web};
use crate::finding::Outcome;
use crate::local::clock::{self, Around};
use crate::subject::{Subject, Target};

/// `Date` counts whole seconds.
const CLOSE: f64 = 2.0;
/// As many seconds of difference a token's times may have.
const FAR: f64 = 30.0;

pub(crate) async fn answers(subject: &Subject) -> Outcome {
    let target = match web(subject) {
        Ok(web) => &web.target,
        Err(skipped) => return skipped,
    };
    match get(target, "/readyz", &[]).await {
        Ok(answer) => judge(target, &answer).reached(true),
        Err(failure) => {
            let is_away = matches!(failure, Failure::Away(_));
            unreachable(target, &failure).reached(!is_away)
        }
    }
}

fn judge(target: &Target, answer: &Answer) -> Outcome {
    let origin = target.origin();
    let readiness = answer.json();
    let is_ready =
        readiness.as_ref().and_then(|told| told.get("ready")).and_then(serde_json::Value::as_bool);
    match is_ready {
        Some(true) => Outcome::pass(format!("Moorline answers at {origin} and is ready.")),
        Some(false) => {
            let told = readiness
                .and_then(|told| told.get("failing").map(ToString::to_string))
                .unwrap_or_default();
            Outcome::fail(
                format!("Moorline answers at {origin} and is not ready: {told}"),
                "It takes no new work; a load balancer sends people elsewhere.",
                "On its machine, with its own settings: moorline doctor; and see its log.",
            )
        }
        None => Outcome::fail(
            format!("What answers at {origin} with {} is not Moorline.", answer.status),
            "People who come here do not reach the chat.",
            "Let the proxy pass this host, with all its paths, to Moorline's address (the examples are in deploy/), and check that \
             the server runs. If it lies below a path, give the URL with it.",
        ),
    }
}

fn unreachable(target: &Target, failure: &Failure) -> Outcome {
    let origin = target.origin();
    let seen = format!("{origin} cannot be used: {failure}.");
    let why = "Nobody can reach the chat there.";
    match failure {
        Failure::Certificate(_) => Outcome::fail(
            seen,
            why,
            "Get a certificate for exactly this name from an authority that browsers know, with its whole chain, and let the proxy \
             load it again; one of your own authority is trusted by SSL_CERT_FILE=FILE.",
        ),
        Failure::NotHttp(_) => {
            Outcome::fail(seen, why, "Check the port, and whether it is https or http.")
        }
        Failure::Away(_) => Outcome::fail(
            seen,
            why,
            "Check name, port and firewall, and that the proxy and the server run: curl -v URL/livez.",
        ),
    }
}

pub(crate) async fn has_same_clock(subject: &Subject) -> Outcome {
    let target = match web(subject) {
        Ok(web) => &web.target,
        Err(skipped) => return skipped,
    };
    let before = (subject.now)();
    let Ok(answer) = get(target, "/livez", &[]).await else { return Outcome::skipped(UNREACHED) };
    let around = Around::new(before, (subject.now)());
    let Some(date) =
        answer.header("date").and_then(|text| OffsetDateTime::parse(text, &Rfc2822).ok())
    else {
        return Outcome::skipped("The answer has no Date.");
    };
    // It says the second that has begun.
    let ahead = around.ahead(date.unix_timestamp() as f64 + 0.5);
    let seen = clock::told(ahead, &target.origin());
    let why = "Tokens are good from one moment to another: over thirty seconds apart, fresh ones are refused as not yet good or \
               as expired.";
    match ahead.abs() {
        far if far >= FAR => Outcome::fail(seen, why, clock::FIX),
        far if far >= CLOSE => Outcome::warn(seen, why, clock::FIX),
        _ => Outcome::pass("The same as this machine's."),
    }
}

pub(crate) async fn keeps_headers(subject: &Subject) -> Outcome {
    const WANTED: [&str; 3] =
        ["content-security-policy", "x-content-type-options", "referrer-policy"];
    let target = match web(subject) {
        Ok(web) => &web.target,
        Err(skipped) => return skipped,
    };
    let Ok(answer) = get(target, "/", &[]).await else { return Outcome::skipped(UNREACHED) };
    let missing: Vec<&str> =
        WANTED.into_iter().filter(|name| answer.header(name).is_none()).collect();
    if missing.is_empty() {
        return Outcome::pass("The page's security headers arrive.");
    }
    Outcome::warn(
        format!("The page comes without {}.", missing.join(", ")),
        "They keep foreign scripts and frames out; something in between takes them away, or this is not Moorline's page.",
        "Let the proxy pass the answer's headers on as they are: no proxy_hide_header, no header rules for this host.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_http_is_read() {
        let date = OffsetDateTime::parse("Thu, 26 Nov 2026 17:11:29 GMT", &Rfc2822).unwrap();
        assert_eq!(date.unix_timestamp(), 1_795_713_089);
    }
}
