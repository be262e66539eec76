//! Frames as events: one `data:` line each, with all positions before it where the client cannot keep them itself.

use moorline_protocol::{CloseCode, Goodbye, Positions, Reply, Told};

/// How every goodbye begins, as the codec writes it.
const GOODBYE: &[u8] = br#"{"type":"goodbye","#;

/// The state of one stream's framing.
#[derive(Default)]
pub(crate) struct Events {
    /// What each `id:` tells; none where the client keeps its positions itself.
    positions: Option<Box<Positions>>,
    has_said_goodbye: bool,
}

impl Events {
    /// What ends an event.
    pub(crate) const AFTER: &'static [u8] = b"\n\n";
    /// What is no event, but shows that the stream lives.
    pub(crate) const COMMENT: &'static [u8] = b":\n\n";

    /// Events with these positions as their ids, or without ids.
    pub(crate) fn new(positions: Option<Positions>) -> Self {
        Self { positions: positions.map(Box::new), has_said_goodbye: false }
    }

    /// What stands before a frame; none where the client did not ask for its room.
    pub(crate) fn before(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        self.has_said_goodbye |= payload.starts_with(GOODBYE);
        let Some(positions) = &mut self.positions else { return Some(b"data: ".to_vec()) };
        if positions.apply(payload) == Told::Elsewhere {
            return None;
        }
        Some(format!("id: {positions}\ndata: ").into_bytes())
    }

    /// The last event: a stream has no close frame, so its code goes in a goodbye, unless there was one already.
    pub(crate) fn end(&mut self, code: Option<CloseCode>) -> Vec<u8> {
        let Some(code) = code.filter(|_| !self.has_said_goodbye) else { return Vec::new() };
        self.has_said_goodbye = true;
        let goodbye = goodbye(code).frame();
        [b"data: ", goodbye.payload(), Self::AFTER].concat()
    }
}

/// The goodbye that stands for a close code.
pub(crate) fn goodbye(code: CloseCode) -> Reply {
    Goodbye { code: code.0, reconnect: code.may_reconnect(), after_ms: 0 }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(events: &mut Events, payload: &str) -> Option<String> {
        let before = events.before(payload.as_bytes())?;
        Some(String::from_utf8(before).unwrap() + payload)
    }

    #[test]
    fn a_frame_is_one_line_behind_data() {
        let mut events = Events::default();
        let line = lines(&mut events, r#"{"type":"pong"}"#);
        assert_eq!(line.as_deref(), Some(r#"data: {"type":"pong"}"#));
    }

    #[test]
    fn ids_tell_all_positions_and_frames_of_other_rooms_are_left_out() {
        let asked = Positions::parse("r1:0000000000000001:4,r2:0000000000000002:7").unwrap();
        let mut events = Events::new(Some(asked));
        let frame = |room: &str| {
            format!(
                r#"{{"type":"event","room":"{room}","epoch":"0000000000000001","seq":5,"id":"0000000012345678"}}"#
            )
        };
        let line = lines(&mut events, &frame("r1")).unwrap();
        assert!(
            line.starts_with("id: r1:0000000000000001:5:12345678,r2:0000000000000002:7\ndata: {"),
            "{line}"
        );
        assert_eq!(lines(&mut events, &frame("r3")), None);
    }

    #[test]
    fn a_close_is_told_once_and_with_whether_to_come_back() {
        let mut events = Events::default();
        let end = String::from_utf8(events.end(Some(CloseCode::SIGNED_OUT))).unwrap();
        let told = r#"{"type":"goodbye","code":4403,"reconnect":false,"after_ms":0}"#;
        assert_eq!(end, format!("data: {told}\n\n"));
        let mut events = Events::default();
        events.before(br#"{"type":"goodbye","code":1012,"reconnect":true,"after_ms":900}"#);
        assert_eq!(events.end(Some(CloseCode::RESTART)), b"");
    }
}
