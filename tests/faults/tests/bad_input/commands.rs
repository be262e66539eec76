//! Commands that are well-formed and wrong: hello, types, ids, numbers, rooms of others, positions.

use moorline_faults::raw::{Came, Raw};
use moorline_faults::server::token;
use serde_json::{Value, json};

use super::canary::Ground;

async fn code(socket: &mut Raw, command: Value) -> String {
    let answer = socket.ask(&command).await.unwrap();
    answer.error().unwrap_or_else(|| panic!("{command} was answered by {answer:?}")).to_owned()
}

#[tokio::test]
async fn a_first_command_other_than_hello_is_hello_first_and_closes_with_4400() {
    let ground = Ground::new().await;
    for first in [json!({"type":"ping"}), json!({"type":"send","room":"hall","cid":"c","body":"x"})]
    {
        let mut socket = Raw::connect(ground.site.address).await.unwrap();
        assert_eq!(code(&mut socket, first).await, "hello_first");
        assert_eq!(socket.next().await.unwrap(), Came::Close(4400));
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_second_hello_is_already_hello() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let again = json!({"type":"hello","token":token("bob").unwrap()});
    assert_eq!(code(&mut ann, again).await, "already_hello");
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_token_that_is_not_valid_closes_with_4401() {
    let ground = Ground::new().await;
    let good = token("ann").unwrap();
    let (body, _) = good.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    let tokens = ["", "x", none, &format!("{body}.AAAA"), body, &"a".repeat(100_000)];
    for token in tokens {
        let mut socket = Raw::connect(ground.site.address).await.unwrap();
        let hello = json!({"type":"hello","token":token});
        assert_eq!(
            code(&mut socket, hello).await,
            "token_refused",
            "{}",
            &token[..token.len().min(40)]
        );
        assert_eq!(socket.next().await.unwrap(), Came::Close(4401));
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn unknown_types_and_wrong_types_have_their_codes() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    for unknown in [
        json!({"type":"explode"}),
        json!({"type":"react","room":"hall","cid":"c"}),
        json!({"type":"Send"}),
    ] {
        assert_eq!(code(&mut ann, unknown).await, "unknown_type");
    }
    let wrong = [
        json!({"id":1}),
        json!({"type":7}),
        json!({"type":null}),
        json!({"type":"send","room":5,"cid":"c","body":"x"}),
        json!({"type":"send","room":"hall","cid":"c","body":{"a":1}}),
        json!({"type":"send","room":"hall","cid":["c"],"body":"x"}),
        json!({"type":"send","room":"hall","cid":"c"}),
        json!({"type":"send","room":"hall","body":"x"}),
        json!({"type":"send","room":"hall","cid":"c","body":""}),
        json!({"type":"send","id":"one","room":"hall","cid":"c","body":"x"}),
        json!({"type":"create","cid":"c","kind":"secret society"}),
        json!({"type":"create","cid":"c","kind":"group","name":"x","members":"bob"}),
        json!({"type":"invite","room":"hall","cid":"c","users":"bob"}),
        json!({"type":"history","room":"hall","after":"first"}),
        json!({"type":"resume","positions":["hall"]}),
    ];
    for command in wrong {
        let got = code(&mut ann, command.clone()).await;
        assert!(matches!(got.as_str(), "invalid" | "unknown_type"), "{command}: {got}");
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn ids_that_are_too_long_or_hold_other_characters_are_invalid() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let send = |room: &str, cid: &str| json!({"type":"send","room":room,"cid":cid,"body":"x"});
    let (long, longer) = ("r".repeat(65), "u".repeat(129));
    for room in [long.as_str(), "", "a b", "a/b", "ä", "a\u{0}b", "../hall"] {
        assert_eq!(code(&mut ann, send(room, "c")).await, "invalid", "{room:?}");
    }
    for cid in [long.as_str(), "", "ä", "a\nb"] {
        assert_eq!(code(&mut ann, send("hall", cid)).await, "invalid", "{cid:?}");
    }
    for user in [longer.as_str(), "", "a\u{0}b"] {
        let invite = json!({"type":"invite","room":"hall","cid":"c","users":[user]});
        assert_eq!(code(&mut ann, invite).await, "invalid", "{user:?}");
    }
    let many: Vec<String> = (0..101).map(|n| format!("u{n}")).collect();
    let invite = json!({"type":"invite","room":"hall","cid":"c","users":many});
    assert_eq!(code(&mut ann, invite).await, "invalid");
    ground.stayed_calm().await;
}

#[tokio::test]
async fn numbers_that_are_negative_huge_or_broken_are_invalid() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    for number in
        ["-1", "9007199254740992", "18446744073709551616", "1e300", "1.5", "\"1\"", "-0.0"]
    {
        for command in [
            format!("{{\"type\":\"history\",\"room\":\"hall\",\"after\":{number}}}"),
            format!("{{\"type\":\"history\",\"room\":\"hall\",\"before\":{number}}}"),
            format!("{{\"type\":\"read\",\"room\":\"hall\",\"seq\":{number}}}"),
            format!("{{\"type\":\"ping\",\"id\":{number}}}"),
            format!(
                "{{\"type\":\"resume\",\"positions\":{{\"hall\":{{\"epoch\":\"0123456789abcdef\",\"seq\":{number}}}}}}}"
            ),
        ] {
            let answer = ann.ask_text(&command).await.unwrap();
            assert_eq!(answer.error(), Some("invalid"), "{command}: {answer:?}");
        }
    }
    ground.stayed_calm().await;
}

/// An answer without its room's name, and without how far the index of all rooms is behind at that moment.
fn timeless(mut answer: Came, room: &str) -> String {
    if let Came::Frame(Value::Object(frame)) = &mut answer {
        frame.remove("behind_ms");
    }
    format!("{answer:?}").replace(room, "?")
}

#[tokio::test]
async fn a_room_of_others_is_answered_exactly_like_an_unknown_one() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let commands = |room: &str| {
        vec![
            json!({"type":"send","id":5,"room":room,"cid":"c1","body":"x"}),
            json!({"type":"edit","id":5,"room":room,"cid":"c2","message":"01930000-0000-7000-8000-000000000001","body":"x"}),
            json!({"type":"delete","id":5,"room":room,"cid":"c3","message":"01930000-0000-7000-8000-000000000001"}),
            json!({"type":"join","id":5,"room":room,"cid":"c4"}),
            json!({"type":"leave","id":5,"room":room,"cid":"c5"}),
            json!({"type":"invite","id":5,"room":room,"cid":"c6","users":["bob"]}),
            json!({"type":"remove","id":5,"room":room,"cid":"c7","users":["bob"]}),
            json!({"type":"rename","id":5,"room":room,"cid":"c8","name":"mine"}),
            json!({"type":"members","id":5,"room":room}),
            json!({"type":"history","id":5,"room":room,"limit":10}),
            json!({"type":"history","id":5,"room":room,"after":0,"limit":10}),
            json!({"type":"search","id":5,"room":room,"query":"still"}),
            json!({"type":"resume","positions":{room:{"epoch":"0123456789abcdef","seq":1}}}),
        ]
    };
    for (mut foreign, mut unknown) in commands("secret").into_iter().zip(commands("unheard")) {
        let one = ann.ask(&foreign).await.unwrap();
        let other = ann.ask(&unknown).await.unwrap();
        (foreign["room"], unknown["room"]) = (Value::Null, Value::Null);
        assert_eq!(timeless(one, "secret"), timeless(other, "unheard"), "{foreign}");
    }
    // Neither is answered where nothing is owed: the next answer is the ping's.
    for room in ["secret", "unheard"] {
        ann.say(&json!({"type":"typing","room":room})).await.unwrap();
        ann.say(&json!({"type":"read","room":room,"seq":1})).await.unwrap();
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_position_from_the_future_or_of_another_epoch_is_reset() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let page = ann.ask(&json!({"type":"history","id":1,"room":"hall","limit":1})).await.unwrap();
    let Came::Frame(page) = page else { panic!("no page") };
    let epoch = page["epoch"].clone();
    let last = page["events"][0]["seq"].clone();
    let cases = [
        (json!({"epoch":epoch,"seq":9_007_199_254_740_991_u64}), "future"),
        (json!({"epoch":epoch,"seq":1_000_000}), "future"),
        (json!({"epoch":"0123456789abcdef","seq":1}), "epoch"),
        (json!({"epoch":epoch,"seq":last,"check":"ffffffff"}), "epoch"),
    ];
    for (position, reason) in cases {
        let answer =
            ann.ask(&json!({"type":"resume","positions":{"hall":position}})).await.unwrap();
        let Came::Frame(frame) = answer else { panic!("no frame") };
        assert_eq!(
            (&frame["type"], &frame["reason"]),
            (&json!("reset"), &json!(reason)),
            "{frame}"
        );
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_cid_used_again_with_another_body_is_cid_conflict() {
    let ground = Ground::new().await;
    let mut ann = ground.person("ann").await;
    let send = |body: &str| json!({"type":"send","id":1,"room":"hall","cid":"once","body":body});
    let first = ann.ask(&send("one")).await.unwrap();
    assert_eq!(code(&mut ann, send("two")).await, "cid_conflict");
    let again = ann.ask(&send("one")).await.unwrap();
    assert_eq!(first, again, "the first ack is repeated");
    ground.stayed_calm().await;
}
