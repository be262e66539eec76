//! Bad input against the running server: each kind has its stable code, others notice nothing, and
//! memory stays bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod canary;
mod commands;
mod floods;
mod frames;
mod http;
