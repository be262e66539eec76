//! The OpenAPI 3.1 document of the HTTP API. Its schemas are JSON Schema 2020-12, as the Rust types give them.

use moorline_protocol::api::Operation;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::description::Description;
use crate::operations::describe;

const ABOUT: &str = "JSON in and out. A refusal is an `ErrorBody` with a stable code. Fields that a client does not know \
    are to be ignored; new fields, paths and codes may come within version 1, and none goes.";

/// The whole document.
pub(crate) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let description = Description::new(*operation, &mut generator);
        let described = describe(*operation, description).finish();
        let path = paths.entry(operation.path()).or_insert_with(|| json!({}));
        path[operation.method().as_str().to_ascii_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Moorline HTTP API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that gave this document."}],
        "tags": [
            {"name": "Backend", "description": "For your backend, with the API key."},
            {"name": "Client", "description": "The chat where there is no WebSocket, with a token or the session's cookie."},
            {"name": "Page", "description": "For a page, with the session's cookie."},
            {"name": "Operator", "description": "For those who run the server, and their machines."},
            {"name": "Documentation", "description": "The API's account of itself."},
        ],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "The key of `--api-key-file`."},
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "A person's token, signed with the secret of `--jwt-secret-file`.",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "moorline_session",
                    "description": "Set by a login; behind https its name begins with `__Host-`.",
                },
            },
        },
    })
}
