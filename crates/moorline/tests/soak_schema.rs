//! What `soak --json` and `bench --json` really print, held against the committed schema: every word of it is described, and
//! everything that must be there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use running::program;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../docs/soak.schema.json");

/// What is wrong with a value by a schema, as paths; knows the words that this schema uses.
fn faults(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let path = name.strip_prefix('#').unwrap();
        return faults(value, root.pointer(path).unwrap(), root, at);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let tried = schemas.iter().map(|schema| faults(value, schema, root, at));
            return tried.min_by_key(Vec::len).unwrap();
        }
    }
    let mut found = Vec::new();
    if !schema["const"].is_null() && schema["const"] != *value {
        found.push(format!("{at} is {value}"));
    }
    if !schema["type"].is_null() && !is_of(value, &schema["type"]) {
        found.push(format!("{at} is {value}, not {}", schema["type"]));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(item, &schema["items"], root, &format!("{at}[{number}]")));
    }
    if let Some(fields) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                found.push(format!("{at} lacks {name}"));
            }
        }
        for (name, field) in fields {
            let patterns = schema["patternProperties"].as_object();
            let by_pattern = patterns.and_then(|patterns| patterns.values().next());
            let others = Some(&schema["additionalProperties"]).filter(|other| other.is_object());
            match schema["properties"].get(name).or(by_pattern).or(others) {
                Some(schema) => found.extend(faults(field, schema, root, &format!("{at}.{name}"))),
                None => found.push(format!("{at}.{name} is not described")),
            }
        }
    }
    found
}

fn is_of(value: &Value, kind: &Value) -> bool {
    let is_it = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    kind.as_array().map_or_else(|| is_it(kind), |kinds| kinds.iter().any(is_it))
}

fn printed(words: &[&str]) -> Value {
    let output = program(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {said}"))
}

#[test]
fn a_soak_and_a_benchmark_print_what_the_schema_describes() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let soak =
        ["soak", "--local", "--duration", "2s", "--people", "3", "--faults", "storm", "--json"];
    let bench = ["bench", "--local", "--duration", "1s", "--people", "2", "--rate", "5", "--json"];
    let soak = printed(&soak);
    for printed in [&soak, &printed(&bench)] {
        let found = faults(printed, &schema, &schema, "$");
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(
        !soak["phases"][0]["verdict"].is_null()
            && soak["phases"][0]["outcome"]["faults"][0]["name"] == "storm"
    );
    // The comparison itself finds what is left out, what is new and what is of another kind.
    for (spoil, told) in
        [(Value::Null, "$ lacks \"ok\""), (serde_json::json!("yes"), "$.ok is \"yes\"")]
    {
        let mut other = soak.clone();
        match spoil {
            Value::Null => drop(other.as_object_mut().unwrap().remove("ok")),
            value => other["ok"] = value,
        }
        let found = faults(&other, &schema, &schema, "$");
        assert!(found.iter().any(|fault| fault.contains(told)), "{found:?}");
    }
    let mut other = soak;
    other["phases"][0]["outcome"]["news"] = 1.into();
    let found = faults(&other, &schema, &schema, "$");
    assert_eq!(found, ["$.phases[0].outcome.news is not described"]);
}
