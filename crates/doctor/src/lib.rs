//! Looks at what a Moorline server would use, or uses, and says what is wrong and how to mend it.
//!
//! The program's `doctor` command fills in a [`Subject`], asks [`examine`] and prints the [`Report`]. Each check of
//! [`CHECKS`] has a stable code, takes what it needs from the subject, and changes nothing but keys and files of its own,
//! which it takes away again. Nothing here knows the command line.

mod check;
mod finding;
mod group;
mod local;
mod mask;
mod page;
mod redis;
mod report;
mod run;
mod subject;
mod table;
mod web;

pub use check::Check;
pub use finding::{Finding, Status};
pub use group::Group;
pub use mask::Mask;
pub use page::page;
#[cfg(any(test, feature = "schema"))]
pub use report::schema;
pub use report::{Counts, Report, Verdict};
pub use run::{Unknown, Wanted, examine};
pub use subject::{Layer, Listening, Local, NotUrl, Problem, Secret, Subject, Target, Web};
pub use table::CHECKS;
