//! What a settings file may hold, and every sentence about what it may not.

use super::*;

fn parse(text: &str) -> Result<SettingsFile, Failure> {
    SettingsFile::parse(Path::new("m.toml"), text, false)
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

fn values(file: &SettingsFile, option: &str) -> Vec<String> {
    file.values(option).into_iter().map(|setting| setting.value).collect()
}

#[test]
fn values_of_every_kind_are_read_as_they_would_be_typed() {
    let file = parse(
        "bind = \"::1\"\nport = 9_000\nping-interval = 2.5\nlimit-loopback = true\nverbose = 2\n\
         origin = [\"https://a.example\", \"https://b.example\"]\nembed-origin = \"https://c.example\"\n\
         trusted-proxy = []\n",
    )
    .unwrap();
    for (option, expected) in [
        ("bind", "::1"),
        ("port", "9000"),
        ("ping-interval", "2.5"),
        ("limit-loopback", "true"),
        ("verbose", "2"),
        ("embed-origin", "https://c.example"),
    ] {
        assert_eq!(values(&file, option), [expected], "{option}");
    }
    assert_eq!(values(&file, "origin"), ["https://a.example", "https://b.example"]);
    assert!(file.says("trusted-proxy") && values(&file, "trusted-proxy").is_empty());
    assert!(!file.says("api-key"));
    assert_eq!(file.values("origin")[1].source, "m.toml:6:32");
}

#[test]
fn an_unknown_key_is_refused_at_its_place_with_what_was_meant() {
    assert_eq!(
        refused("port = 1\n  prot = 2\n"),
        "m.toml:2:3: `prot` is no setting.\n  fix: Did you mean `port`?"
    );
    assert!(refused("ping_interval = 2").contains("Did you mean `ping-interval`?"));
    let text = refused("colour = 1");
    assert!(
        text.starts_with("m.toml:1:1: `colour` is no setting.") && text.contains("--help"),
        "{text}"
    );
    assert!(refused("[listening]\nport = 1").contains("settings stand in none"));
    // What is for tests is read, and not offered.
    assert!(parse("presence-lease = 3").is_ok());
    assert!(!refused("presence-leas = 3").contains("presence-lease`?"));
}

#[test]
fn a_value_of_a_wrong_kind_is_refused_at_its_place_with_an_example() {
    for (text, place, part) in [
        ("port = true", "m.toml:1:8", "`port = 8000`"),
        ("port = [1]", "m.toml:1:8", "`port = 8000`"),
        ("signup = 2026-01-01", "m.toml:1:10", "`signup = \"WHO\"`"),
        ("limit-loopback = \"yes\"", "m.toml:1:18", "`limit-loopback = true`"),
        ("origin = [\"https://a.example\", true]", "m.toml:1:32", "a list of texts"),
        ("[port]\nx = 1", "m.toml:1:", "one text or number"),
    ] {
        let told = refused(text);
        assert!(told.starts_with(place) && told.contains(part), "{told}");
    }
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let text = refused("port = 8000\nbind = 127.0.0.1\n");
    assert!(text.starts_with("m.toml:2:") && text.contains("no TOML"), "{text}");
    assert!(refused("port = 1\nport = 2").starts_with("m.toml:2:"));
}

#[test]
fn several_mistakes_are_told_together_in_their_order() {
    let text = refused("bnd = \"::1\"\nport = false\nverbos = 2\n");
    assert!(text.starts_with("The settings file has 3 mistakes:"), "{text}");
    let at = |part| text.find(part).unwrap();
    assert!(
        at("m.toml:1:1:") < at("m.toml:2:8:") && at("m.toml:2:8:") < at("m.toml:3:1:"),
        "{text}"
    );
    assert!(text.contains("moorline check --config m.toml"), "{text}");
}

#[test]
fn a_secret_that_every_user_can_read_is_refused_and_never_shown() {
    let open = |text| SettingsFile::parse(Path::new("m.toml"), text, true);
    for text in [
        "api-key = \"hush\"",
        "database-url = \"postgres://a:hush@h/x\"",
        "redis-url = [\"redis://:hush@h\"]",
    ] {
        let told = open(text).unwrap_err().to_string();
        assert!(told.contains("every user") && told.contains("-file"), "{told}");
        assert!(!told.contains("hush"), "{told}");
        let debug = format!("{:?}", parse(text).unwrap());
        assert!(!debug.contains("hush"), "{debug}");
    }
    for text in [
        "port = 1",
        "api-key-file = \"/run/key\"",
        "database-url = \"sqlite\"",
        "redis-url = \"redis://h\"",
    ] {
        assert!(open(text).is_ok(), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_with_how_to_make_one() {
    let told = SettingsFile::read(Path::new("/nowhere/m.toml")).unwrap_err().to_string();
    assert!(told.contains("`/nowhere/m.toml`") && told.contains("moorline init"), "{told}");
}
