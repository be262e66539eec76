//! Relays as a browser, a Django worker and an attacker see them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test says so")]

#[path = "../layered/mod.rs"]
mod layered;

mod entry;
mod passing;
mod redis;
mod stage;
