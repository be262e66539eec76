//! What `--relay` may say, and what it answers to what it may not.

use super::*;

fn of(texts: &[&str], has_redis: bool) -> Result<Vec<RelayRule>, Failure> {
    let args = RelayArgs { relay: texts.iter().map(|text| (*text).to_owned()).collect() };
    resolve(&args, &Environment::default(), has_redis)
}

fn one(text: &str) -> RelayRule {
    of(&[text], true).unwrap().remove(0)
}

#[test]
fn the_words_of_a_relay_are_read() {
    let rule =
        one("/ws/chat/{room}/ group=chat_{room} types=chat.message,chat.joined inbox=chat.inbox");
    assert_eq!(rule.path, "/ws/chat/{room}/");
    assert_eq!(rule.groups, [Template::parse("chat_{room}").unwrap()]);
    assert_eq!(rule.types, ["chat.message", "chat.joined"]);
    let inbox = |lifecycle| FromBrowser::Inbox { channel: "chat.inbox".into(), lifecycle };
    assert_eq!(rule.from_browser, inbox(false));
    let all = one("/ws/{room}/ group=chat_{room} types=x inbox=chat.inbox lifecycle=yes");
    assert_eq!(all.from_browser, inbox(true));
    assert_eq!((rule.keeps_type, rule.anonymous), (false, false));
    assert_eq!(one("/ws/{r}/ group={r} types=x room={r}").room, Template::parse("{r}").ok());
    let rule = one("/n/ group=all,user_{user} types=note with_type=yes anonymous=no");
    assert_eq!((rule.groups.len(), rule.keeps_type), (2, true));
    assert_eq!(rule.from_browser, FromBrowser::Nothing);
}

#[test]
fn an_echo_takes_over_the_tutorials_field_unless_told_otherwise() {
    let fields = |text: &str| match one(text).from_browser {
        FromBrowser::Echo { kind, fields } => (kind, fields),
        other => panic!("{other:?}"),
    };
    let text = "/ws/{room}/ group={room} types=chat.message echo=chat.message";
    assert_eq!(fields(text), ("chat.message".into(), vec!["message".into()]));
    assert_eq!(fields(&format!("{text} fields=text,at")).1, ["text", "at"]);
}

#[test]
fn a_variable_holds_several() {
    let text = "/a/ group=a types=x,y echo=x; /b/{c}/ group={c} types=z ;";
    let environment: Environment =
        [("MOORLINE_RELAY".to_owned(), text.to_owned())].into_iter().collect();
    let rules = resolve(&RelayArgs::default(), &environment, true).unwrap();
    assert_eq!(rules.iter().map(|rule| rule.path.as_str()).collect::<Vec<_>>(), ["/a/", "/b/{c}/"]);
}

#[test]
fn what_is_no_relay_is_refused_with_the_reason_and_an_example() {
    for (text, part) in [
        (" ", "it is empty"),
        ("group=a types=x", "not with a path"),
        ("/ws/x/", "group= is missing"),
        ("/ws/x/ group=a", "types= is missing"),
        ("/ws/x/ group=a types=x,,y", "an empty value"),
        ("/ws/x/ group=a types=x inbx=c", "it knows no `inbx`"),
        ("/ws/x/ group=a types=x types=y", "`types` stands there twice"),
        ("/ws/x/ group=a types=x quick", "`quick` is no name=value"),
        ("/ws/x/ group=a types=x with_type=1", "neither yes nor no"),
        ("/ws/x/ group=a types=chat/message", "is no type"),
        ("/ws/{room}/ group=chat_{rom} types=x", "the path has no {rom}"),
        ("/ws/{room}/ group=chat_{room types=x", "braces"),
        ("/ws/{room}/ group=chat:{room} types=x", "no ':'"),
        ("/ws/{room}/ group=moorline.nodes types=x", "Moorline's own nodes"),
        ("/ws/{room}/{room}/ group=a types=x", "stands there twice"),
        ("/ws/{user}/ group=a types=x", "who has signed in"),
        ("/ws/r{room}/ group=a types=x", "neither a plain segment"),
        ("/ws/x/ group=u_{user} types=x anonymous=yes", "there is no {user}"),
        ("/ws/{room}/ group={room} types=x room={rom}", "the path has no {rom}"),
        ("/ws/{room}/ group={room} types=x room={room} anonymous=yes", "lets in who has none"),
        ("/ws group=a types=x", "Moorline's own paths"),
        ("/{room} group=a types=x", "Moorline's own paths"),
        ("/api/v1/x group=a types=x", "Moorline's own paths"),
        ("/ws/x/ group=a types=x inbox=i echo=x", "both given"),
        ("/ws/x/ group=a types=x echo=x lifecycle=yes", "no inbox="),
        ("/ws/x/ group=a types=x inbox=i lifecycle=on", "neither yes nor no"),
        ("/ws/x/ group=a types=x inbox=moorline", "Moorline's own"),
        ("/ws/x/ group=a types=x inbox=a!b", "is no channel"),
        ("/ws/x/ group=a types=x echo=y", "not among types="),
        ("/ws/x/ group=a types=x fields=a", "there is no echo="),
        ("/ws/x/ group=a types=x echo=x fields=type", "neither `type`"),
    ] {
        let refused = of(&[text], true).unwrap_err().to_string();
        assert!(refused.contains(part) && refused.contains("--relay"), "{text}: {refused}");
        assert!(refused.contains("fix: Write for example"), "{refused}");
    }
}

#[test]
fn what_needs_redis_says_so_and_two_relays_need_two_paths() {
    let inbox = "/ws/x/ group=a types=x inbox=i";
    assert!(of(&[inbox], false).unwrap_err().to_string().contains("--redis-url"));
    assert!(of(&["/ws/x/ group=a types=x"], false).is_err());
    assert_eq!(of(&["/ws/x/ group=a types=x echo=x"], false).unwrap().len(), 1);
    let twice = of(&["/ws/{a}/ group={a} types=x", "/ws/{b}/ group={b} types=x"], true);
    assert!(twice.unwrap_err().to_string().contains("Two relays"));
}
