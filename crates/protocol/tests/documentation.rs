//! `docs/protocol.md` lists every error and close code as the code defines them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;

use moorline_protocol::{CloseCode, ErrorCode};

fn errors() -> String {
    let mut table = String::from("| code | retry | HTTP | meaning |\n| --- | --- | --- | --- |\n");
    for code in ErrorCode::ALL {
        let retry = if code.is_retryable() { "yes" } else { "no" };
        let _ =
            writeln!(table, "| `{code}` | {retry} | {} | {} |", code.http_status(), code.text());
    }
    table
}

fn closes() -> String {
    let mut table = String::from("| code | meaning | come back |\n| --- | --- | --- |\n");
    for (code, meaning) in CloseCode::ALL {
        let back = if code.may_reconnect() { "yes" } else { "no" };
        let _ = writeln!(table, "| {code} | {meaning} | {back} |");
    }
    table
}

#[test]
fn the_documentation_lists_every_error_and_close_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let text = std::fs::read_to_string(path).expect("docs/protocol.md is there");
    for table in [errors(), closes()] {
        assert!(text.contains(&table), "docs/protocol.md must hold this table:\n{table}");
    }
}
