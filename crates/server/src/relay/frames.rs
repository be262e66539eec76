//! What a relay's sockets write: each message encoded once, however many sockets of this node get it.
//!
//! The layer hands clones that share their entries to all members of a group, so that a message is known again. The
//! consumers of one relay ask here; what only one socket gets is never kept.

use std::collections::{HashMap, VecDeque};

use moorline_layer::Message;
use moorline_protocol::Frame;
use parking_lot::Mutex;

/// Messages that are remembered for slower sockets: several turns of a connection, each of 64 messages. Who is further
/// behind encodes again.
const KEPT: usize = 512;
/// And their frames' bytes.
const KEPT_BYTES: usize = 4 << 20;

/// The frames of the last messages.
#[derive(Default)]
pub(crate) struct Frames(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    /// By the identity of the message, which is this one's while the message is held here.
    known: HashMap<usize, (Message, Option<Frame>)>,
    order: VecDeque<usize>,
    bytes: usize,
}

impl Frames {
    /// The frame of a message, made by this if nobody has asked for it before; none where it can have none.
    ///
    /// Who asks at the same moment waits for the one encoding, which is shorter than another one.
    pub(crate) fn of(
        &self,
        message: Message,
        encode: impl FnOnce(Message) -> Option<Frame>,
    ) -> Option<Frame> {
        let mut recent = self.0.lock();
        if let Some((_, frame)) = recent.known.get(&message.identity()) {
            return frame.clone();
        }
        if !message.is_shared() {
            drop(recent);
            return encode(message);
        }
        let frame = encode(message.clone());
        recent.keep(message, frame.clone());
        frame
    }
}

impl Recent {
    fn keep(&mut self, message: Message, frame: Option<Frame>) {
        let identity = message.identity();
        self.bytes += len(frame.as_ref());
        self.order.push_back(identity);
        self.known.insert(identity, (message, frame));
        while self.order.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            let forgotten = self.known.remove(&oldest);
            self.bytes -= forgotten.map_or(0, |(_, frame)| len(frame.as_ref()));
        }
    }
}

fn len(frame: Option<&Frame>) -> usize {
    frame.map_or(0, Frame::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: i64) -> Message {
        Message::of_type("x").with("n", n)
    }

    /// The frame, and whether it had to be made.
    fn ask(frames: &Frames, message: &Message, payload: &str) -> (Frame, bool) {
        let mut made = false;
        let frame = frames.of(message.clone(), |_| {
            made = true;
            Some(Frame::text(payload))
        });
        (frame.unwrap(), made)
    }

    #[test]
    fn clones_of_a_message_share_one_frame_and_equal_messages_do_not() {
        let (frames, first, equal) = (Frames::default(), message(1), message(1));
        let (frame, made) = ask(&frames, &first, "a");
        assert!(made);
        let (again, made) = ask(&frames, &first, "b");
        assert!(!made && again.websocket().as_ptr() == frame.websocket().as_ptr());
        assert!(ask(&frames, &equal, "c").1);
        // What was changed is another message.
        assert!(ask(&frames, &first.clone().with("n", 2), "d").1);
        let mut calls = 0;
        for _ in 0..2 {
            let none = frames.of(equal.clone().with("m", 1), |_| {
                calls += 1;
                None
            });
            assert_eq!(none, None);
        }
        assert_eq!(calls, 2);
    }

    #[test]
    fn that_a_message_has_no_frame_is_remembered_too() {
        let (frames, first) = (Frames::default(), message(1));
        assert_eq!(frames.of(first.clone(), |_| None), None);
        assert_eq!(frames.of(first, |_| panic!("asked again")), None);
    }

    #[test]
    fn what_only_one_gets_is_not_kept() {
        let frames = Frames::default();
        frames.of(message(1), |_| Some(Frame::text("a")));
        assert!(frames.0.lock().known.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_by_number_and_by_bytes() {
        let (frames, all) = (Frames::default(), (0..600).map(message).collect::<Vec<_>>());
        for one in &all {
            ask(&frames, one, "a");
        }
        assert_eq!(frames.0.lock().known.len(), KEPT);
        assert!(!ask(&frames, &all[599], "a").1 && !ask(&frames, &all[88], "a").1);
        assert!(ask(&frames, &all[87], "a").1, "the oldest was forgotten");
        let large = "x".repeat(KEPT_BYTES / 3);
        for one in &all[..6] {
            ask(&frames, one, &large);
        }
        let recent = frames.0.lock();
        assert!(recent.bytes <= KEPT_BYTES && recent.known.len() < 5, "{}", recent.known.len());
        assert_eq!(recent.known.len(), recent.order.len());
    }
}
