//! One operation of the HTTP API while it is being described, and its form in an OpenAPI document.
//!
//! What can be known from the table of operations is not said again: path parameters follow from the path, and what
//! every operation may answer is added to each.

use std::collections::BTreeMap;

use moorline_protocol::api::{ErrorBody, Method, Operation};
use moorline_protocol::{ErrorCode, RoomId, UserId};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Who may call an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Anyone,
    Backend,
    Person,
    BackendOrPerson,
    Client,
}

/// An operation with what goes in and what comes out.
pub(crate) struct Description<'a> {
    operation: Operation,
    generator: &'a mut SchemaGenerator,
    tag: &'static str,
    caller: Caller,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: Vec<ErrorCode>,
}

impl<'a> Description<'a> {
    /// Knows what the table says.
    pub(crate) fn new(operation: Operation, generator: &'a mut SchemaGenerator) -> Self {
        let mut parameters = Vec::new();
        let mut before = "";
        for segment in operation.path().split('/') {
            if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                parameters.push(path_parameter(name, before, generator));
            }
            before = segment;
        }
        let refusals = match operation.path().starts_with("/api/v1/") {
            true => vec![
                ErrorCode::Invalid,
                ErrorCode::TooLarge,
                ErrorCode::Internal,
                ErrorCode::Overloaded,
                ErrorCode::Unavailable,
                ErrorCode::StorageFull,
            ],
            false => Vec::new(),
        };
        Self {
            operation,
            generator,
            tag: "",
            caller: Caller::Anyone,
            parameters,
            body: None,
            answers: BTreeMap::new(),
            refusals,
        }
    }

    fn called_by(self, caller: Caller, tag: &'static str) -> Self {
        Self { caller, tag, ..self }
    }

    /// For backends, by the API key.
    pub(crate) fn backend(self) -> Self {
        self.called_by(Caller::Backend, "Backend").refuses(&[ErrorCode::Unauthorized])
    }

    /// For whoever is signed in, by the cookie.
    pub(crate) fn person(self) -> Self {
        let described = self.page().refuses(&[ErrorCode::Unauthorized]);
        Self { caller: Caller::Person, ..described }
    }

    /// For whoever is signed in, or a backend.
    pub(crate) fn either(self) -> Self {
        let why = [ErrorCode::Unauthorized, ErrorCode::TokenRefused];
        self.called_by(Caller::BackendOrPerson, "Backend").refuses(&why)
    }

    /// For the chat's clients, by a token or the cookie.
    pub(crate) fn client(self) -> Self {
        self.called_by(Caller::Client, "Client")
    }

    /// For the page, whoever looks at it.
    pub(crate) fn page(self) -> Self {
        let is_safe = self.operation.method() == Method::Get;
        let described = self.called_by(Caller::Anyone, "Page");
        if is_safe { described } else { described.refuses(&[ErrorCode::BadOrigin]) }
    }

    /// For operators.
    pub(crate) fn operator(self) -> Self {
        self.called_by(Caller::Anyone, "Operator")
    }

    /// Describes the API itself.
    pub(crate) fn about(self) -> Self {
        self.called_by(Caller::Anyone, "Documentation")
    }

    /// A JSON body.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        let schema = self.generator.subschema_for::<T>();
        let content = json!({"application/json": {"schema": schema}});
        self.body = Some(json!({"required": true, "content": content}));
        self.refuses(&[ErrorCode::BadJson, ErrorCode::UnsupportedMediaType])
    }

    /// A parameter of the query; `schema` may be any that JSON Schema has.
    pub(crate) fn query(mut self, name: &str, text: &str, schema: Value) -> Self {
        self.parameters
            .push(json!({"name": name, "in": "query", "description": text, "schema": schema}));
        self
    }

    /// The fields of a type, each as a parameter of the query.
    pub(crate) fn query_of<T: JsonSchema>(mut self) -> Self {
        let name = T::schema_name();
        let _ = self.generator.subschema_for::<T>();
        let schema = self.generator.definitions_mut().remove(&*name).unwrap_or_default();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let mut field = not_null(field);
            let text = field.as_object_mut().and_then(|field| field.remove("description"));
            self.parameters.push(json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()),
                "description": text.unwrap_or_default(), "schema": field,
            }));
        }
        self
    }

    /// The header that makes a repeated request harmless, for ever.
    pub(crate) fn idempotency_key(self, required: bool) -> Self {
        self.key(required, "The request's own id: the same again is carried out once, for ever.")
            .refuses(&[ErrorCode::CidConflict])
    }

    /// The same header where it is remembered for a while only.
    pub(crate) fn passing_key(self) -> Self {
        self.key(false, "The request's own id: the same again within ten minutes is done once.")
    }

    fn key(mut self, required: bool, text: &str) -> Self {
        let schema = self.generator.subschema_for::<moorline_protocol::Cid>();
        self.parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": required, "schema": schema,
            "description": text,
        }));
        self
    }

    /// An answer in JSON.
    pub(crate) fn json<T: JsonSchema>(mut self, status: u16, text: &str) -> Self {
        let schema = self.generator.subschema_for::<T>();
        let content = json!({"application/json": {"schema": schema}});
        self.answers.insert(status, json!({"description": text, "content": content}));
        self
    }

    /// An answer of another kind.
    pub(crate) fn text(mut self, status: u16, kind: &str, text: &str) -> Self {
        let content = json!({kind: {"schema": {"type": "string"}}});
        self.answers.insert(status, json!({"description": text, "content": content}));
        self
    }

    /// A JSON document of a form that is not described here.
    pub(crate) fn document(mut self, status: u16, text: &str) -> Self {
        let content = json!({"application/json": {"schema": {"type": "object"}}});
        self.answers.insert(status, json!({"description": text, "content": content}));
        self
    }

    /// An answer without a body.
    pub(crate) fn empty(mut self, status: u16, text: &str) -> Self {
        self.answers.insert(status, json!({"description": text}));
        self
    }

    /// Says that the answers so far set or clear the session's cookie.
    pub(crate) fn with_cookie(mut self) -> Self {
        let schema = json!({"type": "string"});
        let header = json!({"Set-Cookie": {"description": "The session.", "schema": schema}});
        for answer in self.answers.values_mut() {
            answer["headers"] = header.clone();
        }
        self
    }

    /// What else it may say no with.
    pub(crate) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        self.refusals.extend(codes);
        self
    }

    /// As an Operation Object.
    pub(crate) fn finish(mut self) -> Value {
        let refusals = self.refusal_answers();
        self.answers.extend(refusals);
        let mut operation = json!({
            "operationId": self.operation.name(),
            "summary": self.operation.summary(),
            "tags": [self.tag],
            "responses": self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect::<Map<_, _>>(),
            "security": security(self.caller),
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        operation
    }

    /// One answer for each status of a refusal, with the codes that it may bring.
    fn refusal_answers(&mut self) -> BTreeMap<u16, Value> {
        let error = self.generator.subschema_for::<ErrorBody>();
        let mut answers = BTreeMap::new();
        for status in self.refusals.iter().map(|code| code.http_status()) {
            let is_said =
                |code: &&ErrorCode| code.http_status() == status && self.refusals.contains(code);
            let codes: Vec<String> =
                ErrorCode::ALL.iter().filter(is_said).map(ToString::to_string).collect();
            let narrowed =
                json!({"properties": {"error": {"properties": {"code": {"enum": codes}}}}});
            let schema = json!({"allOf": [error, narrowed]});
            let content = json!({"application/json": {"schema": schema}});
            let text = format!("Refused: {}.", codes.join(", "));
            answers.insert(status, json!({"description": text, "content": content}));
        }
        answers
    }
}

fn security(caller: Caller) -> Value {
    match caller {
        Caller::Anyone => json!([]),
        Caller::Backend => json!([{"apiKey": []}]),
        Caller::Person => json!([{"session": []}]),
        Caller::Client => json!([{"token": []}, {"session": []}]),
        Caller::BackendOrPerson => json!([{"apiKey": []}, {"session": []}]),
    }
}

/// A segment's schema follows from the one before it: an id of a room, of a person, or any text.
fn path_parameter(name: &str, before: &str, generator: &mut SchemaGenerator) -> Value {
    let schema = match before {
        "rooms" => json!(generator.subschema_for::<RoomId>()),
        "users" | "members" => json!(generator.subschema_for::<UserId>()),
        _ => json!({"type": "string", "minLength": 1}),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

/// A query has no null: a field that may be absent is not written.
fn not_null(field: &Value) -> Value {
    let mut field = field.clone();
    if let Some(kinds) = field["type"].as_array_mut() {
        kinds.retain(|kind| kind != "null");
        field["type"] = kinds.first().cloned().unwrap_or_default();
    }
    if let Some(mut one) = field["anyOf"].as_array().and_then(|forms| forms.first().cloned()) {
        one["description"] = field["description"].clone();
        return one;
    }
    field
}
