//! Rules about the repository that no compiler checks, as tests.
//!
//! They read `cargo metadata` and the files that git knows, and need no network.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::repository::Repository;

/// Which crates of ours each crate may use. A crate that is not named here may use any: those are
/// tests and tasks, which do not ship.
const DIRECTIONS: [(&str, &[&str]); 7] = [
    ("moorline-protocol", &[]),
    ("moorline-layer", &[]),
    // It knows a server by its public protocol alone.
    ("moorline-load", &[]),
    ("moorline-store", &["moorline-protocol"]),
    ("moorline-chat", &["moorline-protocol", "moorline-layer", "moorline-store"]),
    // Sign-in and sessions are rows, so the server asks the store for them directly.
    (
        "moorline-server",
        &["moorline-protocol", "moorline-layer", "moorline-store", "moorline-chat"],
    ),
    // It judges tokens by the server's own rules.
    (
        "moorline-doctor",
        &["moorline-protocol", "moorline-layer", "moorline-store", "moorline-server"],
    ),
];

/// Starts of paths that exist on one machine only, cut in two so that this file does not hold them.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/work/", "main"),
    concat!("/work/", "shared"),
    concat!("/work/", "."),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

fn repository() -> Repository {
    Repository::find().unwrap()
}

fn packages() -> Vec<Value> {
    let args = ["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"];
    let text = repository().command("cargo").args(args).output().unwrap();
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The crates that ship lie in `crates/`.
fn shipped() -> Vec<Value> {
    let folder = repository().path("crates");
    let ships = |package: &Value| Path::new(manifest(package)).starts_with(&folder);
    packages().into_iter().filter(ships).collect()
}

fn manifest(package: &Value) -> &str {
    package["manifest_path"].as_str().unwrap()
}

/// The text files that are committed or about to be, by path.
fn texts() -> BTreeMap<String, String> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let names = repository().command("git").args(args).output().unwrap();
    names
        .split('\0')
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let text = std::fs::read_to_string(repository().path(name)).ok()?;
            Some((name.to_owned(), text))
        })
        .collect()
}

#[test]
fn each_crate_knows_only_those_below_it() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = DIRECTIONS.iter().find(|(crate_name, _)| *crate_name == name)
        else {
            continue;
        };
        let dependencies = package["dependencies"].as_array().unwrap();
        // A test may reach up, for a server to test against.
        let used = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
        wrong.extend(
            used.map(|dependency| dependency["name"].as_str().unwrap())
                .filter(|used| used.starts_with("moorline") && !allowed.contains(used))
                .map(|used| format!("{name} uses {used}")),
        );
    }
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn every_crate_that_ships_forbids_unsafe_code_through_the_workspace() {
    let root = std::fs::read_to_string(repository().path("Cargo.toml")).unwrap();
    assert!(root.contains("unsafe_code = \"forbid\""), "the workspace no longer forbids it");
    let shipped = shipped();
    assert!(shipped.len() >= 5, "found only {} crates in crates/", shipped.len());
    for package in shipped {
        let text = std::fs::read_to_string(manifest(&package)).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            package["name"]
        );
    }
}

#[test]
fn no_file_has_line_ends_of_two_characters() {
    let wrong: Vec<_> = texts()
        .into_iter()
        .filter(|(_, text)| text.contains("\r\n"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let names_one = |text: &str| MACHINE_PATHS.iter().any(|path| text.contains(path));
    let wrong: Vec<_> =
        texts().into_iter().filter(|(_, text)| names_one(text)).map(|(name, _)| name).collect();
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn lock_files_name_one_registry_at_most() {
    for (name, text) in texts() {
        if name.ends_with("Cargo.lock") {
            let sources: std::collections::BTreeSet<&str> =
                text.lines().filter(|line| line.starts_with("source = ")).collect();
            assert!(sources.len() <= 1, "{name} names several registries: {sources:?}");
        }
        if name.ends_with("package-lock.json") {
            assert!(!text.contains("\"resolved\": \"http"), "{name} names the host it came from");
        }
    }
}

/// Routes by which the server says that there is no such path; every other one is an operation of the protocol's table,
/// from which the OpenAPI document is made.
const CATCH_ALLS: [&str; 2] = [
    ".route(\"/api\", any(failure::no_such_path))",
    ".route(\"/api/{*rest}\", any(failure::no_such_path))",
];

#[test]
fn every_route_of_the_api_is_mounted_by_its_operation() {
    let is_server = |name: &String| {
        name.starts_with("crates/server/src/") || name.starts_with("crates/moorline/src/")
    };
    let mut wrong = Vec::new();
    for (name, text) in texts().into_iter().filter(|(name, _)| is_server(name)) {
        if name.ends_with("_tests.rs") {
            continue;
        }
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = shipped.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let routes = lines.filter(|line| line.contains("\"/api"));
        wrong.extend(
            routes.filter(|line| !CATCH_ALLS.contains(line)).map(|line| format!("{name}: {line}")),
        );
    }
    assert_eq!(
        wrong,
        [] as [String; 0],
        "add it to `Operation` in crates/protocol, and mount it by `at`"
    );
}
