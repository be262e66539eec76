//! Real PostgreSQL servers for the tests, from Debian's package `postgresql`, each on a Unix socket of its own.
//!
//! [`Database::new`] gives an empty database on a server that all tests of a checkout share and that ends by itself when
//! nobody has used it for a while; [`Server::start`] gives a test a server that it may kill;
//! [`Pooler::before`] puts a PgBouncer before it. Nothing here knows Moorline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that gets no server fails by panicking"
)]

mod pooler;
mod programs;
mod server;
mod shared;

pub use pooler::Pooler;
pub use server::Server;
pub use shared::Database;
