//! Steps with names and times, and the summary at the end.
//!
//! A run goes on after a step that fails, so that one run tells all, unless the others need that step or the caller wants
//! to stop; the steps that were not reached are named, so that nobody takes them for passed.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::repository::Repository;

/// What a step does.
pub(crate) type Run = Box<dyn Fn(&Repository) -> Result<()>>;

/// One step of a run.
pub(crate) struct Step {
    /// What the summary calls it.
    pub(crate) name: String,
    /// What to do when it fails.
    pub(crate) remedy: String,
    /// The command that runs this step alone.
    pub(crate) again: String,
    /// What follows when it fails.
    pub(crate) on_failure: OnFailure,
    /// The step itself.
    pub(crate) run: Run,
}

/// What follows when a step fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The next step.
    GoOn,
    /// It is tried once more, since it needs a browser, a network or other people's programs on a machine that may be busy.
    /// The summary tells who needed that.
    TryAgain,
    /// Nothing: the others need it.
    Stop,
}

enum Verdict {
    Passed(Duration),
    Flaky(Duration, String),
    Failed(Duration, String),
    NotReached,
}

/// Runs the steps in their order, prints the summary, and tells whether all passed.
pub(crate) fn run(repository: &Repository, steps: &[Step], fail_fast: bool) -> bool {
    let started = Instant::now();
    let mut verdicts = Vec::new();
    let mut stopped = false;
    for (index, step) in steps.iter().enumerate() {
        if stopped {
            verdicts.push(Verdict::NotReached);
            continue;
        }
        println!("\n=== {}/{} {}", index + 1, steps.len(), step.name);
        let mut verdict = one(repository, step);
        if step.on_failure == OnFailure::TryAgain {
            verdict = again(repository, step, verdict);
        }
        stopped = matches!(verdict, Verdict::Failed(..))
            && (fail_fast || step.on_failure == OnFailure::Stop);
        verdicts.push(verdict);
    }
    summary(steps, &verdicts, started.elapsed())
}

fn one(repository: &Repository, step: &Step) -> Verdict {
    let started = Instant::now();
    let result = (step.run)(repository);
    let took = started.elapsed();
    match result {
        Ok(()) => {
            println!("--- {}: passed in {}", step.name, seconds(took));
            Verdict::Passed(took)
        }
        Err(error) => {
            println!("--- {}: FAILED after {}", step.name, seconds(took));
            println!("    why:        {error:#}");
            println!("    what to do: {}", step.remedy);
            println!("    again:      {}", step.again);
            Verdict::Failed(took, format!("{error:#}"))
        }
    }
}

/// What failed once is flaky if it passes now.
fn again(repository: &Repository, step: &Step, verdict: Verdict) -> Verdict {
    let Verdict::Failed(before, why) = verdict else { return verdict };
    println!("\n=== {} once more", step.name);
    match one(repository, step) {
        Verdict::Passed(took) => Verdict::Flaky(before + took, why),
        verdict => verdict,
    }
}

/// Prints one line a step and, last, the counts in the form that test runners print.
fn summary(steps: &[Step], verdicts: &[Verdict], took: Duration) -> bool {
    println!("\n=== summary");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (step, verdict) in steps.iter().zip(verdicts) {
        match verdict {
            Verdict::Passed(took) => {
                passed += 1;
                println!("  passed      {:>8}  {}", seconds(*took), step.name);
            }
            Verdict::Flaky(took, why) => {
                passed += 1;
                println!("  FLAKY       {:>8}  {}: {why}", seconds(*took), step.name);
            }
            Verdict::Failed(took, why) => {
                failed += 1;
                println!("  FAILED      {:>8}  {}: {why}", seconds(*took), step.name);
            }
            Verdict::NotReached => {
                skipped += 1;
                println!("  not reached            {}", step.name);
            }
        }
    }
    println!("in {}", seconds(took));
    if skipped == 0 {
        println!("{passed} passed, {failed} failed");
    } else {
        println!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    failed == 0
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
