//! Two forms of a JSON Schema, an older and a newer: what of the newer one would break a client of the older.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Who writes what the schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Clients: what they could send must still be taken.
    In,
    /// The server: what they could rely on must still come.
    Out,
}

/// Compares schemas of two documents and gathers what breaks.
pub(crate) struct Comparison<'a> {
    pub(crate) old: &'a Value,
    pub(crate) new: &'a Value,
    pub(crate) broken: Vec<String>,
    seen: BTreeSet<(String, String, bool)>,
}

/// A schema with its references and `allOf` drawn into one.
#[derive(Default)]
struct Flat {
    kinds: Option<BTreeSet<String>>,
    words: Option<BTreeSet<String>>,
    properties: BTreeMap<String, Value>,
    required: BTreeSet<String>,
    forms: Vec<Value>,
    items: Option<Value>,
    values: Option<Value>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(old: &'a Value, new: &'a Value) -> Self {
        Self { old, new, broken: Vec::new(), seen: BTreeSet::new() }
    }

    pub(crate) fn breaks(&mut self, at: &str, what: &str) {
        self.broken.push(format!("{at} {what}"));
    }

    /// Walks both schemas side by side.
    pub(crate) fn schemas(&mut self, old: &Value, new: &Value, side: Side, at: &str) {
        // A reference that has been followed is not followed again: types may hold themselves.
        if let (Some(one), Some(other)) = (old["$ref"].as_str(), new["$ref"].as_str())
            && !self.seen.insert((one.to_owned(), other.to_owned(), side == Side::In))
            && old.as_object().map(serde_json::Map::len) == Some(1)
        {
            return;
        }
        let (old, new) = (flat(self.old, old), flat(self.new, new));
        self.kinds(&old, &new, side, at);
        if let (Some(old), Some(new)) = (&old.words, &new.words) {
            for word in old.difference(new) {
                self.breaks(at, &format!("is never {word} any more"));
            }
        } else if side == Side::In && new.words.is_some() {
            self.breaks(at, "takes only some words now");
        }
        self.fields(&old, &new, side, at);
        self.forms(&old, &new, side, at);
        for (old, new) in [(&old.items, &new.items), (&old.values, &new.values)] {
            if let (Some(old), Some(new)) = (old, new) {
                self.schemas(old, new, side, &format!("{at}[]"));
            }
        }
    }

    fn kinds(&mut self, old: &Flat, new: &Flat, side: Side, at: &str) {
        let (wider, narrower) = match side {
            Side::In => (&new.kinds, &old.kinds),
            Side::Out => (&old.kinds, &new.kinds),
        };
        let is_kept = match (wider, narrower) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wider), Some(narrower)) => narrower.is_subset(wider),
        };
        if !is_kept {
            self.breaks(at, &format!("was {:?} and is {:?}", old.kinds, new.kinds));
        }
    }

    fn fields(&mut self, old: &Flat, new: &Flat, side: Side, at: &str) {
        for (name, field) in &old.properties {
            match new.properties.get(name) {
                Some(now) => self.schemas(field, now, side, &format!("{at}.{name}")),
                None => self.breaks(&format!("{at}.{name}"), "is gone"),
            }
        }
        let (more, less, word) = match side {
            Side::In => (&new.required, &old.required, "is required now"),
            Side::Out => (&old.required, &new.required, "may be absent now"),
        };
        for name in more.difference(less) {
            self.breaks(&format!("{at}.{name}"), word);
        }
    }

    fn forms(&mut self, old: &Flat, new: &Flat, side: Side, at: &str) {
        let by_key = |document: &Value, forms: &[Value]| -> BTreeMap<String, Value> {
            forms.iter().map(|form| (key(document, form), form.clone())).collect()
        };
        let (was, is) = (by_key(self.old, &old.forms), by_key(self.new, &new.forms));
        for (key, form) in &was {
            match is.get(key) {
                Some(now) => self.schemas(form, now, side, &format!("{at}<{key}>")),
                None => self.breaks(&format!("{at}<{key}>"), "is gone"),
            }
        }
        if side == Side::Out
            && !was.is_empty()
            && is.contains_key("null")
            && !was.contains_key("null")
        {
            self.breaks(at, "may be null now");
        }
    }
}

/// What tells one form of a schema from its neighbours.
fn key(document: &Value, form: &Value) -> String {
    let flat = flat(document, form);
    let tag = ["type", "kind", "change"].iter().find_map(|tag| {
        let word = flat.properties.get(*tag)?["const"].as_str()?;
        Some(word.to_owned())
    });
    let named = form["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
    let word = form["const"].as_str().map(str::to_owned);
    let kind = || flat.kinds.iter().flatten().cloned().collect::<Vec<_>>().join(" or ");
    tag.or(word).or(named).unwrap_or_else(kind)
}

fn flat(document: &Value, schema: &Value) -> Flat {
    let mut flat = Flat::default();
    gather(document, schema, &mut flat);
    flat
}

fn gather(document: &Value, schema: &Value, into: &mut Flat) {
    if let Some(path) = schema["$ref"].as_str() {
        let target = document.pointer(path.trim_start_matches('#'));
        gather(document, target.unwrap_or_else(|| panic!("{path} leads nowhere")), into);
    }
    for part in list(&schema["allOf"]) {
        gather(document, part, into);
    }
    let texts = |value: &Value| -> BTreeSet<String> {
        list(value)
            .iter()
            .map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned))
            .collect()
    };
    match &schema["type"] {
        Value::String(kind) => into.kinds = Some(BTreeSet::from([kind.clone()])),
        several @ Value::Array(_) => into.kinds = Some(texts(several)),
        _ => {}
    }
    if schema["enum"].is_array() {
        into.words = Some(texts(&schema["enum"]));
    }
    if let Some(word) = schema["const"].as_str() {
        into.words = Some(BTreeSet::from([word.to_owned()]));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        into.properties.insert(name.clone(), field.clone());
    }
    into.required.extend(texts(&schema["required"]));
    into.forms.extend(list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"])).cloned());
    if schema["items"].is_object() {
        into.items = Some(schema["items"].clone());
    }
    if schema["additionalProperties"].is_object() {
        into.values = Some(schema["additionalProperties"].clone());
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
