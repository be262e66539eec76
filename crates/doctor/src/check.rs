//! What a check is: its code, its words, its time limit and the function behind it. `table` writes them down, `run` runs them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::finding::Outcome;
use crate::group::Group;
use crate::subject::Subject;

/// When a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At once; it leaves nothing that others could see.
    Looking,
    /// When all others are done.
    Acting,
}

/// The function behind a check.
pub(crate) type Run = fn(Arc<Subject>) -> BoxFuture<'static, Outcome>;

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its code, for ever.
    pub code: &'static str,
    /// What it belongs to.
    pub group: Group,
    /// What it looks at, in a few words.
    pub title: &'static str,
    /// What is looked at and what is wrong if it fails, for the documentation.
    pub about: &'static str,
    /// How long it may take.
    pub limit: Duration,
    /// When it runs.
    pub turn: Turn,
    pub(crate) run: Run,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Check({})", self.code)
    }
}

macro_rules! check {
    ($code:literal, $group:ident, $title:literal, $seconds:literal, $function:path, $about:literal) => {
        $crate::check::check!($code, $group, $title, $seconds, $function, $about, Looking)
    };
    ($code:literal, $group:ident, $title:literal, $seconds:literal, $function:path, $about:literal, $turn:ident) => {
        $crate::check::Check {
            code: $code,
            group: $crate::group::Group::$group,
            title: $title,
            about: $about,
            limit: std::time::Duration::from_secs($seconds),
            turn: $crate::check::Turn::$turn,
            run: |subject| Box::pin(async move { $function(&subject).await }),
        }
    };
}

pub(crate) use check;
