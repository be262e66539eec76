//! Runs checks: all at once, each with a time limit of its own. One that crashes or hangs becomes a finding and keeps nobody
//! else from theirs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::check::{Check, Turn};
use crate::finding::{Finding, Outcome, Status};
use crate::group::Group;
use crate::report::Report;
use crate::subject::Subject;
use crate::table::CHECKS;

/// Which checks are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Vec<&'static str>);

/// A word that names neither a check nor a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

impl Wanted {
    /// Those that these words name: codes, or groups; all where there is none.
    ///
    /// # Errors
    /// The first word that names nothing.
    pub fn of(words: &[String]) -> Result<Self, Unknown> {
        let mut codes = Vec::new();
        for word in words {
            let fits = |check: &&Check| {
                check.code.eq_ignore_ascii_case(word)
                    || check.group.as_str().eq_ignore_ascii_case(word)
            };
            let found: Vec<_> = CHECKS.iter().filter(fits).map(|check| check.code).collect();
            if found.is_empty() {
                return Err(Unknown(word.clone()));
            }
            codes.extend(found);
        }
        Ok(Self(codes))
    }

    /// Where nothing is named: with a URL, what can be seen from outside; else what the server would use.
    fn has(&self, check: &Check, is_outside: bool) -> bool {
        if self.0.is_empty() {
            return (check.group == Group::Web) == is_outside || check.group == Group::Token;
        }
        self.0.contains(&check.code)
    }
}

/// Runs the checks and gives what they found, in the order of the table.
pub async fn examine(subject: Subject, wanted: &Wanted) -> Report {
    let subject = Arc::new(subject);
    let chosen: Vec<&Check> =
        CHECKS.iter().filter(|check| wanted.has(check, subject.web.is_some())).collect();
    let mut found = Vec::new();
    // What leaves traces for others to see comes when they have seen.
    for turn in [Turn::Looking, Turn::Acting] {
        let started: Vec<_> = chosen
            .iter()
            .filter(|check| check.turn == turn)
            .map(|check| (*check, begin(check, Arc::clone(&subject))))
            .collect();
        for (check, (since, running)) in started {
            found.push((check, end(check, running, since, &subject).await));
        }
    }
    found.sort_by_key(|(check, _)| CHECKS.iter().position(|other| other.code == check.code));
    Report::of(
        found.into_iter().map(|(check, (outcome, took))| finding(check, outcome, took, &subject)),
    )
}

type Running = (Instant, JoinHandle<Outcome>);

fn begin(check: &Check, subject: Arc<Subject>) -> Running {
    (Instant::now(), tokio::spawn((check.run)(subject)))
}

async fn end(
    check: &Check,
    mut running: JoinHandle<Outcome>,
    since: Instant,
    subject: &Subject,
) -> (Outcome, Duration) {
    let limit = check.limit + subject.web.as_ref().and_then(|web| web.idle).unwrap_or_default();
    let left = limit.saturating_sub(since.elapsed());
    let outcome = match tokio::time::timeout(left, &mut running).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::fail(
            "The check itself crashed.",
            "What it looks at is not known; the other checks went on.",
            format!(
                "This is a fault of Moorline: report it, with the output of moorline doctor --only {}.",
                check.code
            ),
        ),
        Err(_) => {
            running.abort();
            Outcome::fail(
                format!("The check did not end within {} s.", limit.as_secs()),
                "Something that it asked accepts connections, or opens files, and then never answers: a stalled \
                 disk, a paused process, a firewall that swallows packets.",
                format!(
                    "Look at what it asks, then try again: moorline doctor --only {}.",
                    check.code
                ),
            )
        }
    };
    (outcome, since.elapsed())
}

fn finding(
    check: &Check,
    outcome: Outcome,
    took: Duration,
    subject: &Subject,
) -> (Finding, Option<bool>) {
    let cover = |text: &str| subject.mask.cover(text);
    let advice = outcome.advice;
    let has_advice = matches!(outcome.status, Status::Warn | Status::Fail);
    let (why, fix) = advice.filter(|_| has_advice).map(|told| (told.why, told.fix)).unzip();
    let finding = Finding {
        code: check.code.to_owned(),
        group: check.group,
        title: check.title.to_owned(),
        status: outcome.status,
        seen: cover(&outcome.seen),
        why: why.map(|text: String| cover(&text)),
        fix: fix.map(|text: String| cover(&text)),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    (finding, outcome.reached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Mask;
    use crate::subject::Problem;

    fn subject() -> Subject {
        let mut mask = Mask::default();
        mask.hide("hunter2");
        Subject {
            local: Err(Problem { what: "x".into(), fix: "y".into() }),
            misspelt: Vec::new(),
            web: None,
            token: None,
            mask,
            now: std::time::SystemTime::now,
        }
    }

    fn check(run: crate::check::Run, limit: Duration) -> Check {
        let mut check = CHECKS[0];
        (check.run, check.limit) = (run, limit);
        check
    }

    async fn outcome(run: crate::check::Run, limit: Duration) -> Finding {
        let (subject, check) = (Arc::new(subject()), check(run, limit));
        let (since, running) = begin(&check, Arc::clone(&subject));
        let (outcome, took) = end(&check, running, since, &subject).await;
        finding(&check, outcome, took, &subject).0
    }

    #[tokio::test]
    async fn a_check_that_crashes_is_a_finding() {
        let found =
            outcome(|_| Box::pin(async { panic!("planted") }), Duration::from_secs(60)).await;
        assert_eq!(found.status, Status::Fail);
        assert!(found.seen.contains("crashed") && found.fix.is_some(), "{found:?}");
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_a_finding() {
        let found = outcome(|_| Box::pin(std::future::pending()), Duration::from_millis(10)).await;
        assert_eq!(found.status, Status::Fail);
        assert!(found.seen.contains("did not end"), "{found:?}");
    }

    #[tokio::test]
    async fn no_text_of_a_finding_holds_a_secret() {
        let told = |_| -> futures_util::future::BoxFuture<'static, Outcome> {
            Box::pin(async { Outcome::fail("hunter2 a", "hunter2 b", "hunter2 c") })
        };
        let found = outcome(told, Duration::from_secs(60)).await;
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }

    #[test]
    fn checks_are_wanted_by_code_or_group_and_nothing_else() {
        let wanted = |words: &[&str]| {
            Wanted::of(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(wanted(&["ml-redis-002"]).unwrap().0, ["ML-REDIS-002"]);
        assert!(wanted(&["redis"]).unwrap().0.len() > 10);
        assert_eq!(wanted(&["redis", "nonsense"]).unwrap_err(), Unknown("nonsense".into()));
    }
}
