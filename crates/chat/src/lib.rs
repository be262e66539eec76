//! The rules of Moorline.

mod outbox;

pub use outbox::{Close, DEFAULT_LIMIT_BYTES, Drained, Notice, Outbox, Pushed};
