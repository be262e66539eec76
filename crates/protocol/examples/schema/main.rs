//! Writes the protocol's JSON Schema, the OpenAPI and AsyncAPI documents, their page and the SDK's TypeScript types from
//! the Rust types.
//!
//! `cargo run -p moorline-protocol --features schema --example schema -- ROOT` writes them where they belong below the
//! repository's root, or below another folder to compare with; `cargo xtask schema` does both.

mod asyncapi;
mod description;
mod openapi;
mod operations;
mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;

use moorline_protocol::{Command, ErrorCode, Event, Reply};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use ts_rs::{Config, TS, TypeVisitor};

/// Everything that a server may send.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant)]
enum ServerFrame {
    Event(Event),
    Reply(Reply),
}

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    let write = |folder: &str, name: &str, text: String| {
        std::fs::create_dir_all(root.join(folder))?;
        std::fs::write(root.join(folder).join(name), text)
    };
    let (openapi, asyncapi) = (openapi::document(), asyncapi::document());
    write("docs/schema", "protocol.schema.json", schema())?;
    write("docs/schema", "openapi.json", format!("{openapi:#}\n"))?;
    write("docs/schema", "asyncapi.json", format!("{asyncapi:#}\n"))?;
    write("docs/schema", "index.html", page::html(&openapi, &asyncapi))?;
    write("docs/schema", "style.css", include_str!("page.css").to_owned())?;
    write("clients/typescript/src", "protocol.generated.ts", typescript())
}

fn schema() -> String {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let command = generator.subschema_for::<Command>();
    let server = generator.subschema_for::<ServerFrame>();
    let document = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Moorline client protocol, version 1",
        "description": "A command may also carry `id`, an integer; its answer carries the same.",
        "command": command,
        "serverFrame": server,
        "$defs": generator.take_definitions(true),
    });
    format!("{document:#}\n")
}

/// Each type once, by name: the order in which the types are met differs from build to build.
struct Declarations {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.by_name.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let text = format!("{docs}export {}\n\n", T::decl(&self.config));
        self.by_name.insert(name, text);
        T::visit_dependencies(self);
    }
}

fn typescript() -> String {
    let mut declarations = Declarations { config: Config::default(), by_name: BTreeMap::new() };
    declarations.visit::<Command>();
    declarations.visit::<Event>();
    declarations.visit::<Reply>();
    declarations.visit::<ErrorCode>();
    let declarations: String = declarations.by_name.into_values().collect();
    format!(
        "// Made by `cargo xtask schema` from the Rust types. Do not edit.\n\n{declarations}\
         /** What a server sends. */\nexport type ServerFrame = Event | Reply;\n"
    )
}
