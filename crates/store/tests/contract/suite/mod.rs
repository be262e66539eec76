//! The contract of the store, a file a subject, written against `Store` alone: every back end runs all of it.
//!
//! `stage.rs` opens the store and speaks for people; the rest are sentences. `crate::backend` says which back end it is.

mod accounts;
pub(crate) mod backup;
mod changes;
mod erase;
mod members;
mod model;
mod overview;
mod prune;
mod resume;
mod rooms;
mod search;
mod sends;
pub(crate) mod stage;
mod tickets;
mod unread;
