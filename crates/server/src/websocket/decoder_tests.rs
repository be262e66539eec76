//! Any split of any frames gives the same messages; each broken rule has its violation.

use proptest::prelude::*;

use super::decoder::{Decoder, Item};
use super::header::Violation;
use crate::consumer::Incoming;
use moorline_protocol::CloseCode;

const LIMIT: usize = 100_000;

/// A client's frame.
fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at & 3]));
    bytes
}

/// All items of some bytes that arrive in pieces.
fn decode(pieces: &[&[u8]], limit: usize) -> Result<Vec<Item>, Violation> {
    decode_by(Decoder::new(limit, false), pieces)
}

fn decode_by(mut decoder: Decoder, pieces: &[&[u8]]) -> Result<Vec<Item>, Violation> {
    let mut items = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut at = 0;
        while at < piece.len() {
            let (taken, item) = decoder.decode(&mut piece[at..])?;
            at += taken;
            items.extend(item);
        }
    }
    Ok(items)
}

fn whole(bytes: &[u8]) -> Result<Vec<Item>, Violation> {
    decode(&[bytes], LIMIT)
}

/// What a client says and the frames that say it, messages in up to four fragments with pings in between.
fn spoken() -> impl Strategy<Value = (Vec<Item>, Vec<u8>)> {
    let message = (
        prop_oneof![
            ".{0,300}".prop_map(Incoming::Text),
            prop::collection::vec(any::<u8>(), 0..70_000).prop_map(Incoming::Bytes),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(Incoming::Bytes),
        ],
        prop::collection::vec(0_usize..70_000, 0..3),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..126)),
        any::<[u8; 4]>(),
    );
    prop::collection::vec(message, 1..5).prop_map(|messages| {
        let (mut items, mut bytes) = (Vec::new(), Vec::new());
        for (incoming, cuts, ping, mask) in messages {
            say(&incoming, &cuts, ping.as_deref(), mask, &mut bytes);
            items.extend(ping.map(Item::Ping));
            items.push(Item::Message(incoming));
        }
        (items, bytes)
    })
}

fn say(
    incoming: &Incoming,
    cuts: &[usize],
    ping: Option<&[u8]>,
    mask: [u8; 4],
    bytes: &mut Vec<u8>,
) {
    let (opcode, payload) = match incoming {
        Incoming::Text(text) => (1, text.as_bytes()),
        Incoming::Bytes(bytes) => (2, &bytes[..]),
    };
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (payload.len() + 1)).collect();
    cuts.extend([0, payload.len()]);
    cuts.sort_unstable();
    let last = cuts.len() - 2;
    for (number, cut) in cuts.windows(2).enumerate() {
        if let (Some(ping), true) = (ping, number == last) {
            bytes.extend(frame(0x89, ping, mask));
        }
        let first = if number == 0 { opcode } else { 0 };
        let fin = if number == last { 0x80 } else { 0 };
        bytes.extend(frame(first | fin, &payload[cut[0]..cut[1]], mask));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_split_of_any_frames_gives_the_same_messages(
        (items, bytes) in spoken(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(decode(&pieces, LIMIT).unwrap(), items);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = whole(&bytes);
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode(&singles, LIMIT).is_err(), whole(&bytes).is_err());
    }
}

#[test]
fn frames_that_break_a_rule_are_refused() {
    let mask = [1, 2, 3, 4];
    let text = frame(0x01, b"a", mask);
    for (bytes, violation) in [
        (frame(0x80, b"a", mask), Violation::LoneContinuation),
        (frame(0x00, b"a", mask), Violation::LoneContinuation),
        ([text.clone(), frame(0x81, b"b", mask)].concat(), Violation::Interleaved),
        ([text.clone(), frame(0x02, b"b", mask)].concat(), Violation::Interleaved),
        (frame(0x81, &[0xff], mask), Violation::NotUtf8),
        (frame(0x81, "é".as_bytes().split_at(1).0, mask), Violation::NotUtf8),
        ([text, frame(0x80, &[0xc3], mask)].concat(), Violation::NotUtf8),
        (frame(0x88, &[3], mask), Violation::BadClose),
        (frame(0x88, &[3, 232, 0xff], mask), Violation::NotUtf8),
    ] {
        assert_eq!(whole(&bytes), Err(violation), "{bytes:?}");
    }
}

#[test]
fn only_codes_that_may_be_sent_are_taken() {
    for code in 0..6000_u16 {
        let fine = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let seen = whole(&frame(0x88, &code.to_be_bytes(), [0; 4]));
        let expected = if fine {
            Ok(vec![Item::Close(Some(CloseCode(code)), "".into())])
        } else {
            Err(Violation::BadClose)
        };
        assert_eq!(seen, expected, "{code}");
    }
    assert_eq!(whole(&frame(0x88, b"", [0; 4])), Ok(vec![Item::Close(None, "".into())]));
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let one = |len: usize| frame(0x82, &vec![7; len], [9; 4]);
    let two = |len: usize| {
        [frame(0x02, &vec![7; len - 3], [9; 4]), frame(0x80, &[7; 3], [9; 4])].concat()
    };
    for limit in [10, 125, 126, 65_535, 65_536] {
        for (bytes, fits) in [
            (one(limit - 1), true),
            (one(limit), true),
            (one(limit + 1), false),
            (two(limit - 1), true),
            (two(limit), true),
            (two(limit + 1), false),
        ] {
            let seen = decode(&[&bytes], limit);
            assert_eq!(seen.is_ok(), fits, "{limit}");
            assert!(fits || seen == Err(Violation::TooBig));
        }
    }
}

#[test]
fn a_declared_length_is_refused_at_the_header_and_takes_no_memory() {
    let huge = [0x82, 0xff, 0, 0, 0, 255, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(decode(&[&huge], LIMIT), Err(Violation::TooBig));
}

#[test]
fn broken_text_is_refused_before_its_end() {
    let mut bytes = frame(0x81, &[b"fine \xf4\x90".as_slice(), &[b'x'; 90]].concat(), [1, 2, 3, 4]);
    bytes.truncate(20);
    assert_eq!(whole(&bytes), Err(Violation::NotUtf8));
}

#[test]
fn between_messages_a_connection_owns_no_memory() {
    let mut decoder = Decoder::new(LIMIT, false);
    let mut bytes = frame(0x81, b"hello", [1, 2, 3, 4]);
    let (left, right) = bytes.split_at_mut(8);
    assert_eq!(decoder.decode(left), Ok((8, None)));
    assert_eq!(decoder.incomplete_bytes(), Some(2));
    assert!(decoder.decode(right).unwrap().1.is_some());
    assert_eq!(decoder.incomplete_bytes(), None);
}

/// The first example of RFC 7692 section 7.2.3.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// All items of frames on a connection with compression, whole and byte by byte.
fn inflate(frames: &[(u8, &[u8])], limit: usize) -> Result<Vec<Item>, Violation> {
    let bytes: Vec<u8> =
        frames.iter().flat_map(|(first, payload)| frame(*first, payload, [1, 2, 3, 4])).collect();
    let whole = decode_by(Decoder::new(limit, true), &[&bytes]);
    let singles: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode_by(Decoder::new(limit, true), &singles), whole);
    whole
}

fn hello() -> Item {
    Item::Message(Incoming::Text("Hello".into()))
}

#[test]
fn a_compressed_message_is_one_in_any_fragments_with_pings_between() {
    assert_eq!(inflate(&[(0xc1, &HELLO)], LIMIT), Ok(vec![hello()]));
    let bytes = Item::Message(Incoming::Bytes(b"Hello".to_vec()));
    assert_eq!(inflate(&[(0xc2, &HELLO), (0x81, b"Hello")], LIMIT), Ok(vec![bytes, hello()]));
    for cut in 0..=HELLO.len() {
        let (left, right) = HELLO.split_at(cut);
        let frames = [(0x41, left), (0x89, b"still".as_slice()), (0, b""), (0x80, right)];
        assert_eq!(inflate(&frames, LIMIT), Ok(vec![Item::Ping(b"still".to_vec()), hello()]));
    }
}

#[test]
fn the_bit_of_compression_is_refused_where_it_does_not_belong() {
    let reserved = Err(Violation::ReservedBits);
    assert_eq!(whole(&frame(0xc1, &HELLO, [1; 4])), reserved, "without negotiation");
    assert_eq!(inflate(&[(0x41, &HELLO[..3]), (0xc0, &HELLO[3..])], LIMIT), reserved);
    assert_eq!(inflate(&[(0x01, b"Hel"), (0xc0, b"lo")], LIMIT), reserved);
    assert_eq!(inflate(&[(0xc9, b"")], LIMIT), reserved);
    assert_eq!(inflate(&[(0xc8, b"")], LIMIT), reserved);
}

#[test]
fn the_limit_holds_for_what_a_message_becomes() {
    assert_eq!(inflate(&[(0xc1, &HELLO)], 5), Ok(vec![hello()]));
    assert_eq!(inflate(&[(0xc1, &HELLO)], 4), Err(Violation::TooBig));
    // Stored, it is longer than what it becomes; but not by as much as one likes.
    let stored = [&[0, 5, 0, 0xfa, 0xff][..], b"Hello", &[0]].concat();
    assert_eq!(inflate(&[(0x41, &stored[..8]), (0x80, &stored[8..])], 5), Ok(vec![hello()]));
    let padded = [&[0, 0, 0, 0xff, 0xff].repeat(60)[..], &HELLO].concat();
    assert_eq!(inflate(&[(0xc1, &padded)], 5), Err(Violation::TooBig));
    assert_eq!(inflate(&[(0x41, &padded[..9]), (0x80, &padded[9..])], 5), Err(Violation::TooBig));
}

#[test]
fn broken_compression_and_broken_text_inside_are_invalid_data() {
    assert_eq!(inflate(&[(0xc1, &[7])], LIMIT), Err(Violation::BadDeflate));
    let latin = [0, 1, 0, 0xfe, 0xff, 0xe9, 0];
    assert_eq!(inflate(&[(0xc1, &latin)], LIMIT), Err(Violation::NotUtf8));
    assert_eq!(inflate(&[(0x41, &latin[..6]), (0x80, &[0])], LIMIT), Err(Violation::NotUtf8));
    assert_eq!(inflate(&[(0xc2, &latin)], LIMIT).map(|items| items.len()), Ok(1));
    assert_eq!(Violation::BadDeflate.code(), CloseCode::INVALID_DATA);
}
