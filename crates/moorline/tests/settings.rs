//! The settings file and its commands, as the program itself is run: what beats what, every refusal with its place, and
//! the reference page that is committed.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use running::{Running, SECRET, program};
use serde_json::{Value, json};

fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn run(words: &[&str]) -> (i32, String) {
    said(&program(words).output().unwrap())
}

/// A settings file that only its owner can read.
fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("moorline.toml");
    fs::write(&path, text).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&path, owner_only).unwrap();
    path
}

fn shown(words: &[&str], variables: &[(&str, &str)]) -> Value {
    let words: Vec<&str> = ["config", "show", "--json"].iter().chain(words).copied().collect();
    let output = program(&words).envs(variables.iter().copied()).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let named = |setting: &Value| (setting["name"].as_str().unwrap().to_owned(), setting.clone());
    all["settings"].as_array().unwrap().iter().map(named).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_server_takes_its_settings_from_a_file_beneath_variables_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        format!("api-key = \"{SECRET}\"\nsignup = \"closed\"\nlog-format = \"text\"\nport = 1\n");
    let path = file(folder.path(), &text);
    let path = path.to_str().unwrap();
    let variables = [("MOORLINE_CONFIG", path), ("MOORLINE_SIGNUP", "open")];
    let server = Running::start_with_variables(tempfile::tempdir().unwrap(), &[], &variables);
    assert!(server.said.contains(path), "{}", server.said);
    server.sign_up("ann");
    assert_eq!(server.api("GET", "/api/v1/rooms/none/events", None).status, 404);
}

#[test]
fn each_value_is_shown_with_where_it_comes_from_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = "ping-interval = 20\nping-timeout = 90\nport = 7\norigin = [\"https://a.example\"]\n\
                database-url = \"postgres://m:hush-file@db/m\"\napi-key = \"hush-key\"\n";
    let path = file(folder.path(), text);
    let path = path.to_str().unwrap();
    let variables = [
        ("MOORLINE_PING_TIMEOUT", "70s"),
        ("MOORLINE_PORT", "8"),
        ("REDIS_URL", "redis://:hush-env@r"),
    ];
    let words = ["--config", path, "--", "--port", "9", "--jwt-secret", "hush-flag", "-vv"];
    let all = shown(&words, &variables);
    for (name, value, origin, source) in [
        ("port", json!("9"), "flag", Some("--port".to_owned())),
        ("verbose", json!("2"), "flag", Some("--verbose".into())),
        ("jwt-secret", json!("***"), "flag", Some("--jwt-secret".into())),
        ("ping-timeout", json!("70s"), "environment", Some("MOORLINE_PING_TIMEOUT".into())),
        ("redis-url", json!(["redis://***@r"]), "environment", Some("REDIS_URL".into())),
        ("ping-interval", json!("20"), "file", Some(format!("{path}:1:17"))),
        ("origin", json!(["https://a.example"]), "file", Some(format!("{path}:4:11"))),
        ("database-url", json!("postgres://***@db/m"), "file", Some(format!("{path}:5:16"))),
        ("api-key", json!("***"), "file", Some(format!("{path}:6:11"))),
        ("drain-timeout", json!("10"), "default", None),
        ("limit-loopback", json!("false"), "default", None),
        ("metrics-bind", Value::Null, "default", None),
    ] {
        let expected = json!({"name": name, "value": value, "origin": origin, "source": source});
        assert_eq!(all[name], expected);
    }
    let (code, text) = run(&["config", "show", "--origin", "--config", path]);
    assert_eq!(code, 0);
    assert!(
        text.lines().any(|line| line.starts_with("port ") && line.contains(" file ")),
        "{text}"
    );
    assert!(!text.contains("hush") && !all.to_string().contains("hush"), "{text}");
    let (code, text) = run(&["config", "show", "--", "--prot", "1"]);
    assert!(code == 2 && text.contains("--prot"), "{text}");
}

#[test]
fn a_check_ends_with_0_1_or_2_and_names_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, more: &[&str]| {
        let path = file(folder.path(), text);
        let words: Vec<&str> =
            ["check", "--config", path.to_str().unwrap()].iter().chain(more).copied().collect();
        run(&words)
    };
    let (code, text) = check("port = 8000\nbind = \"::1\"\n", &[]);
    assert_eq!((code, text.ends_with("2 settings, no mistake\n")), (0, true), "{text}");
    for (bad, place, fix) in [
        ("port = 8000\nbnd = \"::1\"\n", "moorline.toml:2:1:", "Did you mean `bind`?"),
        ("port = \"http\"\n", "`http` from ", "from 1 to 65535"),
        ("port = 8000\nping-interval = 99\n", "ping timeout", "twice the interval"),
        ("port = \n", "moorline.toml:1:", "name = value"),
    ] {
        let (code, text) = check(bad, &[]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(place) && text.contains(fix), "{text}");
    }
    let (code, text) = check("signup = \"all\"\n", &[]);
    assert!(code == 1 && text.contains("moorline.toml:1:10 is not one of the choices"), "{text}");
    assert_eq!(
        check("signup = \"all\"\n", &["--signup", "open"]).0,
        0,
        "a flag beats what is wrong"
    );
    assert_eq!(run(&["check", "--config", "/nowhere/m.toml"]).0, 2);
    assert_eq!(run(&["check", "--prot", "1"]).0, 2);
    // The server itself refuses the same as wrong usage, before it touches anything.
    let path = file(folder.path(), "bnd = 1\n");
    let data = folder.path().join("data");
    let words = ["serve", "--data-dir", data.to_str().unwrap(), "--config", path.to_str().unwrap()];
    let (code, text) = run(&words);
    assert!(code == 2 && text.contains("Did you mean `bind`?") && !data.exists(), "{text}");
}

#[test]
fn a_new_file_is_private_and_a_server_for_development_starts_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.toml");
    let words = ["init", "--dev", path.to_str().unwrap()];
    let (code, text) = run(&words);
    assert!(code == 0 && text.contains("moorline serve --config"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(run(&words).0, 4, "it is not written over");
    // The tests' server is on a free port, and asks for sign-ups from there.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\norigin = ", "\n#origin = ")).unwrap();
    let server = Running::start(&["--config", path.to_str().unwrap()]);
    server.sign_up("ann");
    let words = ["token", "mint", "--sub", "ann", "--config", path.to_str().unwrap()];
    let (code, token) = run(&words);
    assert!(code == 0 && token.matches('.').count() == 2, "{token}");
}

#[test]
fn the_reference_page_is_the_one_that_the_program_prints() {
    let (code, page) = run(&["config", "reference"]);
    assert_eq!(code, 0);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == page, "docs/configuration.md is not current: cargo xtask schema");
}

#[test]
fn completions_and_manual_pages_come_from_the_program_itself() {
    let (code, script) = run(&["completions", "bash"]);
    assert!(code == 0 && script.contains("--ping-interval"), "{script}");
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = run(&["man", folder.path().to_str().unwrap()]);
    assert!(code == 0 && text.starts_with("Wrote "), "{text}");
    assert!(folder.path().join("moorline-config-show.1").exists());
    assert_eq!(run(&["completions", "cobol"]).0, 2);
}
