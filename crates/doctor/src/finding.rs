//! What a check found. Checks return an [`Outcome`]; `run.rs` makes a [`Finding`] of it, with the check's code and without
//! secrets.

use serde::Serialize;

use crate::group::Group;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is as it should be.
    Pass,
    /// It works, and something should be done all the same.
    Warn,
    /// Something is wrong, or the check itself failed.
    Fail,
    /// There was nothing to look at, or something else must be mended first.
    Skipped,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub struct Finding {
    /// The check's stable code, such as ML-REDIS-002.
    pub code: String,
    /// What it belongs to.
    pub group: Group,
    /// What was looked at, in a few words.
    pub title: String,
    /// How it ended.
    pub status: Status,
    /// What was seen; where it was skipped, why.
    pub seen: String,
    /// Why that matters; only with warn and fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The command or setting that mends it; only with warn and fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// How long the check took, in milliseconds.
    pub took_ms: u64,
}

/// What a check answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) seen: String,
    pub(crate) advice: Option<Advice>,
    /// Of checks that reach for another machine: whether it was there.
    pub(crate) reached: Option<bool>,
}

/// What goes with a warning or a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) why: String,
    pub(crate) fix: String,
}

impl Outcome {
    pub(crate) fn pass(seen: impl Into<String>) -> Self {
        Self { status: Status::Pass, seen: seen.into(), advice: None, reached: None }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { status: Status::Skipped, seen: why.into(), advice: None, reached: None }
    }

    pub(crate) fn warn(
        seen: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let advice = Some(Advice { why: why.into(), fix: fix.into() });
        Self { status: Status::Warn, seen: seen.into(), advice, reached: None }
    }

    pub(crate) fn fail(
        seen: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { status: Status::Fail, ..Self::warn(seen, why, fix) }
    }

    /// Says that the other side was there, or not.
    pub(crate) fn reached(mut self, is_reached: bool) -> Self {
        self.reached = Some(is_reached);
        self
    }

    /// The worse of two, with what was seen of both where they are equally bad.
    pub(crate) fn and(self, other: Self) -> Self {
        let rank = |outcome: &Self| match outcome.status {
            Status::Skipped => 0,
            Status::Pass => 1,
            Status::Warn => 2,
            Status::Fail => 3,
        };
        match rank(&self).cmp(&rank(&other)) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => {
                let advice = self.advice.zip(other.advice).map(|(one, two)| Advice {
                    why: joined(one.why, &two.why),
                    fix: joined(one.fix, &two.fix),
                });
                Self {
                    status: self.status,
                    seen: joined(self.seen, &other.seen),
                    advice,
                    reached: self.reached.or(other.reached),
                }
            }
        }
    }
}

fn joined(one: String, two: &str) -> String {
    if one == two { one } else { format!("{one} {two}").trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_outcomes_is_told_and_equals_are_told_together() {
        let fault = |text: &str| Outcome::fail(text, "Because.", text);
        assert_eq!(Outcome::pass("good").and(fault("a")), fault("a"));
        assert_eq!(fault("a").and(Outcome::warn("w", "x", "y")), fault("a"));
        assert_eq!(Outcome::skipped("none").and(Outcome::pass("good")), Outcome::pass("good"));
        let both = fault("a").and(fault("b"));
        assert_eq!((both.seen.as_str(), both.advice.unwrap().why.as_str()), ("a b", "Because."));
    }
}
