//! Any bytes as msgpack: a value that is written and read again the same, or an error.
#![no_main]

#[path = "../../tests/support/harmless.rs"]
mod harmless;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harmless::decoder(moorline_layer::Serializer::Msgpack, bytes));
