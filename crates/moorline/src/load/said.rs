//! What came of a stretch, as text.

use std::fmt::Write;

use moorline_load::meter::Latency;
use moorline_load::run::Outcome;

use super::Phase;

/// A stretch, from its figures to its verdict.
pub(super) fn text(phase: &Phase) -> String {
    let mut text = figures(&phase.name, &phase.outcome);
    if let Some(verdict) = &phase.verdict {
        text += &verdict.text();
    }
    for found in &phase.faults_found {
        text += &format!("NOT SO: {found}\n");
    }
    if let Some(history) = &phase.history {
        text += &format!("history: {history}\n");
    }
    text
}

/// What was done and measured.
pub(super) fn figures(name: &str, outcome: &Outcome) -> String {
    let mut text = format!(
        "{name}: {:.0} s, {} people in {} windows and {} rooms, {} messages; {:.1} acks and {:.1} deliveries a second, \
         fan-out {:.1}\n",
        outcome.seconds,
        outcome.people,
        outcome.windows,
        outcome.rooms,
        outcome.sent,
        outcome.acked_per_second,
        outcome.delivered_per_second,
        outcome.fan_out
    );
    for (what, latency) in [("ack", outcome.ack), ("delivery", outcome.delivery)] {
        text += &times(what, latency);
    }
    let mut faults = std::collections::BTreeMap::new();
    for fault in &outcome.faults {
        let (times, bitten) = faults.entry(fault.name).or_insert((0, 0));
        (*times, *bitten) = (*times + 1, *bitten + fault.bitten);
    }
    for (name, (times, bitten)) in faults {
        let _ = writeln!(text, "  fault {name}: {times} times, {bitten} connections met");
    }
    text += &ends(outcome);
    if outcome.standstills > 0 {
        let _ = writeln!(
            text,
            "  this machine did not let the soak run {} times, {:.1} s at most; what waited then is not held against \
             the server",
            outcome.standstills, outcome.longest_standstill
        );
    }
    if let (Some(memory), Some(cpu)) = (outcome.memory_bytes, outcome.cpu_seconds) {
        let _ = writeln!(
            text,
            "  server: {} MB at most, {cpu:.1} s of processor time",
            memory / 1_000_000
        );
    }
    text
}

/// How connections, messages and windows ended.
fn ends(outcome: &Outcome) -> String {
    let mut text = String::new();
    let counted = |counts: Vec<String>| match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    };
    let closes = outcome.closes.iter().map(|(code, count)| format!("{count} by {code}")).collect();
    let refused = outcome.refused.iter().map(|(code, count)| format!("{count} {code}")).collect();
    let resets = outcome.resets.iter().map(|(why, count)| format!("{count} {why}")).collect();
    let _ = writeln!(
        text,
        "  {} reconnects; connections that ended by themselves: {}; refusals: {}; resets: {}",
        outcome.reconnects,
        counted(closes),
        counted(refused),
        counted(resets)
    );
    for (count, what) in [
        (outcome.skipped, "messages were skipped, since their windows had too many to send"),
        (outcome.unsettled as u64, "windows still waited for answers at the end"),
        (outcome.behind as u64, "windows did not have everything at the end"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {count} {what}");
        }
    }
    text
}

/// One line of times; they count from the moment at which a message was meant to be sent.
fn times(what: &str, latency: Latency) -> String {
    format!(
        "  {what:<8} p50 {:.1} ms, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1} ({} measured)\n",
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        latency.p999_ms,
        latency.max_ms,
        latency.count
    )
}
