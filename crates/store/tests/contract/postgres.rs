//! The contract of the store on PostgreSQL: the suite, and what is PostgreSQL's alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "postgres/away.rs"]
mod away;
#[path = "postgres/backend.rs"]
mod backend;
#[path = "postgres/changes.rs"]
mod changes;
#[path = "postgres/encrypted.rs"]
mod encrypted;
#[path = "postgres/generation.rs"]
mod generation;
#[path = "postgres/nodes.rs"]
mod nodes;
#[path = "postgres/opening.rs"]
mod opening;
#[path = "postgres/pooler.rs"]
mod pooler;
#[path = "postgres/presence.rs"]
mod presence;
#[path = "postgres/promotion.rs"]
mod promotion;
#[path = "postgres/revoked.rs"]
mod revoked;
#[path = "postgres/search.rs"]
mod search;
mod suite;
#[path = "postgres/tickets.rs"]
mod tickets;
#[path = "postgres/upkeep.rs"]
mod upkeep;

use suite::stage;
