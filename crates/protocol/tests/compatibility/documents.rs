//! Two forms of an OpenAPI or AsyncAPI document: what of the newer one would break a client of the older.

use serde_json::{Map, Value};

use crate::schema::{Comparison, Side};

/// What the newer OpenAPI document breaks, one line each.
pub(crate) fn breaks_of_api(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Comparison::new(old, new);
    for (path, methods) in entries(&old["paths"]) {
        for (method, operation) in entries(methods) {
            let at = format!("{} {path}", method.to_ascii_uppercase());
            let now = &new["paths"][path][method];
            if now.is_null() {
                found.breaks(&at, "is gone");
                continue;
            }
            parameters(&mut found, operation, now, &at);
            body(&mut found, operation, now, &at);
            answers(&mut found, operation, now, &at);
            let still = list(&now["security"]);
            let is_open = still.is_empty();
            if !is_open && list(&operation["security"]).is_empty() {
                found.breaks(&at, "needs a sign-in now");
            }
            for way in list(&operation["security"]) {
                if !is_open && !still.contains(way) {
                    found.breaks(&at, &format!("no longer takes {way}"));
                }
            }
        }
    }
    found.broken
}

fn parameters(found: &mut Comparison<'_>, old: &Value, new: &Value, at: &str) {
    let same =
        |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    let (was, is) = (list(&old["parameters"]), list(&new["parameters"]));
    for parameter in was {
        let at = format!("{at} parameter {}", parameter["name"].as_str().unwrap());
        match is.iter().find(|other| same(parameter, other)) {
            Some(now) => found.schemas(&parameter["schema"], &now["schema"], Side::In, &at),
            None => found.breaks(&at, "is gone"),
        }
    }
    for parameter in is.iter().filter(|one| one["required"] == true) {
        let before = was.iter().find(|other| same(parameter, other));
        if before.is_none_or(|before| before["required"] != true) {
            found.breaks(at, &format!("parameter {} is required now", parameter["name"]));
        }
    }
}

fn body(found: &mut Comparison<'_>, old: &Value, new: &Value, at: &str) {
    let (was, is) = (&old["requestBody"], &new["requestBody"]);
    if is["required"] == true && was["required"] != true {
        found.breaks(at, "body is required now");
    }
    for (media, content) in entries(&was["content"]) {
        let now = &is["content"][media];
        if now.is_null() {
            found.breaks(at, &format!("body in {media} is not taken any more"));
        } else {
            found.schemas(&content["schema"], &now["schema"], Side::In, &format!("{at} body"));
        }
    }
}

/// A refusal may be left out some day; what a success brings may not.
fn answers(found: &mut Comparison<'_>, old: &Value, new: &Value, at: &str) {
    for (status, answer) in entries(&old["responses"]) {
        let at = format!("{at} {status}");
        let now = &new["responses"][status];
        if now.is_null() {
            if status.starts_with('2') {
                found.breaks(&at, "is never answered any more");
            }
            continue;
        }
        for (media, content) in entries(&answer["content"]) {
            let now = &now["content"][media];
            if now.is_null() {
                found.breaks(&at, &format!("is not in {media} any more"));
            } else if status.starts_with('2') {
                found.schemas(&content["schema"], &now["schema"], Side::Out, &at);
            } else {
                // Which codes a refusal may bring is said for readers; the shape of refusals stays.
                found.schemas(
                    &content["schema"]["allOf"][0],
                    &now["schema"]["allOf"][0],
                    Side::Out,
                    &at,
                );
            }
        }
    }
}

/// What the newer AsyncAPI document breaks, one line each.
pub(crate) fn breaks_of_frames(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Comparison::new(old, new);
    for (name, channel) in entries(&old["channels"]) {
        if new["channels"][name]["address"] != channel["address"] {
            found.breaks(&format!("channel {name}"), "has another address");
        }
    }
    for (key, message) in entries(&old["components"]["messages"]) {
        let now = &new["components"]["messages"][key];
        let side = if key.starts_with("command.") { Side::In } else { Side::Out };
        if now.is_null() {
            found.breaks(key, "is gone");
        } else {
            found.schemas(&message["payload"], &now["payload"], side, key);
        }
    }
    found.broken
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
