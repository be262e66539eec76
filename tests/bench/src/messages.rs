//! What the load says: messages of a fixed size made of ordinary-looking words, so that the
//! product's search index has the work that it has with people, and the commands around them.

use std::io::Write;

/// Different bodies; each is said many times.
const BODIES: usize = 512;

/// Bodies of one size, ready to send.
pub(crate) struct Messages {
    bodies: Vec<String>,
}

impl Messages {
    /// Bodies of so many bytes each.
    pub(crate) fn new(bytes: usize) -> Messages {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        Messages { bodies: (0..BODIES).map(|_| body(&mut chance, bytes)).collect() }
    }

    /// Appends a `send` whose cid starts with the number of the send.
    pub(crate) fn push(&self, out: &mut Vec<u8>, room: &str, send: u64) {
        push_send(out, room, send, &self.bodies[send as usize % BODIES]);
    }
}

/// Appends a `send` of any text. It is written as the bare server expects it: `id`, `room`, `cid`,
/// `body`, in this order. The cid is as long as a UUID.
pub(crate) fn push_send(out: &mut Vec<u8>, room: &str, send: u64, body: &str) {
    // Writing to memory does not fail.
    let _ = write!(
        out,
        r#"{{"type":"send","id":{send},"room":"{room}","cid":"{send:08}-7c1d-7c3e-8d25-9a0c9c41f07b","body":"{body}"}}"#
    );
}

/// Numbers that only look random: each run says the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Words of two to nine letters out of two thousand, the short ones more often.
fn body(chance: &mut Chance, bytes: usize) -> String {
    let mut body = String::new();
    while body.len() < bytes {
        let mut word = chance.below(2000) * chance.below(2000) / 2000 + 1;
        while word > 0 {
            body.push(char::from(b"etaoinshrdlu"[(word % 12) as usize]));
            body.push(char::from(b"aeiou"[(word / 12 % 5) as usize]));
            word /= 12;
        }
        body.push(' ');
    }
    body.truncate(bytes);
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    #[test]
    fn a_send_is_json_of_the_size_that_was_asked_for() {
        let mut out = Vec::new();
        Messages::new(200).push(&mut out, "r1", 42);
        let send: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(send["body"].as_str().unwrap().len(), 200);
        assert_eq!(send["cid"].as_str().unwrap().len(), 36);
        assert_eq!(scan::text(&out, b"\"cid\":\"").map(scan::leading_number), Some(42));
    }
}
