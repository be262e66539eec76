//! What arrives on a connection with subscriptions: messages, confirmations, refusals.
//!
//! The subscriber reads its connection through it. Names and payloads stay where they are; nothing is decoded here.

use crate::redis::resp::Part;

#[derive(Debug, PartialEq)]
pub(super) enum Arrival<'a> {
    Message {
        name: &'a str,
        payload: &'a [u8],
    },
    /// That one name was subscribed or unsubscribed, or that the connection lives.
    Confirmation,
    /// Why Redis does not do what it was asked.
    Refusal(String),
    /// Nothing that was asked for; also a message on a name that is not text, and so none of ours.
    Other,
}

impl<'a> Arrival<'a> {
    /// What the parts of one whole reply mean.
    pub(super) fn read(mut parts: impl Iterator<Item = Part<'a>>) -> Self {
        match parts.next() {
            Some(Part::List(2..=3)) => {}
            Some(Part::Error(line)) => return Self::Refusal(text(line)),
            // While nothing is subscribed a PING is answered as on any connection.
            Some(Part::Status(b"PONG")) => return Self::Confirmation,
            _ => return Self::Other,
        }
        match (parts.next(), parts.next(), parts.next()) {
            (
                Some(Part::Bytes(b"message")),
                Some(Part::Bytes(name)),
                Some(Part::Bytes(payload)),
            ) => {
                let message = |name| Self::Message { name, payload };
                std::str::from_utf8(name).map_or(Self::Other, message)
            }
            (Some(Part::Bytes(b"subscribe" | b"unsubscribe" | b"pong")), Some(_), _) => {
                Self::Confirmation
            }
            _ => Self::Other,
        }
    }
}

/// The line of an error without its sign.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_start_matches('-').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::resp::parts;

    #[test]
    fn messages_confirmations_and_refusals_are_told_apart() {
        let read = |bytes: &'static [u8]| Arrival::read(parts(bytes));
        let message = read(b"*3\r\n$7\r\nmessage\r\n$3\r\n\xc3\xa9a\r\n$2\r\n\x80\xff\r\n");
        assert_eq!(message, Arrival::Message { name: "éa", payload: b"\x80\xff" });
        let confirmations: [&[u8]; 5] = [
            b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
            b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n",
            b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
            b"*2\r\n$4\r\npong\r\n$0\r\n\r\n",
            b"+PONG\r\n",
        ];
        for bytes in confirmations {
            assert_eq!(read(bytes), Arrival::Confirmation, "{}", String::from_utf8_lossy(bytes));
        }
        let refusal = read(b"-NOPERM no permission for 'subscribe'\r\n");
        assert_eq!(refusal, Arrival::Refusal("NOPERM no permission for 'subscribe'".to_owned()));
    }

    #[test]
    fn what_nobody_asked_for_is_neither() {
        let others: [&[u8]; 6] = [
            b"*3\r\n$7\r\nmessage\r\n$1\r\n\xff\r\n$1\r\na\r\n",
            b"*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\na\r\n",
            b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n",
            b"*3\r\n*1\r\n:1\r\n:2\r\n:3\r\n",
            b"*0\r\n",
            b":1\r\n",
        ];
        for bytes in others {
            let found = Arrival::read(parts(bytes));
            assert_eq!(found, Arrival::Other, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
