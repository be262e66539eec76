//! The chat over real stores, as the people who are connected see it. One program, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod delivery;
mod django;
mod ephemeral;
mod harness;
mod hints;
mod model;
mod nodes;
mod outage;
mod presence;
mod stops;
mod upkeep;
