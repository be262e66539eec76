//! Names of groups, from templates and from what anybody may write into a path.

use http::{Extensions, HeaderMap, Uri};

use super::*;
use crate::scope::ClientAddress;

fn scope(room: &str, user: Option<&str>) -> Scope {
    Scope {
        uri: Uri::from_static("/ws/chat/x/"),
        headers: HeaderMap::new(),
        subprotocols: Vec::new(),
        client: ClientAddress { peer: None, forwarded: None, secure: false },
        user: user.map(|user| user.parse().unwrap()),
        extensions: Extensions::new(),
        parameters: vec![("room".into(), room.into())],
    }
}

fn filled(template: &str, room: &str, user: Option<&str>) -> Result<String, u16> {
    let filled = Template::parse(template).unwrap().fill(&scope(room, user));
    filled.map_err(|refusal| refusal.status.as_u16())
}

#[test]
fn a_template_is_filled_from_the_path_and_the_person() {
    assert_eq!(filled("chat_{room}", "lobby", None).unwrap(), "chat_lobby");
    assert_eq!(filled("{room}", "a.b-c_9", None).unwrap(), "a.b-c_9");
    assert_eq!(filled("all", "lobby", None).unwrap(), "all");
    assert_eq!(filled("{room}.of.{user}", "r1", Some("ann")).unwrap(), "r1.of.ann");
}

#[test]
fn an_id_that_names_cannot_hold_stands_as_its_hash() {
    let hashed = filled("user_{user}", "r", Some("ann@example.org")).unwrap();
    assert_eq!(hashed, "user_h-438c4c7afe600cdf1e455c369bec76dc");
    let long = "x".repeat(65);
    assert_eq!(filled("user_{user}", "r", Some(&long)).unwrap().len(), "user_h-".len() + 32);
    assert_eq!(filled("{user}", "r", Some(&"x".repeat(64))).unwrap().len(), 64);
}

#[test]
fn a_path_that_makes_no_name_is_refused() {
    let long = "x".repeat(95);
    for room in ["a b", "é", "a!b", "a/b", "a\n", "a\0", "", long.as_str()] {
        let template = if room.is_empty() { "{room}" } else { "chat_{room}" };
        assert_eq!(filled(template, room, None), Err(400), "{room:?}");
    }
    assert_eq!(filled("chat_{room}", &"x".repeat(94), None).unwrap().len(), 99);
}

#[test]
fn nobody_gets_into_the_groups_of_the_nodes() {
    for room in ["moorline.nodes", "moorline.room.r1"] {
        assert_eq!(filled("{room}", room, None), Err(400), "{room}");
    }
    assert_eq!(filled("moorline{room}", ".nodes", None), Err(400));
    assert_eq!(Template::parse("moorline.{room}"), Err(InvalidTemplate::Own));
}

#[test]
fn what_can_make_no_name_is_no_template() {
    for (text, why) in [
        ("", InvalidTemplate::Empty),
        ("chat_{room", InvalidTemplate::Braces),
        ("chat_room}", InvalidTemplate::Braces),
        ("chat_{}", InvalidTemplate::Braces),
        ("chat_{{room}}", InvalidTemplate::Braces),
        ("chat:{room}", InvalidTemplate::Character(':')),
        ("chät", InvalidTemplate::Character('ä')),
        (&"x".repeat(100), InvalidTemplate::Long),
    ] {
        assert_eq!(Template::parse(text), Err(why), "{text}");
    }
    let both = Template::parse("{room}_{user}").unwrap();
    assert_eq!(both.parameters().collect::<Vec<_>>(), ["room"]);
    assert!(both.names_user());
}
