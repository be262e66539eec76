//! The documents of `docs/schema` against those that clients were last promised, in `tests/api/released`: nothing that a
//! client relies on may go. Whoever means to break it makes version 2 of the path or the subprotocol.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod documents;
mod schema;

use std::path::Path;

use documents::{breaks_of_api, breaks_of_frames};
use serde_json::{Value, json};

fn read(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn no_path_field_or_word_of_the_released_api_has_gone() {
    let (old, new) = (read("tests/api/released/openapi.json"), read("docs/schema/openapi.json"));
    assert!(old["paths"].as_object().unwrap().len() >= 20, "this is no baseline");
    assert_eq!(breaks_of_api(&old, &new), [] as [String; 0]);
}

#[test]
fn no_frame_field_or_word_of_the_released_protocol_has_gone() {
    let (old, new) = (read("tests/api/released/asyncapi.json"), read("docs/schema/asyncapi.json"));
    assert!(old["components"]["messages"].as_object().unwrap().len() >= 35, "this is no baseline");
    assert_eq!(breaks_of_frames(&old, &new), [] as [String; 0]);
}

/// Takes something away from a document, or adds a demand.
type Plant = fn(&mut Value);

fn remove(document: &mut Value, place: &str, name: &str) {
    let object = document.pointer_mut(place).unwrap_or_else(|| panic!("{place} is not there"));
    object.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("no {name}"));
}

fn retain(document: &mut Value, place: &str, keep: impl Fn(&Value) -> bool) {
    let list = document.pointer_mut(place).unwrap().as_array_mut().unwrap();
    let before = list.len();
    list.retain(keep);
    assert_ne!(before, list.len(), "{place} lost nothing");
}

fn push(document: &mut Value, place: &str, value: Value) {
    document.pointer_mut(place).unwrap().as_array_mut().unwrap().push(value);
}

/// The comparison's twin: each planted break is found, and called by its name.
fn finds(document: &str, breaks: fn(&Value, &Value) -> Vec<String>, plants: &[(&str, Plant)]) {
    let old = read(document);
    assert_eq!(breaks(&old, &old), [] as [String; 0]);
    for (told, plant) in plants {
        let mut new = old.clone();
        plant(&mut new);
        let found = breaks(&old, &new);
        assert!(found.iter().any(|line| line.contains(told)), "{told:?} is not in {found:?}");
    }
}

#[test]
fn every_planted_break_of_the_api_is_found() {
    const PROFILE: &str = "/paths/~1api~1v1~1profile/put";
    let plants: &[(&str, Plant)] = &[
        ("PUT /api/v1/profile is gone", |api| remove(api, "/paths", "/api/v1/profile")),
        ("DELETE /api/v1/users/{id} is gone", |api| {
            remove(api, "/paths/~1api~1v1~1users~1{id}", "delete");
        }),
        ("200.user is gone", |api| {
            remove(api, "/components/schemas/SignedIn/properties", "user");
        }),
        ("200.user may be absent now", |api| {
            retain(api, "/components/schemas/SignedIn/required", |_| false);
        }),
        ("PUT /api/v1/profile body.name was", |api| {
            api["components"]["schemas"]["PutUser"]["properties"]["name"] =
                json!({"type": "integer"});
        }),
        ("POST /api/v1/rooms body.name is required now", |api| {
            push(api, "/components/schemas/CreateRoom/required", json!("name"));
        }),
        ("body.kind<group> is gone", |api| {
            retain(api, "/components/schemas/RoomKind/oneOf", |kind| kind["const"] != "group");
        }),
        ("parameter limit is gone", |api| {
            retain(api, "/paths/~1api~1v1~1rooms~1{id}~1events/get/parameters", |one| {
                one["name"] != "limit"
            });
        }),
        ("parameter \"device\" is required now", |api| {
            let parameter =
                json!({"name": "device", "in": "query", "required": true, "schema": {}});
            api.pointer_mut(PROFILE).unwrap()["parameters"] = json!([parameter]);
        }),
        ("POST /api/v1/logout 204 is never answered any more", |api| {
            remove(api, "/paths/~1api~1v1~1logout/post/responses", "204");
        }),
        ("GET /api/v1/session needs a sign-in now", |api| {
            push(api, "/paths/~1api~1v1~1session/get/security", json!({"session": []}));
        }),
        ("error.code<not_found> is gone", |api| {
            retain(api, "/components/schemas/ErrorCode/oneOf", |code| code["const"] != "not_found");
        }),
        ("is not in application/json any more", |api| {
            let place = "/paths/~1api~1v1~1session/get/responses/200";
            api.pointer_mut(place).unwrap()["content"] = json!({"text/plain": {}});
        }),
    ];
    finds("docs/schema/openapi.json", breaks_of_api, plants);
}

#[test]
fn every_planted_break_of_the_frames_is_found() {
    let plants: &[(&str, Plant)] = &[
        ("command.send is gone", |frames| remove(frames, "/components/messages", "command.send")),
        ("channel chat has another address", |frames| {
            frames["channels"]["chat"]["address"] = json!("/socket");
        }),
        ("command.send.reply_to is gone", |frames| {
            remove(frames, "/components/schemas/Send/properties", "reply_to");
        }),
        ("command.send.reply_to is required now", |frames| {
            push(frames, "/components/schemas/Send/required", json!("reply_to"));
        }),
        ("reply.ack.message is gone", |frames| {
            remove(frames, "/components/schemas/Ack/properties", "message");
        }),
        ("reply.ack.seq may be absent now", |frames| {
            retain(frames, "/components/schemas/Ack/required", |name| name != "seq");
        }),
        ("reply.event<edit> is gone", |frames| {
            retain(frames, "/components/schemas/event/oneOf", |kind| {
                kind["properties"]["kind"]["const"] != "edit"
            });
        }),
        ("reply.reset.reason<too_far> is gone", |frames| {
            retain(frames, "/components/schemas/ResetReason/oneOf", |one| {
                one["const"] != "too_far"
            });
        }),
        ("reply.ack.at was", |frames| {
            frames["components"]["schemas"]["Ack"]["properties"]["at"]["type"] = json!("string");
        }),
    ];
    finds("docs/schema/asyncapi.json", breaks_of_frames, plants);
}

/// What may be added without breaking anybody.
#[test]
fn what_is_only_new_breaks_nobody() {
    let old = read("docs/schema/openapi.json");
    let mut new = old.clone();
    new["paths"]["/api/v1/new"] = json!({"get": {"responses": {}}});
    new["components"]["schemas"]["SignedIn"]["properties"]["since"] = json!({"type": "integer"});
    new["components"]["schemas"]["CreateRoom"]["properties"]["topic"] = json!({"type": "string"});
    push(
        &mut new,
        "/components/schemas/ErrorCode/oneOf",
        json!({"const": "new_code", "type": "string"}),
    );
    assert_eq!(breaks_of_api(&old, &new), [] as [String; 0]);
}
