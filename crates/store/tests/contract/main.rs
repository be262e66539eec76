//! The contract of the store on SQLite: the suite, and what is SQLite's alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "sqlite/backend.rs"]
mod backend;
#[path = "sqlite/durability.rs"]
mod durability;
#[path = "sqlite/generation.rs"]
mod generation;
#[path = "sqlite/import.rs"]
mod import;
#[path = "sqlite/index.rs"]
mod index;
#[path = "sqlite/older.rs"]
mod older;
mod suite;
#[path = "sqlite/traces.rs"]
mod traces;

use suite::stage;
