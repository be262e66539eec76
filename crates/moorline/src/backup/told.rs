//! What backup, restore, verify and import print: sums, times, and what is wrong.

use std::fmt::Write;

use moorline_store::backup::Summary;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, as `2026-11-26T07:30:12.345Z`.
pub(crate) fn moment(ms: u64) -> String {
    let nanos = i128::from(ms) * 1_000_000;
    let text = OffsetDateTime::from_unix_timestamp_nanos(nanos).map(|at| at.format(&Rfc3339));
    text.ok().and_then(Result::ok).unwrap_or_else(|| format!("{ms} ms after 1970"))
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in the unit that fits.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{} bytes", number(bytes)),
        10_240..10_485_760 => format!("{} KiB", number(bytes >> 10)),
        _ => format!("{} MiB", number(bytes >> 20)),
    }
}

/// So many of them.
fn of(count: u64, one: &str, several: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { several })
}

/// How much there is.
pub(super) fn sums(summary: &Summary) -> String {
    let counts = &summary.counts;
    let mut text = format!(
        "  {}, {}, {}, {} in {}, {}, {}, {}\n",
        of(counts.people, "person", "people"),
        of(counts.rooms, "room", "rooms"),
        of(counts.members, "member", "members"),
        of(counts.messages, "message", "messages"),
        of(counts.events, "event", "events"),
        of(counts.cids, "first answer", "first answers"),
        of(counts.accounts, "account", "accounts"),
        of(counts.sessions, "session", "sessions"),
    );
    if counts.newest_ms > 0 {
        let _ = writeln!(text, "  the newest event is of {}", moment(counts.newest_ms));
    }
    text
}

/// What is wrong, one line each, or that nothing is.
pub(super) fn faults(summary: &Summary) -> String {
    if summary.fault_count == 0 {
        return "  no fault: every log is dense, every command once, every sum right\n".to_owned();
    }
    let mut text = format!("  {}\n", of(summary.fault_count, "FAULT", "FAULTS"));
    for fault in &summary.faults {
        let _ = writeln!(text, "  {fault}");
    }
    let more = summary.fault_count - summary.faults.len() as u64;
    if more > 0 {
        let _ = writeln!(text, "  and {} more", number(more));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sizes_and_moments_read_well() {
        assert_eq!([7, 700, 7_000, 1_234_567].map(number), ["7", "700", "7,000", "1,234,567"]);
        assert_eq!(
            [0, 1, 2_000].map(|n| of(n, "room", "rooms")),
            ["0 rooms", "1 room", "2,000 rooms"]
        );
        assert_eq!([512, 20_480, 99 << 20].map(size), ["512 bytes", "20 KiB", "99 MiB"]);
        assert_eq!(moment(1_795_377_137_615), "2026-11-22T19:52:17.615Z");
    }
}
