//! The transport on loopback: handshakes, limits, bad input, drain, as a stranger's bytes see them.

mod drain;
mod handshake;
mod http;
mod limits;
mod site;
