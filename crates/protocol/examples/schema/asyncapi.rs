//! The AsyncAPI 3.0 document of the client protocol: each frame as a message. Its schemas are JSON Schema draft 7, which
//! is what AsyncAPI's own are built on.

use moorline_protocol::{Command, Event, Reply};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

const ABOUT: &str = "JSON text frames over a WebSocket, an object with a `type` each. `hello` comes first. A command may \
    carry `id`, a number; its answer carries the same. Unknown fields are to be ignored.";

/// The whole document, from the server's side: it receives commands and sends the rest.
pub(crate) fn document() -> Value {
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let _ = generator.subschema_for::<Command>();
    let _ = generator.subschema_for::<Reply>();
    let event = generator.subschema_for::<Event>();
    let mut schemas = generator.take_definitions(true);
    let commands = variants(schemas.remove("Command"), "command", numbered);
    let mut frames = variants(schemas.remove("Reply"), "reply", |payload| payload);
    let about_event = schemas["event"]["description"].clone();
    frames.push((
        "reply.event".to_owned(),
        json!({"name": "event", "summary": about_event, "payload": event}),
    ));
    let named = |messages: &[(String, Value)]| {
        messages.iter().map(|(key, _)| reference("channels/chat/messages", key)).collect::<Vec<_>>()
    };
    let (received, sent) = (named(&commands), named(&frames));
    let messages: Map<String, Value> = commands.into_iter().chain(frames).collect();
    let in_channel: Map<String, Value> =
        messages.keys().map(|key| (key.clone(), reference("components/messages", key))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Moorline client protocol",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"here": {
            "host": "{host}", "protocol": "ws", "description": "The server that gave this document.",
            "variables": {"host": {"default": "localhost:8000", "description": "Its address; behind TLS the protocol is wss."}},
        }},
        "channels": {"chat": {
            "address": "/ws",
            "description": "One connection a person, all rooms. The subprotocol `moorline.v1` may be offered.",
            "messages": in_channel,
        }},
        "operations": operations(&received, &sent),
        "components": {"messages": messages, "schemas": schemas},
    })
}

fn operations(received: &[Value], sent: &[Value]) -> Value {
    json!({
        "receiveCommand": {
            "action": "receive", "channel": {"$ref": "#/channels/chat"}, "messages": received,
            "summary": "What a client sends.",
        },
        "sendFrame": {
            "action": "send", "channel": {"$ref": "#/channels/chat"}, "messages": sent,
            "summary": "What the server sends: answers, events, and what is not kept.",
        },
    })
}

fn reference(place: &str, key: &str) -> Value {
    json!({"$ref": format!("#/{place}/{key}")})
}

/// Each variant of a tagged enum as a message, by its word.
fn variants(
    schema: Option<Value>,
    direction: &str,
    finish: impl Fn(Value) -> Value,
) -> Vec<(String, Value)> {
    let schema = schema.unwrap_or_default();
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    variants
        .map(|payload| {
            let word = payload["properties"]["type"]["const"].as_str().unwrap_or_default();
            let message = json!({
                "name": word,
                "summary": payload["description"],
                "payload": finish(payload.clone()),
            });
            (format!("{direction}.{word}"), message)
        })
        .collect()
}

/// What every command may carry beside its fields.
fn numbered(mut payload: Value) -> Value {
    payload["properties"]["id"] = json!({
        "description": "The answer carries the same.",
        "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64,
    });
    payload
}
