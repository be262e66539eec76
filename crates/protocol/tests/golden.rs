//! The golden frames of `tests/wire`, which the TypeScript tests read too: each is read and written back unchanged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use moorline_protocol::{Event, Reply, parse};
use serde_json::{Value, json};

/// Every golden frame with its name and direction.
fn golden() -> Vec<(String, String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path: &Path| -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    files
        .iter()
        .flat_map(|path| match read(path) {
            Value::Array(frames) => frames,
            frame => vec![frame],
        })
        .map(|frame| {
            let text = |key: &str| frame[key].as_str().unwrap().to_owned();
            (text("name"), text("direction"), frame["frame"].clone())
        })
        .collect()
}

/// What the server would write for this frame.
fn written(frame: &Value) -> Value {
    if frame["type"] == "event" {
        json!(
            serde_json::from_value::<Event>(frame.clone())
                .unwrap_or_else(|error| panic!("{frame}: {error}"))
        )
    } else {
        json!(
            serde_json::from_value::<Reply>(frame.clone())
                .unwrap_or_else(|error| panic!("{frame}: {error}"))
        )
    }
}

#[test]
fn every_golden_frame_of_the_server_is_written_as_it_stands() {
    let frames = golden();
    let of_server: Vec<_> =
        frames.iter().filter(|(_, direction, _)| direction == "server").collect();
    assert!(of_server.len() >= 30, "only {} frames", of_server.len());
    for (name, _, frame) in of_server {
        assert_eq!(&written(frame), frame, "{name}");
    }
}

#[test]
fn every_golden_command_is_understood_and_written_back() {
    let frames = golden();
    let of_client: Vec<_> =
        frames.iter().filter(|(_, direction, _)| direction == "client").collect();
    assert!(of_client.len() >= 20, "only {} frames", of_client.len());
    for (name, _, frame) in of_client {
        let (id, command) =
            parse(&frame.to_string()).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        let mut back = json!(command);
        if let Some(id) = id {
            back["id"] = json!(id);
        }
        assert_eq!(&back, frame, "{name}");
    }
}
