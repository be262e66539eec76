//! `moorline soak` and `moorline bench`: people who talk to any installation over its public protocol, judged by the checker
//! of `soak verify`, or measured. The people are those of `moorline-load`; here are the command line, the wait, the verdict
//! and the report.

pub mod args;
mod bench;
mod judged;
mod local;
mod plan;
mod plot;
mod progress;
mod report;
mod said;
mod soak;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use moorline_load::run::{self, Outcome, Plan};
use serde::Serialize;
use tokio::sync::watch;

use self::args::{BenchArgs, SoakArgs};
use self::progress::Told;
use crate::failure::{Exit, Failure};
use crate::settings::Environment;
use crate::soak::Verdict;

/// One stretch of a run: a soak has one, the mission has two.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub(crate) struct Phase {
    /// What it is called in the report.
    pub(crate) name: String,
    /// Whether everything that was asked of it is so.
    pub(crate) ok: bool,
    /// What is not so, in sentences.
    pub(crate) faults_found: Vec<String>,
    /// What was measured.
    pub(crate) outcome: Outcome,
    /// The checker's word; none for a benchmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    /// Where the history is, if it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<String>,
}

/// What is printed with `--json`; `docs/soak.schema.json` describes it.
#[derive(Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[cfg_attr(any(test, feature = "schema"), schemars(rename = "Run"))]
struct Whole<'a> {
    /// Whether all of it is as it must be. Exit code 0 if so, else 1.
    ok: bool,
    /// One for a soak or a benchmark, two for the mission.
    phases: &'a [Phase],
}

/// The JSON Schema of what `soak --json` and `bench --json` print.
#[cfg(any(test, feature = "schema"))]
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Whole<'static>);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}

/// `moorline soak`: exit code 0 if every promise was kept, 1 if not.
///
/// # Errors
/// If the run cannot be made.
pub fn soak(args: &SoakArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    within(soak::run(args, environment))?
}

/// `moorline bench`.
///
/// # Errors
/// If the run cannot be made.
pub fn bench(args: &BenchArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    within(bench::run(args, environment))?
}

fn within<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Exit::Failed, "The run cannot be started.", "Try again.").because(error)
    })?;
    Ok(runtime.block_on(work))
}

/// Runs a plan and shows how far it is; Ctrl-C ends the talk early, and the rest is done as ever.
async fn played(plan: &Plan, name: &str) -> Result<Outcome, Failure> {
    let (stop, stopped) = watch::channel(false);
    let listening = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("\nending early; what was said so far is still judged");
            stop.send_replace(true);
        }
        // The sender stays, so that the run never takes its end for a signal.
        std::future::pending::<()>().await;
    });
    let mut told = Told::new(name, plan.lasts);
    let outcome = run::run(plan, stopped, |progress| told.tell(progress)).await;
    drop(told);
    listening.abort();
    outcome.map_err(|error| {
        let is_connecting = format!("{error:#}").contains("cannot connect to");
        let exit = if is_connecting { Exit::Unreachable } else { Exit::Failed };
        let fix = "Check the URL, the secret and the command; `moorline soak --local` needs none of them.";
        Failure::new(exit, "The run could not be made.", fix).because(format!("{error:#}"))
    })
}

/// Prints what came of it, in the form that was asked for, and writes the report.
fn conclude(
    title: &str,
    phases: &[Phase],
    json: bool,
    report: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let ok = phases.iter().all(|phase| phase.ok);
    if let Some(path) = report {
        fs::write(path, report::html(title, phases)).map_err(|error| {
            let what = format!("The report `{}` cannot be written.", path.display());
            Failure::new(Exit::Failed, what, "Choose another place with --report.").because(error)
        })?;
    }
    if json {
        let text = serde_json::to_string(&Whole { ok, phases }).map_err(|error| {
            Failure::new(Exit::Failed, "The outcome is no JSON.", "Leave out --json.")
                .because(error)
        })?;
        println!("{text}");
    } else {
        phases.iter().for_each(|phase| print!("{}", said::text(phase)));
    }
    Ok(if ok { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_schema_is_current() {
        let committed = include_str!("../../../../docs/soak.schema.json");
        assert!(
            committed == super::schema(),
            "run `cargo xtask schema` and commit docs/soak.schema.json"
        );
    }
}
