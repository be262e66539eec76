//! Steps with names and times, and the summary at the end.
//!
//! A run stops at the first step that fails unless it was told to go on; the steps that were not
//! reached are named, so that nobody takes them for passed.

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
    /// The step itself.
    pub(crate) run: Run,
}

enum Verdict {
    Passed(Duration),
    Failed(Duration, String),
    NotReached,
}

/// Runs the steps in their order, prints the summary, and tells whether all passed.
pub(crate) fn run(repository: &Repository, steps: &[Step], keep_going: bool) -> bool {
    let started = Instant::now();
    let mut verdicts = Vec::new();
    let mut stopped = false;
    for (index, step) in steps.iter().enumerate() {
        if stopped {
            verdicts.push(Verdict::NotReached);
            continue;
        }
        println!("\n=== {}/{} {}", index + 1, steps.len(), step.name);
        let verdict = one(repository, step);
        stopped = matches!(verdict, Verdict::Failed(..)) && !keep_going;
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
