//! Doctor by planted faults: the program looks at a real server, Redis, database or proxy that has one fault, must name it by
//! its code with the remedy, end with the right status and show no secret; and must find nothing where the fault is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

mod examined;
mod front;
mod local;
mod readers;
mod redis;
#[path = "../running/mod.rs"]
mod running;
mod sentinel;
mod web;
mod whole;
