//! Search finds messages as they are now, for those who may see them.

use moorline_protocol::{RoomKind, SearchSort};
use moorline_store::{Error, Search, Send, Store};

use super::stage::{Stage, cid, eventually, line, room, user};

#[tokio::test]
async fn all_words_must_occur_and_the_last_may_be_unfinished() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for (n, body) in
        ["The ship sails at dawn", "Dawn over the harbour", "shipping costs"].iter().enumerate()
    {
        stage.send("ann", "r", &format!("c{n}"), body).await.unwrap();
    }
    stage.indexed().await;
    assert_eq!(
        stage.find("ann", "DAWN").await,
        ["3 ann: Dawn over the harbour", "2 ann: The ship sails at dawn"]
    );
    assert_eq!(stage.find("ann", "dawn ship").await, ["2 ann: The ship sails at dawn"]);
    assert_eq!(stage.find("ann", "ship").await.len(), 2);
    assert_eq!(stage.find("ann", "ship ").await.len(), 1);
    assert_eq!(stage.find("ann", "shark").await.len(), 0);
}

#[tokio::test]
async fn letters_of_many_scripts_are_found_and_signs_break_nothing() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let bodies = [
        "Crème brûlée",
        "Привет мир",
        "नमस्ते दुनिया",
        "a-b \"quoted\" c++ x@y.z",
        "日本語 です",
        "Ⓐ 𞤀𞤣",
    ];
    for (n, body) in bodies.iter().enumerate() {
        stage.send("ann", "r", &format!("c{n}"), body).await.unwrap();
    }
    stage.indexed().await;
    for (query, wanted) in [
        ("creme", 1),
        ("Brûlée ", 1),
        ("привет", 1),
        ("नमस्ते", 1),
        ("quoted", 1),
        ("y.z", 1),
        ("日本", 1),
        ("本語", 1),
        ("\"", 0),
        ("", 0),
        ("*", 0),
        ("a AND b", 0),
        ("NEAR(a b)", 0),
        ("body:a", 0),
        ("Ⓐ", 0),
        ("(((", 0),
        ("a\0b", 1),
        ("^a", 1),
    ] {
        assert_eq!(stage.find("ann", query).await.len(), wanted, "{query:?}");
    }
}

#[tokio::test]
async fn search_obeys_membership_and_how_far_back_one_sees() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for who in ["bob", "eve"] {
        stage.store.put_user(user(who), who.to_owned(), 1).await.unwrap();
    }
    stage.send("ann", "r", "c1", "secret old").await.unwrap();
    stage.invite("ann", "r", "c2", &["bob"]).await.unwrap();
    stage.send("ann", "r", "c3", "secret new").await.unwrap();
    stage.indexed().await;
    assert_eq!(stage.find("ann", "secret").await.len(), 2);
    assert_eq!(stage.find("bob", "secret").await, ["4 ann: secret new"]);
    assert!(stage.find("eve", "secret").await.is_empty());
    stage.remove("ann", "r", "c4", &["bob"]).await.unwrap();
    assert!(stage.find("bob", "secret").await.is_empty());
    stage.invite("ann", "r", "c5", &["bob"]).await.unwrap();
    assert!(stage.find("bob", "secret").await.is_empty());
}

#[tokio::test]
async fn an_edited_message_is_found_by_its_new_words_only() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let indexed = stage.send("ann", "r", "c1", "walrus").await.unwrap();
    stage.indexed().await;
    let fresh = stage.send("ann", "r", "c2", "walrus").await.unwrap();
    stage.edit("ann", "r", "c3", indexed.id, "penguin").await.unwrap();
    stage.edit("ann", "r", "c4", fresh.id, "penguin").await.unwrap();
    stage.indexed().await;
    assert!(stage.find("ann", "walrus").await.is_empty());
    assert_eq!(stage.find("ann", "penguin").await.len(), 2);
}

#[tokio::test]
async fn a_deleted_message_is_not_found_whether_indexed_or_not() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let indexed = stage.send("ann", "r", "c1", "walrus").await.unwrap();
    stage.indexed().await;
    let fresh = stage.send("ann", "r", "c2", "walrus").await.unwrap();
    stage.delete("ann", "r", "c3", indexed.id).await.unwrap();
    stage.delete("ann", "r", "c4", fresh.id).await.unwrap();
    stage.indexed().await;
    assert!(stage.find("ann", "walrus").await.is_empty());
}

#[tokio::test]
async fn hits_come_page_by_page_the_newest_first() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let replies: Vec<_> =
        (0..25).map(|n| stage.send("ann", "r", &format!("c{n}"), &format!("walrus {n}"))).collect();
    for reply in replies {
        reply.await.unwrap();
    }
    stage.indexed().await;
    for room in [None, Some(room("r"))] {
        let asked = Search { room, ..Search::new("walrus", 10) };
        let (lines, pages) = stage.pages("ann", asked).await;
        let wanted: Vec<String> =
            (0..25).rev().map(|n| format!("{} ann: walrus {n}", n + 2)).collect();
        assert_eq!((lines, pages), (wanted, 3));
    }
}

/// Sends many messages at once, each with its number.
async fn send_many(stage: &Stage, from: &str, to: &str, words: &str, count: usize) {
    let sends: Vec<_> = (0..count)
        .map(|n| stage.send(from, to, &format!("{to}-{words}-{n}"), &format!("{words} {n}")))
        .collect();
    for send in sends {
        send.await.unwrap();
    }
}

#[tokio::test]
async fn matches_in_rooms_of_others_do_not_hide_ones_own() {
    let stage = Stage::with_group("mine", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    stage.make("theirs", RoomKind::Group, &["bob"]).await.unwrap();
    stage.send("ann", "mine", "c", "walrus").await.unwrap();
    send_many(&stage, "bob", "theirs", "walrus", 3_000).await;
    stage.indexed().await;
    let hits = stage.search("ann", &Search::new("walrus", 10)).await;
    assert_eq!(
        (hits.hits.iter().map(line).collect::<Vec<_>>(), hits.more),
        (vec!["2 ann: walrus".into()], false)
    );
    // In more rooms than the index is asked for one by one, what others wrote is looked at too.
    for n in 0..70 {
        stage.make(&format!("more{n}"), RoomKind::Group, &["ann"]).await.unwrap();
    }
    stage.indexed().await;
    let hits = stage.search("ann", &Search::new("walrus", 10)).await;
    assert!(hits.hits.is_empty() && hits.partial && hits.more, "{hits:?}");
    let (lines, pages) = stage.pages("ann", Search::new("walrus ", 10)).await;
    assert_eq!((lines, pages), (vec!["2 ann: walrus".to_owned()], 4));
    assert_eq!(stage.find("ann", "walrus in:mine").await, ["2 ann: walrus"]);
}

#[tokio::test]
async fn a_word_in_every_message_costs_a_thousand_looks_and_the_answer_says_so() {
    let stage = Stage::with_group("r", &["ann"]).await;
    send_many(&stage, "ann", "r", "walrus", 2_500).await;
    stage.send("ann", "r", "last", "walrus and penguin").await.unwrap();
    stage.indexed().await;
    for words in ["walrus", "walrus "] {
        // The page is full long before.
        let hits = stage.search("ann", &Search::new(words, 50)).await;
        assert_eq!((hits.hits.len(), hits.more, hits.partial), (50, true, false), "{words:?}");
        // All these words, but never in this order: the index cannot tell.
        let phrase = format!("\"and {}\"", words);
        let hits = stage.search("ann", &Search::new(phrase, 50)).await;
        assert_eq!((hits.hits.len(), hits.more), (0, false), "{words:?}");
        let (hits, pages) =
            stage.pages("ann", Search { sort: SearchSort::Best, ..Search::new(words, 400) }).await;
        assert_eq!((hits.len(), pages), (2_501, 8), "{words:?}");
    }
    let backwards: Vec<_> = (0..1_200)
        .map(|n| stage.send("ann", "r", &format!("b{n}"), &format!("seal {n} lion")))
        .collect();
    for send in backwards {
        send.await.unwrap();
    }
    stage.send("ann", "r", "b", "again a sea lion, and a lion seal").await.unwrap();
    stage.indexed().await;
    let hits = stage.search("ann", &Search::new("\"lion seal\"", 50)).await;
    assert_eq!((hits.hits.len(), hits.more, hits.partial), (1, true, true));
    let (lines, pages) = stage.pages("ann", Search::new("\"lion seal\"", 50)).await;
    assert_eq!((lines.len(), pages), (1, 2));
}

#[tokio::test]
async fn phrases_stand_in_a_row_and_an_open_quote_goes_to_the_end() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for (n, body) in ["the quick brown fox", "fox, brown and quick", "brown foxes", "日本語版です"]
        .iter()
        .enumerate()
    {
        stage.send("ann", "r", &format!("c{n}"), body).await.unwrap();
    }
    stage.indexed().await;
    for (query, wanted) in [
        ("\"brown fox\"", vec![2]),
        ("\"Brown FOX", vec![4, 2]),
        ("\"brown fox\" quick", vec![2]),
        ("quick \"fox brown\"", vec![3]),
        ("\"\"", vec![]),
        ("fox* ", vec![4, 3, 2]),
        ("日本 です", vec![5]),
        ("本語", vec![5]),
        ("語本", vec![]),
        ("日", vec![5]),
    ] {
        let hits = stage.search("ann", &Search::new(query, 10)).await;
        let seqs: Vec<u64> = hits.hits.iter().map(|hit| hit.seq.0).collect();
        assert_eq!(seqs, wanted, "{query:?}");
    }
}

#[tokio::test]
async fn from_and_in_name_people_and_rooms_as_one_would_type_them() {
    let stage = Stage::with_group("harbour", &["ann", "bob"]).await;
    stage.make("old-pier", RoomKind::Group, &["ann", "bob"]).await.unwrap();
    stage.store.put_user(user("u_7"), "Zoë Bobsled".to_owned(), 1).await.unwrap();
    stage.invite("ann", "harbour", "i", &["u_7"]).await.unwrap();
    stage.rename("ann", "old-pier", "n", "Der alte Käse-Pier").await.unwrap();
    for (n, (who, to)) in
        [("ann", "harbour"), ("bob", "harbour"), ("u_7", "harbour"), ("bob", "old-pier")]
            .iter()
            .enumerate()
    {
        stage.send(who, to, &format!("c{n}"), "walrus").await.unwrap();
    }
    stage.indexed().await;
    for (query, wanted) in [
        ("walrus from:ann", "harbour/ann"),
        ("from:me", "harbour/ann"),
        ("walrus FROM:bob", "old-pier/bob harbour/u_7 harbour/bob"),
        ("walrus from:u_7", "harbour/u_7"),
        ("walrus from:\"zoë bob\"", "harbour/u_7"),
        ("walrus from:ann from:u_7", "harbour/u_7 harbour/ann"),
        ("walrus from:nobody", ""),
        ("in:old-pier", "old-pier/bob"),
        ("in:kase walrus", "old-pier/bob"),
        ("in:\"alte käse\" from:bob", "old-pier/bob"),
        ("in:\"alte pier\"", ""),
        ("in:old-pier in:harbour from:bob", "old-pier/bob harbour/u_7 harbour/bob"),
        ("in:nowhere walrus", ""),
        ("walrus from: in:", "old-pier/bob harbour/u_7 harbour/bob harbour/ann"),
        ("sender:ann", ""),
    ] {
        let hits = stage.search("ann", &Search::new(query, 10)).await;
        let found: Vec<String> =
            hits.hits.iter().map(|hit| format!("{}/{}", hit.room, hit.from)).collect();
        assert_eq!(found.join(" "), wanted, "{query:?}");
    }
    let in_one = Search { room: Some(room("harbour")), ..Search::new("from:bob walrus", 10) };
    assert_eq!(stage.search("ann", &in_one).await.hits.len(), 2);
    let not_there = Search { room: Some(room("nowhere")), ..Search::new("walrus", 10) };
    assert!(stage.search("ann", &not_there).await.hits.is_empty());
}

#[tokio::test]
async fn before_and_after_are_days_or_moments_even_where_the_clock_was_set_back() {
    let stage = Stage::with_group("r", &["ann"]).await;
    const DAY: u64 = 86_400_000;
    // 2026-05-31T00:00:00Z.
    let begin = 1_780_185_600_000;
    for (n, at_ms) in
        [begin - 1, begin, begin + DAY - 1, begin + DAY, begin + 5 * DAY, begin - 3 * DAY]
            .iter()
            .enumerate()
    {
        let (cid, body) = (cid(&format!("c{n}")), format!("walrus {n}"));
        let send =
            Send { from: user("ann"), room: room("r"), cid, body, reply_to: None, at_ms: *at_ms };
        stage.store.send(send).await.unwrap();
    }
    stage.indexed().await;
    for (query, wanted) in [
        ("walrus after:2026-05-31 before:2026-06-01", "12"),
        ("walrus before:2026-05-31", "05"),
        ("walrus after:2026-06-01T00:00:00Z", "34"),
        ("walrus after:2026-06-01T01:00:00+02:00", "234"),
        ("walrus before:2026-05-31T00:00:00.001Z", "015"),
        ("in:r before:2026-05-30", "5"),
        ("walrus after:2030-01-01", ""),
        ("walrus before:2000-01-01", ""),
        ("walrus after:2026-06-01 before:2026-05-31", ""),
    ] {
        let hits = stage.search("ann", &Search::new(query, 10)).await;
        let mut found: Vec<String> =
            hits.hits.iter().map(|hit| line(hit).chars().last().unwrap().to_string()).collect();
        found.sort_unstable();
        assert_eq!(found.concat(), wanted, "{query:?}");
    }
    for bad in ["walrus before:yesterday", "after:2026-05-31", "walrus after:2026-02-30"] {
        let refused = stage.store.search(&user("ann"), &Search::new(bad, 10)).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{bad}");
    }
}

#[tokio::test]
async fn the_best_come_first_where_that_is_asked_for_and_pages_go_on() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let filler = "and so on ".repeat(30);
    let bodies = [
        "blue whale".to_owned(),
        "whale, so blue".to_owned(),
        format!("blue {filler} whale"),
        "a blue whale and a blue whale".to_owned(),
        "blue".to_owned(),
    ];
    for (n, body) in bodies.iter().enumerate() {
        stage.send("ann", "r", &format!("c{n}"), body).await.unwrap();
    }
    stage.indexed().await;
    for limit in [1, 2, 10] {
        let asked = Search { sort: SearchSort::Best, ..Search::new("blue whale ", limit) };
        let (lines, _) = stage.pages("ann", asked).await;
        let seqs: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().0).collect();
        assert_eq!(seqs, ["5", "2", "3", "4"], "{limit}");
    }
}

#[tokio::test]
async fn who_was_removed_and_came_back_finds_what_the_room_shows_them() {
    let stage = Stage::with_public("open", &["ann", "bob"]).await;
    stage.make("closed", RoomKind::Group, &["ann", "bob"]).await.unwrap();
    for at in ["open", "closed"] {
        stage.send("ann", at, &format!("{at}1"), "walrus before").await.unwrap();
        stage.remove("ann", at, &format!("{at}2"), &["bob"]).await.unwrap();
        stage.send("ann", at, &format!("{at}3"), "walrus while away").await.unwrap();
    }
    stage.indexed().await;
    assert!(stage.find("bob", "walrus").await.is_empty());
    assert!(stage.find("bob", "in:open").await.is_empty());
    stage.join("bob", "open", "back").await.unwrap();
    stage.invite("ann", "closed", "back", &["bob"]).await.unwrap();
    for at in ["open", "closed"] {
        stage.send("ann", at, &format!("{at}5"), "walrus after").await.unwrap();
    }
    stage.indexed().await;
    let of = async |at: &str| {
        let asked = Search { room: Some(room(at)), ..Search::new("walrus", 10) };
        stage.search("bob", &asked).await.hits.len()
    };
    // A public room shows all of its past, a group only what came after one joined.
    assert_eq!((of("open").await, of("closed").await), (3, 1));
    assert_eq!(stage.find("bob", "walrus").await.len(), 4);
}

#[tokio::test]
async fn an_answer_that_is_complete_says_so() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c", "walrus").await.unwrap();
    stage.indexed().await;
    let hits = stage.search("ann", &Search::new("walrus", 10)).await;
    assert_eq!((hits.hits.len(), hits.behind_ms, hits.upto.len()), (1, 0, 0));
    assert_eq!(hits.people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["ANN"]);
}

async fn is_found(store: &Store, words: &str) -> bool {
    !store.search(&user("ann"), &Search::new(words, 1)).await.unwrap().hits.is_empty()
}

#[tokio::test]
async fn the_index_goes_on_where_it_was_after_a_restart() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "walrus").await.unwrap();
    let stage = stage.reopen().await;
    stage.send("ann", "r", "c2", "penguin").await.unwrap();
    for word in ["walrus", "penguin"] {
        eventually(async || is_found(&stage.store, word).await).await;
    }
}
