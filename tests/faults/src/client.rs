//! The clients of `moorline-load`, as the fault tests use them: one window a person, signed by the tests' secret.

use std::net::SocketAddr;

pub use moorline_load::client::Client;
use moorline_load::tokens::Tokens;

use crate::recorder::Recorder;
use crate::server::SECRET;

/// A person who has not connected yet.
pub fn client(name: &str, address: SocketAddr, recorder: &Recorder) -> Client {
    Client::new(name, name, address.into(), &Tokens::signed(SECRET.as_bytes()), recorder)
}
