//! Limits that both ends know; `welcome` tells them.

use serde::{Deserialize, Serialize};

/// What a connection may do. The defaults are the documented ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Limits {
    /// Bytes of a message's text: long enough for a page of a log, short enough to hold in every window.
    pub message_bytes: u32,
    /// Bytes of one command: a `hello` with 200 positions of long ids fits.
    pub frame_bytes: u32,
    /// Commands a second, sustained.
    pub commands_per_second: u32,
    /// Commands at once.
    pub burst: u32,
    /// Rooms a person can be in.
    pub rooms: u32,
    /// Rooms in one `hello` or `resume`.
    pub resume_rooms: u32,
    /// Events that a resume brings for one room; beyond it, `reset` `too_far`.
    pub resume_events: u32,
    /// Events that the resumes of one connection bring in all.
    pub resume_total: u32,
    /// Events in one `page`.
    pub history: u32,
    /// Up to so many members, a room's receipts and presence go to all of them.
    pub receipt_members: u32,
    /// People in one `create`, `invite` or `remove`, and ids in one `people`.
    pub list: u32,
    /// Characters of a room's or a person's name.
    pub name_chars: u32,
}

impl Limits {
    /// The limits of version 1.
    pub const DEFAULT: Self = Self {
        message_bytes: 65_536,
        frame_bytes: 262_144,
        commands_per_second: 50,
        burst: 200,
        rooms: 5_000,
        resume_rooms: 200,
        resume_events: 1_000,
        resume_total: 5_000,
        history: 200,
        receipt_members: 64,
        list: 100,
        name_chars: 80,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
