//! The transport on loopback: handshakes, limits, bad input, drain, as a stranger's bytes see them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test says so")]

mod drain;
mod handshake;
mod http;
mod limits;
mod site;
