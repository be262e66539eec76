use super::*;

fn parse(text: &str) -> Query {
    Query::parse(text).unwrap()
}

fn fits(query: &str, text: &str) -> bool {
    parse(query).score(text).is_some()
}

fn terms(query: &str) -> String {
    let terms = parse(query).terms();
    let text = |term: &Term| format!("{}{}", term.text, if term.is_prefix { "*" } else { "" });
    terms.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_index_is_asked_for_words_and_pairs_each_once() {
    assert_eq!(terms("The ship, the"), "the ship the*");
    assert_eq!(terms("the ship "), "the ship");
    assert_eq!(terms("日本語 版"), "日本 本語 版*");
    assert_eq!(terms("\"brown fox\" iPhone版 "), "brown fox iphone 版*");
    assert_eq!(terms(&"a b c d e f ".repeat(9)), "a b c d e f");
    assert_eq!(
        parse(&('a'..='z').map(|c| format!("{c}{c} ")).collect::<String>()).terms().len(),
        16
    );
}

#[test]
fn the_last_word_may_be_unfinished_from_three_letters_on() {
    for (query, wanted) in [
        ("shi", "shi*"),
        ("a ship", "a ship*"),
        ("sh", "sh"),
        ("ship ", "ship"),
        ("ship!", "ship"),
        ("ship* dawn ", "ship* dawn"),
        ("sh* x", "sh x"),
        ("", ""),
    ] {
        assert_eq!(terms(query), wanted, "{query:?}");
    }
}

#[test]
fn operators_are_known_by_their_names_and_everything_else_is_words() {
    let query = parse("FROM:ann in:\"The Harbour\" from:bob ship");
    assert_eq!(
        (query.from, query.rooms),
        (vec!["ann".into(), "bob".into()], vec!["The Harbour".into()])
    );
    assert_eq!(query.phrases.len(), 1);
    assert_eq!(terms("has:link http://x.y/z"), "has link http x y z");
    assert_eq!(terms("\"from:ann\" "), "from ann");
    assert_eq!(parse("from: in:\"\" ship").from.len(), 0);
    assert!(parse("from:").is_empty() && parse(" \"\" * ").is_empty());
}

#[test]
fn times_are_days_in_utc_or_moments_and_the_narrowest_counts() {
    let query = parse("x after:2026-05-31 before:2026-06-01T02:00:00+02:00 before:2027-01-01");
    assert_eq!(
        (query.after_ms, query.before_ms),
        (Some(1_780_185_600_000), Some(1_780_272_000_000))
    );
    for bad in ["x before:yesterday", "x after:2026-13-01", "x before:2026-05", "after:2026-05-31"]
    {
        assert!(matches!(Query::parse(bad), Err(Error::Invalid(_))), "{bad}");
    }
    assert_eq!(parse("x before:1960-01-01").before_ms, Some(0));
    assert!(matches!(Query::parse(&"x".repeat(1_025)), Err(Error::Invalid(_))));
}

#[test]
fn a_phrase_stands_in_a_row_and_an_open_quote_goes_to_the_end() {
    assert!(fits("\"brown fox\"", "The quick BROWN, fox!"));
    assert!(!fits("\"brown fox\"", "a fox, brown"));
    assert!(!fits("\"brown fo\"", "brown fox"));
    assert!(fits("\"brown fox", "brown foxes") && !fits("\"brown fox\"", "brown foxes"));
    assert!(fits("\"iphone日本\"", "iPhone日本語版") && !fits("\"iphone本語\"", "iPhone日本語版"));
    assert!(fits("fox \"the quick\" ", "the quick fox"));
}

#[test]
fn runs_are_found_anywhere_and_words_from_their_beginning() {
    assert!(fits("本語", "日本語版") && fits("日", "日本語版") && !fits("日語", "日本語版"));
    assert!(fits("shi", "shipping") && !fits("hip", "shipping") && !fits("shi ", "shipping"));
    assert!(fits("creme BRULEE", "Crème brûlée"));
}

#[test]
fn more_of_the_words_in_a_shorter_text_is_better_and_in_their_order_best() {
    let score = |text: &str| parse("blue whale ").score(text).unwrap();
    let long = format!("blue {} whale", "and then ".repeat(40));
    assert!(score("blue whale") > score("whale, blue"));
    assert!(score("whale blue whale blue") > score("whale is a blue"));
    assert!(score("a whale so blue") > score(&long));
    assert!(parse("ship").score("ship") > parse("ship").score("shipping"));
}

#[test]
fn a_name_is_meant_by_the_beginning_of_one_of_its_words() {
    assert!(is_meant("The Old Harbour", "old har") && is_meant("Zoë Ångström", "angs"));
    assert!(
        !is_meant("The Old Harbour", "the har") && !is_meant("Ann", "") && !is_meant("Ann", "n")
    );
}
