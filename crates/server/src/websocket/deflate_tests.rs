//! The examples of RFC 7692, what other deflaters make, bombs, and broken streams.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::{ENDS, deflate, deflated_limit, inflate};
use crate::websocket::Violation;

const LIMIT: usize = 100_000;

fn text(deflated: &[u8]) -> Result<String, Violation> {
    inflate(deflated.to_vec(), LIMIT).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// What another implementation makes of a message.
fn deflated_by(level: u32, message: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut stream = Compress::new(Compression::new(level), false);
    let mut deflated = Vec::with_capacity(message.len() * 2 + 100);
    stream.compress_vec(message, &mut deflated, flush).unwrap();
    match flush {
        FlushCompress::Finish => deflated.push(0),
        _ => deflated.truncate(deflated.len() - 4),
    }
    deflated
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    let examples: [(&str, &[u8]); 4] = [
        ("7.2.3.1", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        ("7.2.3.3, stored", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
        ("7.2.3.4, a last block", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
        (
            "7.2.3.5, two blocks",
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ),
    ];
    for (section, deflated) in examples {
        assert_eq!(text(deflated).as_deref(), Ok("Hello"), "{section}");
    }
    assert_eq!(text(&[0]).as_deref(), Ok(""), "7.2.3.6");
}

#[test]
fn the_window_of_the_message_before_is_gone() {
    assert_eq!(text(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]).as_deref(), Ok("Hello"));
    // Section 7.2.3.2: "Hello" as a reference to the message before.
    assert_eq!(text(&[0xf2, 0x00, 0x11, 0x00, 0x00]), Err(Violation::BadDeflate));
}

#[test]
fn what_is_deflated_here_has_the_form_of_the_rfc() {
    let message = "moorline ".repeat(100);
    let deflated = deflate(message.as_bytes()).unwrap();
    assert!(deflated.len() < 40, "{} bytes", deflated.len());
    assert!(!deflated.ends_with(&[0, 0, 0xff, 0xff]));
    assert_eq!(deflated[0] & 1, 0, "a last block");
    assert_eq!(deflate(message.as_bytes()).unwrap(), deflated, "the window was kept");
    assert_eq!(text(&deflated).as_deref(), Ok(&*message));
}

#[test]
fn what_would_not_get_shorter_is_not_deflated() {
    let mut noise = 88_172_645_463_325_252_u64;
    let bytes = |length| -> Vec<u8> {
        (0..length)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                (noise >> 32) as u8
            })
            .collect()
    };
    for payload in [512, 5_000, 70_000].map(bytes) {
        assert_eq!(deflate(&payload), None, "{} bytes", payload.len());
    }
    assert_eq!(deflate(b""), None);
}

#[test]
fn a_bomb_is_refused_with_no_more_memory_than_the_limit() {
    let mut bomb = deflated_by(9, &vec![b'a'; 1 << 20], FlushCompress::Sync);
    bomb.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let bomb = bomb.repeat(64);
    assert!(bomb.len() < deflated_limit(LIMIT), "it is refused only for what it becomes");
    assert_eq!(inflate(bomb, LIMIT), Err(Violation::TooBig));
    for (length, expected) in [(LIMIT, Ok(LIMIT)), (LIMIT + 1, Err(Violation::TooBig))] {
        let deflated = deflated_by(9, &vec![b'a'; length], FlushCompress::Sync);
        let inflated = inflate(deflated, LIMIT);
        assert!(inflated.as_ref().map_or(0, Vec::capacity) <= LIMIT + 1);
        assert_eq!(inflated.map(|message| message.len()), expected);
    }
}

#[test]
fn broken_and_cut_streams_are_refused() {
    let whole = deflated_by(6, "what a day, what a day".as_bytes(), FlushCompress::Sync);
    for cut in 0..whole.len() - 1 {
        assert_eq!(text(&whole[..cut]), Err(Violation::BadDeflate), "cut at {cut}");
    }
    for broken in
        [&[7][..], &[0xff; 20], &[0, 5, 0, 0, 0, 1], &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 7, 0]]
    {
        assert_eq!(text(broken), Err(Violation::BadDeflate), "{broken:?}");
    }
}

#[test]
fn only_so_many_last_blocks_are_read() {
    let empty_last = [3, 0];
    assert_eq!(text(&[&empty_last.repeat(ENDS - 1)[..], &[0]].concat()).as_deref(), Ok(""));
    let too_many = [&empty_last.repeat(ENDS)[..], &[0]].concat();
    assert_eq!(text(&too_many), Err(Violation::BadDeflate));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_any_deflater_makes_is_read(
        words in prop::collection::vec(prop_oneof!["[a-f]{1,9} ", "\\PC{1,9}"], 0..120),
        level in 0_u32..=9,
        is_last in any::<bool>(),
    ) {
        let message = words.concat();
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
        prop_assume!(is_last || !message.is_empty());
        let deflated = deflated_by(level, message.as_bytes(), flush);
        prop_assert!(deflated.len() <= deflated_limit(message.len()));
        prop_assert_eq!(inflate(deflated, message.len()), Ok(message.clone().into_bytes()));
        if let Some(ours) = deflate(message.as_bytes()) {
            prop_assert!(ours.len() < message.len());
            prop_assert_eq!(inflate(ours, LIMIT), Ok(message.into_bytes()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_overflow(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        limit in 0_usize..1000,
    ) {
        let inflated = inflate(bytes, limit);
        prop_assert!(inflated.map_or(0, |message| message.len()) <= limit);
    }
}
