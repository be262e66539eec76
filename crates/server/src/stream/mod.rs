//! The event stream (SSE): what stands around frames in an HTTP answer that does not end.
//!
//! Everything else of a stream is that of a WebSocket: its driver, its outbox, its end. `events` has the lines between
//! frames, `head` the answer's head. A stream's client says nothing; it is read only to notice that it left.

mod events;
mod head;

pub(crate) use events::{Events, goodbye};
pub(crate) use head::head;
