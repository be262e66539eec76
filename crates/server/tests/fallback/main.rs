//! The chat without a WebSocket, over a real server: streams, polls, commands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod commands;
mod http;
mod nodes;
#[path = "../people/mod.rs"]
mod people;
mod poll;
mod query;
mod stream;
mod tickets;
mod tickets_of_nodes;
