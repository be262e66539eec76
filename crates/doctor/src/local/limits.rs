//! How many files, and so connections, the server may have open.

use rustix::process::{Resource, getrlimit};

use super::unread;
use crate::finding::Outcome;
use crate::subject::Subject;

/// The store, the layer and the listeners need up to a hundred; with less than this not even a small team fits.
const FEW: u64 = 512;
/// What a thousand people with two windows each need, and some room.
const ENOUGH: u64 = 4_096;
/// Files that are no connections of people.
const OWN: u64 = 100;

pub(crate) async fn allow_connections(subject: &Subject) -> Outcome {
    let running = match &subject.local {
        Ok(local) => local.running,
        Err(_) => return unread(),
    };
    match running.and_then(of_process) {
        Some(limit) => judge(limit, "The running server"),
        None => judge(
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            "A server started by this user",
        ),
    }
}

/// The limit of another process, as Linux tells it.
fn of_process(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Max open files"))?;
    let soft = line.split_whitespace().nth(3)?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

fn judge(limit: u64, whose: &str) -> Outcome {
    let people = limit.saturating_sub(OWN);
    if limit == u64::MAX {
        return Outcome::pass(format!("{whose} may have any number of files open."));
    }
    let seen = format!("{whose} may have {limit} files open: about {people} connections.");
    let why = "Each connection is an open file. At the limit nobody else gets in, and the log says \"too many open files\".";
    let fix = "With systemd: LimitNOFILE=65536 in the unit. With Docker: --ulimit nofile=65536. In a shell: ulimit -n 65536.";
    match limit {
        0..FEW => Outcome::fail(seen, why, fix),
        FEW..ENOUGH => Outcome::warn(seen, why, fix),
        _ => Outcome::pass(seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status;

    #[test]
    fn few_files_fail_some_are_warned_of_and_many_pass() {
        assert_eq!(judge(256, "It").status, Status::Fail);
        assert_eq!(judge(1_024, "It").status, Status::Warn);
        assert_eq!(judge(65_536, "It").status, Status::Pass);
        assert_eq!(judge(u64::MAX, "It").status, Status::Pass);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_limit_of_a_running_process_is_read() {
        let own = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(of_process(std::process::id()), Some(own));
        assert_eq!(of_process(0), None);
    }
}
