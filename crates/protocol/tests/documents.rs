//! Every frame of the code is in `docs/schema/asyncapi.json`, in `docs/protocol.md` and among the golden frames, and every
//! operation is in `docs/schema/openapi.json` and in a chapter of `docs/`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use moorline_protocol::api::Operation;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// The words of a direction as the AsyncAPI document has them.
fn documented(direction: &str) -> BTreeSet<String> {
    let document = json("docs/schema/asyncapi.json");
    let messages = document["components"]["messages"].as_object().unwrap();
    messages.keys().filter_map(|key| key.strip_prefix(direction)).map(str::to_owned).collect()
}

/// The words of a direction among the golden frames, which the code reads and writes.
fn golden(direction: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join("tests/wire")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let frames =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).flat_map(
            |path| match serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() {
                Value::Array(frames) => frames,
                frame => vec![frame],
            },
        );
    let of_direction = frames.filter(|frame| frame["direction"] == direction);
    of_direction.map(|frame| frame["frame"]["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_frame_is_documented_and_has_a_golden_frame() {
    assert_eq!(documented("command."), golden("client"));
    assert_eq!(documented("reply."), golden("server"));
}

#[test]
fn the_description_of_the_protocol_names_every_frame() {
    let description = text("docs/protocol.md");
    for word in documented("command.").union(&documented("reply.")) {
        assert!(
            description.contains(&format!("`{word}`")),
            "docs/protocol.md says nothing of `{word}`"
        );
    }
}

#[test]
fn the_document_of_the_api_has_every_operation_and_no_other() {
    let document = json("docs/schema/openapi.json");
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_ascii_uppercase()));
        }
    }
    let known =
        Operation::ALL.iter().map(|one| format!("{} {}", one.method().as_str(), one.path()));
    assert_eq!(documented, known.collect::<BTreeSet<_>>());
}

#[test]
fn a_chapter_names_every_operation() {
    let chapters = std::fs::read_dir(root().join("docs")).unwrap();
    let paths = chapters.map(|chapter| chapter.unwrap().path());
    let texts = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let chapters: String = texts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for operation in Operation::ALL {
        let line = format!("{} {}", operation.method().as_str(), operation.path());
        assert!(chapters.contains(&line), "no chapter of docs/ says anything of `{line}`");
    }
}
