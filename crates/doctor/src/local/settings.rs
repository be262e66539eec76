//! The settings themselves: whether the server would take them, and whether they suit the networks that people come through.

use std::time::Duration;

use super::unread;
use crate::finding::Outcome;
use crate::subject::Subject;

/// Half of the shortest idle limit that common proxies have by default.
const OFTEN: Duration = Duration::from_secs(30);

pub(crate) async fn can_be_used(subject: &Subject) -> Outcome {
    match &subject.local {
        Ok(_) => Outcome::pass("`serve` would take them."),
        Err(problem) => Outcome::fail(
            problem.what.clone(),
            "`moorline serve` refuses to start with it.",
            problem.fix.clone(),
        ),
    }
}

pub(crate) async fn are_spelt(subject: &Subject) -> Outcome {
    let told = |(name, meant): &(String, String)| format!("{name} is no setting; {meant} is.");
    let found: Vec<String> = subject.misspelt.iter().map(told).collect();
    match subject.misspelt.first() {
        None => Outcome::pass("No variable looks misspelt."),
        Some((name, meant)) => Outcome::warn(
            found.join(" "),
            "What it says is ignored, and the default counts instead.",
            format!("Rename it: {meant}=… instead of {name}=…"),
        ),
    }
}

pub(crate) async fn pings_often(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    let seconds = local.ping_interval.as_secs();
    if local.ping_interval <= OFTEN {
        return Outcome::pass(format!("Every {seconds} s."));
    }
    Outcome::warn(
        format!("The server pings every {seconds} s."),
        "Most proxies cut a connection after 60 s of silence, some after less; people then see 1006 and reconnect again \
         and again.",
        "--ping-interval 25, or MOORLINE_PING_INTERVAL=25.",
    )
}
