//! What all checks found together, for people as text and for programs as JSON, and how the command ends.

use std::fmt::Write as _;

use serde::Serialize;

use crate::finding::{Finding, Status};
use crate::group::Group;

/// What was found. Its JSON has the schema that `docs/doctor.schema.json` holds.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub struct Report {
    /// The version of this form; 1.
    pub version: u32,
    /// The version of the program.
    pub moorline: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How many ended how.
    pub counts: Counts,
    /// One for each check, in the order of the table.
    pub findings: Vec<Finding>,
}

/// How it ended; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing fails; there may be warnings. Exit code 0.
    Well,
    /// Something fails. Exit code 1.
    Faults,
    /// None of the machines that were asked could be reached. Exit code 3.
    Unreachable,
}

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the names of `Status`")]
pub struct Counts {
    pub pass: u32,
    pub warn: u32,
    pub fail: u32,
    pub skipped: u32,
}

/// The JSON Schema of the report.
#[cfg(any(test, feature = "schema"))]
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Report);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}

impl Report {
    /// Of findings, each with whether it reached the machine that it asked, if it asked one.
    pub(crate) fn of(found: impl Iterator<Item = (Finding, Option<bool>)>) -> Self {
        let (findings, reached): (Vec<_>, Vec<_>) = found.unzip();
        let mut counts = Counts::default();
        for finding in &findings {
            *match finding.status {
                Status::Pass => &mut counts.pass,
                Status::Warn => &mut counts.warn,
                Status::Fail => &mut counts.fail,
                Status::Skipped => &mut counts.skipped,
            } += 1;
        }
        let asked: Vec<bool> = reached.into_iter().flatten().collect();
        let verdict = match counts.fail {
            0 => Verdict::Well,
            _ if !asked.is_empty() && !asked.contains(&true) => Verdict::Unreachable,
            _ => Verdict::Faults,
        };
        Self {
            version: 1,
            moorline: env!("CARGO_PKG_VERSION").to_owned(),
            verdict,
            counts,
            findings,
        }
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people: by groups, what is wrong with its reason and remedy, and one clear line at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for group in Group::ALL {
            let of_group = || self.findings.iter().filter(|finding| finding.group == group);
            if of_group().next().is_none() {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{}", group.title());
            let (skipped, others): (Vec<_>, Vec<_>) =
                of_group().partition(|finding| finding.status == Status::Skipped);
            others.into_iter().for_each(|finding| add(&mut text, finding));
            add_skipped(&mut text, &skipped);
        }
        let _ = writeln!(text, "\n{}", self.last_line());
        text
    }

    fn last_line(&self) -> String {
        let Counts { pass, warn, fail, skipped } = self.counts;
        let with = |number: u32, what: &str| match number {
            0 => String::new(),
            number => format!(", {number} {what}"),
        };
        let rest =
            format!("{pass} passed{}{}", with(warn, "with a warning"), with(skipped, "skipped"));
        match (self.verdict, fail) {
            (Verdict::Well, _) if pass + warn == 0 => "Nothing was looked at.".to_owned(),
            (Verdict::Well, _) => format!("All is well: {rest}."),
            (_, 1) => format!("1 check failed, {rest}. Its remedy stands above, behind \"fix\"."),
            (_, fail) => format!(
                "{fail} checks failed, {rest}. Begin with the first: others may follow from it."
            ),
        }
    }
}

/// Checks that were skipped for one reason stand in one line.
fn add_skipped(text: &mut String, skipped: &[&Finding]) {
    let mut reasons: Vec<&str> = Vec::new();
    for finding in skipped {
        if reasons.contains(&finding.seen.as_str()) {
            continue;
        }
        reasons.push(&finding.seen);
        match skipped.iter().filter(|other| other.seen == finding.seen).count() {
            1 => add(text, finding),
            count => {
                let _ = writeln!(text, "  -    {count} checks skipped: {}", finding.seen);
            }
        }
    }
}

fn add(text: &mut String, finding: &Finding) {
    let sign = match finding.status {
        Status::Pass => "ok  ",
        Status::Warn => "warn",
        Status::Fail => "FAIL",
        Status::Skipped => "-   ",
    };
    let Finding { code, title, seen, .. } = finding;
    let _ = writeln!(text, "  {sign} {code}  {title}: {seen}");
    let told = [("why", &finding.why), ("fix", &finding.fix)];
    for (word, said) in told {
        if let Some(said) = said {
            let _ = writeln!(text, "       {word}: {}", said.replace('\n', "\n            "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(status: Status) -> Finding {
        let advice = matches!(status, Status::Warn | Status::Fail);
        Finding {
            code: "ML-REDIS-002".into(),
            group: Group::Redis,
            title: "Login".into(),
            status,
            seen: "seen".into(),
            why: advice.then(|| "because".into()),
            fix: advice.then(|| "do this".into()),
            took_ms: 1,
        }
    }

    fn report(found: &[(Status, Option<bool>)]) -> Report {
        Report::of(found.iter().map(|(status, reached)| (finding(*status), *reached)))
    }

    #[test]
    fn the_verdict_is_well_with_warnings_and_unreachable_only_if_nobody_was_there() {
        use Status::{Fail, Pass, Skipped, Warn};
        let verdict = |found: &[(Status, Option<bool>)]| report(found).verdict;
        assert_eq!(verdict(&[(Pass, Some(true)), (Warn, None), (Skipped, None)]), Verdict::Well);
        assert_eq!(verdict(&[(Fail, None), (Pass, None)]), Verdict::Faults);
        assert_eq!(verdict(&[(Fail, Some(false)), (Pass, Some(true))]), Verdict::Faults);
        assert_eq!(verdict(&[(Fail, Some(false)), (Pass, None)]), Verdict::Unreachable);
    }

    #[test]
    fn people_read_one_clear_line_at_the_end() {
        let well = report(&[(Status::Pass, None), (Status::Skipped, None)]).text();
        assert!(well.ends_with("All is well: 1 passed, 1 skipped.\n"), "{well}");
        let ill = report(&[(Status::Fail, None), (Status::Pass, None)]).text();
        assert!(
            ill.contains(
                "FAIL ML-REDIS-002  Login: seen\n       why: because\n       fix: do this"
            )
        );
        assert!(ill.contains("1 check failed, 1 passed."), "{ill}");
    }

    #[test]
    fn programs_read_what_the_schema_describes() {
        let json: serde_json::Value =
            serde_json::from_str(&report(&[(Status::Fail, None)]).json()).unwrap();
        assert_eq!(json["findings"][0]["status"], "fail");
        assert_eq!((&json["verdict"], &json["counts"]["fail"]), (&"faults".into(), &1.into()));
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let told = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(told(&json), told(&schema["properties"]));
        assert_eq!(told(&json["findings"][0]), told(&schema["$defs"]["Finding"]["properties"]));
    }

    #[test]
    fn the_committed_schema_is_current() {
        let committed = include_str!("../../../docs/doctor.schema.json");
        assert!(
            committed == schema(),
            "run `cargo xtask schema` and commit docs/doctor.schema.json"
        );
    }
}
