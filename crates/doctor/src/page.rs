//! The page of the documentation that lists every check, made from the table. The generator writes it, a test compares it.

use std::fmt::Write as _;

use crate::check::Turn;
use crate::group::Group;
use crate::table::CHECKS;

const BEGINNING: &str = include_str!("page.md");

/// The page `docs/doctor.md`.
#[must_use]
pub fn page() -> String {
    let mut text = BEGINNING.to_owned();
    for group in Group::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n## {}\n\n`--only {}`\n", group.title(), group.as_str());
        let _ = writeln!(
            text,
            "| code | what | what is looked at, and what is wrong if it fails |\n| --- | --- | --- |"
        );
        for check in CHECKS.iter().filter(|check| check.group == group) {
            let acts = if check.turn == Turn::Acting { " Comes after all others." } else { "" };
            let _ =
                writeln!(text, "| `{}` | {} | {}{acts} |", check.code, check.title, check.about);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_current() {
        let committed = include_str!("../../../docs/doctor.md");
        assert!(committed == page(), "run `cargo xtask schema` and commit docs/doctor.md");
    }

    #[test]
    fn every_code_stands_on_the_page_once_and_fits_its_group() {
        let page = page();
        for check in CHECKS {
            assert_eq!(page.matches(&format!("`{}` |", check.code)).count(), 1, "{}", check.code);
            assert!(!check.about.contains('|'), "{}", check.code);
        }
    }
}
