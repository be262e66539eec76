//! The offer of compression in a handshake (RFC 7692 section 7.1): taken only where each message stands alone and the
//! window is whole, in both directions. So one deflated form of an event is right for every socket that takes any.
//!
//! The handshake asks here on routes that compress. Whatever else is offered is no error: that connection goes on
//! uncompressed.

use http::{HeaderMap, HeaderValue, header};

/// The answer to most offers. A server may ask for both parameters whether or not they were offered (RFC 7692 sections
/// 7.1.1.1 and 7.1.1.2). An offered `client_max_window_bits` needs no answer; without one, the window is whole.
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// The answer to one who asks for the whole window by its number, which must be confirmed (section 7.1.2.1).
const ANSWER_WITH_BITS: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15";

/// The answer to the first offer that can be taken; none if there is none.
pub(crate) fn negotiate(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).find_map(answer).map(HeaderValue::from_static)
}

/// The answer to one offer, if it can be taken. One with a parameter that is unknown, twice there or has a wrong value is
/// declined, as section 7.1 demands.
fn answer(offer: &str) -> Option<&'static str> {
    let mut parts = split(offer, ';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    let mut answer = ANSWER;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (part, None),
        };
        match (name, value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
            ("client_max_window_bits", None | Some("15")) => {}
            ("server_max_window_bits", Some("15")) => answer = ANSWER_WITH_BITS,
            _ => return None,
        }
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(answer)
}

/// The parts between signs that stand in no quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |sign: char| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match sign {
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => return sign == at && !is_quoted,
        }
        false
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, line.parse().unwrap());
        }
        negotiate(&headers).map(|answer| answer.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_offer_of_whole_windows_is_taken_without_context_takeover() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits", // Chromium, Node's ws
            "permessage-deflate;client_max_window_bits=15",
            "permessage-deflate; client_max_window_bits = \"15\"",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits",
            " x-other; a=\"b,permessage-deflate\" , permessage-deflate ",
        ] {
            assert_eq!(negotiated(&[offer]).as_deref(), Some(ANSWER), "{offer}");
        }
        let by_number = "permessage-deflate; server_max_window_bits=15";
        assert_eq!(negotiated(&[by_number]).as_deref(), Some(ANSWER_WITH_BITS));
    }

    #[test]
    fn any_other_offer_means_no_compression() {
        for offer in [
            "",
            "permessage-bzip2",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", // A server by Python's websockets would
            "permessage-deflate; server_max_window_bits=14",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=015",
            "permessage-deflate; server_max_window_bits=\"15",
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15",
            "permessage-deflate; something_new",
            "permessage-deflate;",
            "x; a=\"permessage-deflate",
            "x; a=\"\\\", permessage-deflate\"",
        ] {
            assert_eq!(negotiated(&[offer]), None, "{offer}");
        }
        assert_eq!(negotiated(&[]), None);
    }

    #[test]
    fn the_first_offer_that_can_be_taken_is_taken() {
        let declined = "permessage-deflate; server_max_window_bits=10";
        let by_number = "permessage-deflate; server_max_window_bits=15";
        let plain = "permessage-deflate";
        let together = format!("{declined}, {by_number}, {plain}");
        assert_eq!(negotiated(&[&together]).as_deref(), Some(ANSWER_WITH_BITS));
        assert_eq!(negotiated(&[declined, plain, by_number]).as_deref(), Some(ANSWER));
    }
}
