//! `moorline soak`: one run, or the two of the mission, each judged by the checker.

use std::process::ExitCode;
use std::time::Duration;

use moorline_load::run::Plan;

use super::args::{Scenario, SoakArgs};
use super::judged::{self, Place};
use super::local::Local;
use super::{Phase, conclude, plan, played};
use crate::failure::Failure;
use crate::settings::Environment;

/// The mission's two stretches: how they are called, people, tabs of each, rooms, messages a second.
const MISSION: [(&str, usize, usize, usize, f64); 2] =
    [("two windows", 2, 1, 1, 1.0), ("twelve tabs", 4, 3, 2, 4.0)];
/// Each.
const MISSION_LASTS: Duration = Duration::from_secs(600);

/// Runs it all and prints what came of it.
pub(super) async fn run(args: &SoakArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let local = match args.load.local {
        true => Some(Local::start().await?),
        false => None,
    };
    let mut phases = Vec::new();
    match args.scenario {
        None => {
            let plan = plan::of(&args.load, local.as_ref(), environment)?;
            let plan = plan::with_faults(plan, args)?;
            phases.push(phase(args, plan, "soak", false).await?);
        }
        Some(Scenario::Mission) => {
            for (name, people, tabs, rooms, rate) in MISSION {
                let mut load = args.load.clone();
                (load.people, load.tabs, load.rooms) = (Some(people), Some(tabs), Some(rooms));
                load.rate = Some(rate);
                let plan = plan::of(&load, local.as_ref(), environment)?;
                let mut plan = plan::with_faults(plan, args)?;
                plan.lasts = MISSION_LASTS.mul_f64(scale(args)?);
                // A command may end connections: that is what it is for.
                phases.push(phase(args, plan, name, args.exec.is_none()).await?);
            }
        }
    }
    let title = if args.scenario.is_some() { "Moorline: the mission" } else { "Moorline: a soak" };
    conclude(title, &phases, args.load.json, args.load.report.as_deref())
}

fn scale(args: &SoakArgs) -> Result<f64, Failure> {
    let scale = args.time_scale.unwrap_or(1.0);
    if scale > 0.0 && scale <= 1_000.0 {
        return Ok(scale);
    }
    Err(Failure::usage(
        format!("--time-scale: times cannot be multiplied by {scale}."),
        "Use a number above 0, at most 1000.",
    ))
}

async fn phase(
    args: &SoakArgs,
    mut plan: Plan,
    name: &str,
    must_hold: bool,
) -> Result<Phase, Failure> {
    let mut place = Place::choose(args.history.as_ref());
    plan.history = Some(place.path().to_owned());
    let outcome = played(&plan, name).await?;
    let mut phase = judged::judge(name, place.path(), outcome, must_hold)?;
    if place.is_kept() || !phase.ok {
        phase.history = Some(place.keep());
    }
    Ok(phase)
}
