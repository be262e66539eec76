//! Any bytes as a Fernet token: refused, since nobody has the keys.
#![no_main]

#[path = "../../tests/support/harmless.rs"]
mod harmless;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harmless::fernet(bytes));
