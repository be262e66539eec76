//! The page at `/api/docs`: both documents for people, as one HTML file without any script.
//!
//! It is made here once and built into the server, which only hands it out.

use std::fmt::Write as _;

use serde_json::Value;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Moorline API</title>\n\
    <link rel=\"stylesheet\" href=\"/api/docs/style.css\">\n</head>\n<body>\n";

/// The whole page.
pub(crate) fn html(openapi: &Value, asyncapi: &Value) -> String {
    let mut page = HEAD.to_owned();
    head(&mut page, openapi);
    contents(&mut page, openapi);
    page.push_str("<main>\n");
    for tag in items(&openapi["tags"]) {
        section(&mut page, openapi, tag);
    }
    frames(&mut page, asyncapi);
    page.push_str("<h2 id=\"types\">Types</h2>\n");
    let mut types = fields_of(&openapi["components"]["schemas"]);
    let of_frames = fields_of(&asyncapi["components"]["schemas"]);
    types.extend(
        of_frames.into_iter().filter(|(name, _)| openapi["components"]["schemas"][*name].is_null()),
    );
    types.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    for (name, schema) in types {
        let _ = writeln!(page, "<article id=\"type-{name}\">\n<h3>{name}</h3>");
        schema_body(&mut page, schema);
        page.push_str("</article>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, openapi: &Value) {
    let info = &openapi["info"];
    let _ = writeln!(
        page,
        "<header>\n<h1>{} <small>{}</small></h1>\n<p>{}</p>\n<p>For programs: \
         <a href=\"/api/docs/openapi.json\">OpenAPI 3.1</a> for HTTP, \
         <a href=\"/api/docs/asyncapi.json\">AsyncAPI 3.0</a> for the frames at <code>/ws</code>.</p>\n</header>",
        text(&info["title"]),
        text(&info["version"]),
        prose(&info["description"])
    );
}

fn contents(page: &mut String, openapi: &Value) {
    page.push_str("<nav aria-label=\"Contents\">\n");
    for tag in items(&openapi["tags"]) {
        let _ = writeln!(page, "<h2><a href=\"#{0}\">{0}</a></h2>\n<ul>", text(&tag["name"]));
        for (method, path, operation) in operations(openapi, tag) {
            let name = text(&operation["operationId"]);
            let _ = writeln!(page, "<li><a href=\"#{name}\"><b>{method}</b> {path}</a></li>");
        }
        page.push_str("</ul>\n");
    }
    page.push_str(
        "<h2><a href=\"#frames\">Frames</a></h2>\n<h2><a href=\"#types\">Types</a></h2>\n</nav>\n",
    );
}

fn section(page: &mut String, openapi: &Value, tag: &Value) {
    let name = text(&tag["name"]);
    let _ = writeln!(page, "<h2 id=\"{name}\">{name}</h2>\n<p>{}</p>", prose(&tag["description"]));
    for (method, path, operation) in operations(openapi, tag) {
        let id = text(&operation["operationId"]);
        let summary = prose(&operation["summary"]);
        let _ = writeln!(
            page,
            "<article id=\"{id}\">\n<h3><code><b>{method}</b> {path}</code></h3>\n<p>{summary} {}</p>",
            caller(operation)
        );
        parameters(page, operation);
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        if !body.is_null() {
            let _ = writeln!(page, "<p>Body: {}</p>", kind(body));
        }
        answers(page, operation);
        page.push_str("</article>\n");
    }
}

fn caller(operation: &Value) -> String {
    let names = items(&operation["security"]).flat_map(fields_of).map(|(name, _)| match name {
        "apiKey" => "<code>Authorization: Bearer</code> with the API key",
        "token" => "<code>Authorization: Bearer</code> with a token",
        _ => "the session's cookie",
    });
    let names: Vec<&str> = names.collect();
    if names.is_empty() { String::new() } else { format!("Needs {}.", names.join(", or ")) }
}

fn parameters(page: &mut String, operation: &Value) {
    let mut rows = items(&operation["parameters"]).peekable();
    if rows.peek().is_none() {
        return;
    }
    page.push_str("<table>\n<tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>\n");
    for one in rows {
        let mark = if one["required"] == true { "" } else { "?" };
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&one["name"]),
            text(&one["in"]),
            kind(&one["schema"]),
            prose(&one["description"])
        );
    }
    page.push_str("</table>\n");
}

fn answers(page: &mut String, operation: &Value) {
    page.push_str("<table>\n<tr><th>status</th><th>body</th><th></th></tr>\n");
    for (status, answer) in fields_of(&operation["responses"]) {
        let body = fields_of(&answer["content"]).into_iter().next();
        let body = body.map_or_else(String::new, |(media, content)| match media {
            "application/json" => kind(&content["schema"]),
            other => format!("<code>{}</code>", escape(other)),
        });
        let about = prose(&answer["description"]);
        let _ = writeln!(page, "<tr><td>{status}</td><td>{body}</td><td>{about}</td></tr>");
    }
    page.push_str("</table>\n");
}

fn frames(page: &mut String, asyncapi: &Value) {
    let _ = writeln!(
        page,
        "<h2 id=\"frames\">Frames</h2>\n<p>{}</p>",
        prose(&asyncapi["info"]["description"])
    );
    for (direction, title) in
        [("command.", "What a client sends"), ("reply.", "What the server sends")]
    {
        let _ = writeln!(
            page,
            "<article>\n<h3>{title}</h3>\n<table>\n<tr><th>type</th><th>fields</th><th></th></tr>"
        );
        for (key, message) in fields_of(&asyncapi["components"]["messages"]) {
            if key.starts_with(direction) {
                let (name, about) = (text(&message["name"]), prose(&message["summary"]));
                let _ = writeln!(
                    page,
                    "<tr><td><code>{name}</code></td><td>{}</td><td>{about}</td></tr>",
                    kind(&message["payload"])
                );
            }
        }
        page.push_str("</table>\n</article>\n");
    }
}

/// A type's own words and its fields, or the words that it may be.
fn schema_body(page: &mut String, schema: &Value) {
    let _ = writeln!(page, "<p>{}</p>", prose(&schema["description"]));
    field_table(page, schema);
    for variant in items(&schema["oneOf"]) {
        let about = prose(&variant["description"]);
        if variant["properties"].is_null() {
            let _ = writeln!(page, "<p>{}: {about}</p>", kind(variant));
        } else {
            let _ = writeln!(page, "<p>One form: {about}</p>");
            field_table(page, variant);
        }
    }
    if schema["properties"].is_null() && schema["oneOf"].is_null() {
        let _ = writeln!(page, "<p>{}</p>", kind(schema));
    }
}

fn field_table(page: &mut String, schema: &Value) {
    let fields = fields_of(&schema["properties"]);
    if fields.is_empty() {
        return;
    }
    page.push_str("<table>\n<tr><th>field</th><th>type</th><th></th></tr>\n");
    for (name, field) in fields {
        let is_required = items(&schema["required"]).any(|one| one == name);
        let mark = if is_required { "" } else { "?" };
        let about = prose(&field["description"]);
        let _ = writeln!(
            page,
            "<tr><td><code>{name}</code>{mark}</td><td>{}</td><td>{about}</td></tr>",
            kind(field)
        );
    }
    page.push_str("</table>\n");
}

/// A schema in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    if !schema["const"].is_null() {
        return format!("<code>{}</code>", escape(&schema["const"].to_string()));
    }
    for several in ["anyOf", "oneOf"] {
        if schema[several].is_array() {
            return items(&schema[several]).map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(first) = schema["allOf"].get(0) {
        return kind(first);
    }
    if schema["enum"].is_array() {
        let words = items(&schema["enum"])
            .map(|word| format!("<code>{}</code>", escape(&word.to_string())));
        return words.collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        Value::String(kind) if kind == "array" => {
            format!("list of {}", self::kind(&schema["items"]))
        }
        Value::String(kind) if schema["additionalProperties"].is_object() => {
            format!("{kind} of {}", self::kind(&schema["additionalProperties"]))
        }
        Value::String(kind) => kind.clone(),
        _ => "anything".to_owned(),
    }
}

/// Method, path and operation of all operations of a tag.
fn operations<'a>(openapi: &'a Value, tag: &'a Value) -> Vec<(String, String, &'a Value)> {
    let mut found = Vec::new();
    for (path, methods) in fields_of(&openapi["paths"]) {
        for (method, operation) in fields_of(methods) {
            if operation["tags"][0] == tag["name"] {
                found.push((method.to_ascii_uppercase(), escape(path), operation));
            }
        }
    }
    found
}

fn items(list: &Value) -> std::slice::Iter<'_, Value> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn fields_of(object: &Value) -> Vec<(&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

/// Words with code between backticks.
fn prose(value: &Value) -> String {
    let mut html = String::new();
    for (index, part) in text(value).split('`').enumerate() {
        let wrapped = if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() };
        html.push_str(&wrapped);
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
