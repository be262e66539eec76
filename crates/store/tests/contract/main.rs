//! The contract of the store, a file a subject, written against `Store` alone: every back end runs all of it.
//!
//! `stage.rs` opens the store and speaks for people; the rest are sentences.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod changes;
mod durability;
mod generation;
mod members;
mod model;
mod resume;
mod rooms;
mod search;
mod sends;
mod stage;
mod unread;
