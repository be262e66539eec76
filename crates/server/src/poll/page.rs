//! What one poll answers: frames as they are everywhere else, and the positions that they moved.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use moorline_protocol::{CloseCode, Frame, Positions, RoomId, Told};

use crate::api::failure::empty;
use crate::delivered::Delivered;
use crate::stream::goodbye;

/// No further frame is put into an answer of so many bytes; as much as may wait for a WebSocket.
const FULL_BYTES: usize = 512 * 1024;
/// How every goodbye begins, as the codec writes it.
const GOODBYE: &[u8] = br#"{"type":"goodbye","#;

/// An answer in the making.
pub(crate) struct Page {
    frames: Vec<Frame>,
    bytes: usize,
    positions: Positions,
    moved: BTreeSet<RoomId>,
    tells_id: bool,
    is_cut: bool,
    has_more: bool,
}

impl Page {
    /// An empty page for a client at these positions.
    pub(crate) fn new(positions: Positions, tells_id: bool) -> Self {
        Self {
            frames: Vec::new(),
            bytes: 0,
            positions,
            moved: BTreeSet::new(),
            tells_id,
            is_cut: false,
            has_more: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Takes a frame unless the page is full.
    pub(crate) fn take(&mut self, frame: &Frame) -> bool {
        if self.bytes >= FULL_BYTES {
            self.is_cut = true;
            return false;
        }
        match self.positions.apply(frame.payload()) {
            Told::Elsewhere => return true,
            Told::Moved(room) => drop(self.moved.insert(room)),
            Told::Many(rooms) => self.moved.extend(rooms),
            Told::Nothing => {}
        }
        self.bytes += frame.payload().len();
        self.frames.push(frame.clone());
        true
    }

    /// It is about to be answered: what it holds counts as handed over.
    pub(crate) fn count(&self, delivered: &Delivered) {
        let mut handing = delivered.hand();
        self.frames.iter().for_each(|frame| handing.took(frame));
    }

    /// Whether the consumer has more to say to the next poll.
    pub(crate) fn set_more(&mut self, has_more: bool) {
        self.has_more = has_more;
    }

    /// The connection is over: a goodbye says why, unless one did already.
    pub(crate) fn end(&mut self, code: CloseCode) {
        if !self.frames.iter().any(|frame| frame.payload().starts_with(GOODBYE)) {
            self.frames.push(goodbye(code).frame());
        }
    }

    /// The answer.
    pub(crate) fn response(self) -> Response {
        let mut body = Vec::with_capacity(self.bytes + self.frames.len() + 256);
        body.extend_from_slice(b"{\"frames\":[");
        for (number, frame) in self.frames.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend_from_slice(frame.payload());
        }
        body.extend_from_slice(b"],\"positions\":{");
        for (number, room) in self.moved.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            let position = serde_json::to_string(&self.positions.get(room)).unwrap_or_default();
            // A room's id needs no escapes.
            body.extend_from_slice(format!("{comma}\"{room}\":{position}").as_bytes());
        }
        let more = self.has_more || self.is_cut;
        body.extend_from_slice(format!("}},\"more\":{more}").as_bytes());
        if self.tells_id {
            body.extend_from_slice(format!(",\"id\":\"{}\"", self.positions).as_bytes());
        }
        body.push(b'}');
        let mut response = empty(StatusCode::OK);
        *response.body_mut() = Body::from(body);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(page: Page) -> serde_json::Value {
        let bytes = axum::body::to_bytes(page.response().into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn an_answer_has_the_frames_and_what_they_moved() {
        let epoch = "0000000000000001";
        let asked = Positions::parse(&format!("r1:{epoch}:4,r2:{epoch}:7")).unwrap().into_map();
        let mut page = Page::new(Positions::open(asked), true);
        let event = format!(
            r#"{{"type":"event","room":"r1","epoch":"{epoch}","seq":5,"id":"0193aaaa12345678"}}"#
        );
        let gone = r#"{"type":"reset","room":"r2","reason":"gone"}"#;
        assert!(page.take(&Frame::text(&event)) && page.take(&Frame::text(gone)));
        let told = body(page).await;
        assert_eq!(told["frames"][0]["seq"], 5);
        let expected = serde_json::json!({
            "r1": {"epoch": epoch, "seq": 5, "check": "12345678"}, "r2": null,
        });
        assert_eq!(told["positions"], expected);
        assert_eq!(
            (&told["more"], &told["id"]),
            (&false.into(), &format!("r1:{epoch}:5:12345678").into())
        );
    }

    #[tokio::test]
    async fn a_full_answer_takes_no_more_and_says_that_there_is_more() {
        let mut page = Page::new(Positions::default(), false);
        let frame = Frame::text(&format!(r#"{{"type":"page","x":"{}"}}"#, "x".repeat(200_000)));
        let taken = (0..5).filter(|_| page.take(&frame)).count();
        assert_eq!(taken, 3);
        assert_eq!(body(page).await["more"], true);
    }

    #[tokio::test]
    async fn a_close_is_told_once() {
        let mut page = Page::new(Positions::default(), false);
        page.end(CloseCode::SIGNED_OUT);
        page.end(CloseCode::SIGNED_OUT);
        let frames = body(page).await["frames"].clone();
        assert_eq!(
            frames,
            serde_json::json!([
                {"type": "goodbye", "code": 4403, "reconnect": false, "after_ms": 0},
            ])
        );
    }
}
