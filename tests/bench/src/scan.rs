//! Finds fields in frames without reading the JSON: a load that parses every delivery would be
//! slower than the server that it measures. Bodies of the benchmark contain no quotes and no
//! braces, so the first place that looks like a field is that field.

use memchr::memmem;

/// The frame's `type`, which every encoder here puts first.
pub(crate) fn kind(frame: &[u8]) -> &[u8] {
    match frame.strip_prefix(b"{\"type\":\"") {
        Some(rest) => until_quote(rest),
        None => text(frame, b"\"type\":\"").unwrap_or_default(),
    }
}

/// The text after `"name":"` (given with its quotes and the colon) up to the next quote.
pub(crate) fn text<'a>(frame: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(frame, name)?;
    Some(until_quote(&frame[at + name.len()..]))
}

/// The number after `"name":` (given with its quotes and the colon).
pub(crate) fn number(frame: &[u8], name: &[u8]) -> Option<u64> {
    let at = memmem::find(frame, name)?;
    let digits = &frame[at + name.len()..];
    digits.first().filter(|byte| byte.is_ascii_digit())?;
    Some(leading_number(digits))
}

/// The number that the text starts with; 0 without one.
pub(crate) fn leading_number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'))
}

fn until_quote(rest: &[u8]) -> &[u8] {
    &rest[..memchr::memchr(b'"', rest).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_wherever_they_stand() {
        let event =
            br#"{"type":"event","room":"r1","epoch":"e","seq":42,"cid":"17-a","body":"hi"}"#;
        assert_eq!(kind(event), b"event");
        assert_eq!(text(event, b"\"room\":\""), Some(&b"r1"[..]));
        assert_eq!(number(event, b"\"seq\":"), Some(42));
        assert_eq!(text(event, b"\"cid\":\"").map(leading_number), Some(17));
        assert_eq!(kind(br#"{"id":1,"type":"ack"}"#), b"ack");
    }

    #[test]
    fn what_is_missing_is_not_invented() {
        assert_eq!(number(b"{}", b"\"seq\":"), None);
        assert_eq!(number(b"{\"seq\":\"x\"}", b"\"seq\":"), None);
        assert_eq!(text(b"{}", b"\"room\":\""), None);
        assert_eq!(kind(b"not json"), b"");
    }
}
