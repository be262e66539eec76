//! `moorline bench`: how long messages take and how many pass, without faults and without a history.

use std::process::ExitCode;

use super::args::BenchArgs;
use super::local::Local;
use super::{Phase, conclude, plan, played};
use crate::failure::Failure;
use crate::settings::Environment;

/// Below this share of what was asked for, the rate was not reached.
const REACHED: f64 = 0.97;

/// Runs it and prints what was measured.
pub(super) async fn run(args: &BenchArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let local = match args.load.local {
        true => Some(Local::start().await?),
        false => None,
    };
    let plan = plan::of(&args.load, local.as_ref(), environment)?;
    let outcome = played(&plan, "bench").await?;
    let mut found = Vec::new();
    if outcome.ack.count < outcome.sent {
        let missing = outcome.sent - outcome.ack.count;
        found.push(format!("{missing} of {} messages were never acknowledged", outcome.sent));
    }
    for (code, count) in &outcome.refused {
        found.push(format!("{count} messages were refused with {code}"));
    }
    if outcome.acked_per_second < plan.rate * REACHED {
        found.push(format!(
            "{:.0} messages a second were asked for and {:.0} acknowledged: the server or this \
             machine was too slow, and the times are those of a queue",
            plan.rate, outcome.acked_per_second
        ));
    }
    if outcome.behind > 0 {
        found.push(format!("{} windows did not get everything", outcome.behind));
    }
    let (name, ok) = ("bench".to_owned(), found.is_empty());
    let phase = Phase { name, ok, faults_found: found, outcome, verdict: None, history: None };
    conclude("Moorline: a benchmark", &[phase], args.load.json, args.load.report.as_deref())
}
