//! Replays the corpus of the fuzz targets, so that what once did harm is tried with every run.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

#[path = "support/harmless.rs"]
mod harmless;

use std::path::Path;

use moorline_layer::{Fernet, Serializer, Value};

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() >= 10, "the corpus of {name} has {} files only", files.len());
    files
}

/// A corpus that never gets past the first byte would show nothing.
fn assert_reaches_both_ends(serializer: Serializer, files: &[Vec<u8>]) {
    let is_map = |bytes: &&Vec<u8>| matches!(serializer.decode(bytes), Ok(Value::Map(_)));
    let maps = files.iter().filter(is_map).count();
    assert!(maps >= 3 && maps + 3 <= files.len(), "{maps} of {} are messages", files.len());
}

#[test]
fn no_msgpack_of_the_corpus_does_harm() {
    let files = corpus("msgpack");
    files.iter().for_each(|bytes| harmless::decoder(Serializer::Msgpack, bytes));
    assert_reaches_both_ends(Serializer::Msgpack, &files);
}

#[test]
fn no_json_of_the_corpus_does_harm() {
    let files = corpus("json");
    files.iter().for_each(|bytes| harmless::decoder(Serializer::Json, bytes));
    assert_reaches_both_ends(Serializer::Json, &files);
}

#[test]
fn no_token_of_the_corpus_does_harm() {
    let files = corpus("fernet");
    files.iter().for_each(|bytes| harmless::fernet(bytes));
    let ours = Fernet::new(&["s3cret-key"]).unwrap();
    let opened = files.iter().filter(|bytes| ours.open(bytes, 0, None).is_ok()).count();
    assert!(opened >= 3, "only {opened} are tokens at all");
}
