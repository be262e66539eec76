//! Room on the disk of the data folder.

use std::path::Path;

use super::folder::{nearest, write_probe};
use super::{apart, unread};
use crate::finding::Outcome;
use crate::subject::Subject;

/// With less, the write-ahead log of a busy minute does not fit.
const FULL: u64 = 16 << 20;
/// With less, somebody should look soon.
const LITTLE: u64 = 1 << 30;

pub(crate) async fn has_room(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    let folder = local.data_dir.clone();
    apart(move || look(&folder)).await
}

fn look(folder: &Path) -> Outcome {
    let place = nearest(folder);
    let stat = match rustix::fs::statvfs(&place) {
        Ok(stat) => stat,
        Err(error) => return Outcome::skipped(format!("The disk does not say: {error}.")),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let has_entries = stat.f_files == 0 || stat.f_favail > 0;
    let is_full =
        write_probe(&place).is_err_and(|error| error.kind() == std::io::ErrorKind::StorageFull);
    judge(&place, free, has_entries && !is_full)
}

fn judge(place: &Path, free: u64, is_writable: bool) -> Outcome {
    let shown = place.display();
    let seen = format!("{} are free on the disk of `{shown}`.", size(free));
    let why = "Without room nothing can be stored: sends fail as storage_full until there is some again. Nothing that was \
               acknowledged is lost.";
    let fix = format!(
        "Make room, or use a larger disk: df -h {shown}; du -xh {shown} | sort -h | tail. --retention 365d \
                       drops what is old."
    );
    if !is_writable || free < FULL {
        return Outcome::fail(format!("The disk is full: {seen}"), why, fix);
    }
    if free < LITTLE { Outcome::warn(seen, why, fix) } else { Outcome::pass(seen) }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status;

    #[test]
    fn a_full_a_small_and_a_large_disk_are_told_apart() {
        let status = |free, is_writable| judge(Path::new("/data"), free, is_writable).status;
        assert_eq!(status(1 << 20, true), Status::Fail);
        assert_eq!(status(1 << 40, false), Status::Fail);
        assert_eq!(status(500 << 20, true), Status::Warn);
        assert_eq!(status(20 << 30, true), Status::Pass);
    }
}
