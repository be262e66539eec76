//! What the proofs with a whole server share: the server as a process, raw clients that keep a
//! history, and the proxy that breaks connections. Used by the tests and programs of this package
//! only; it ships nowhere.

pub mod artifacts;
pub mod backup;
pub mod client;
pub mod cluster;
pub mod commands;
pub mod control;
pub mod crowd;
pub mod import;
pub mod kill;
pub mod many_nodes;
pub mod middleman;
pub mod network;
pub mod planted;
pub mod postgres;
pub mod power;
pub mod power_cut;
pub mod proxy;
pub mod raw;
pub mod recorder;
pub mod rogue;
pub mod seed;
pub mod sentinel;
pub mod server;
pub mod small_disk;
pub mod soak;
pub mod transports;
pub mod two_nodes;

/// The numbers of a proof: `short`, unless `MOORLINE_PROOF` asks for the full ones.
pub fn times(short: u64, full: u64) -> u64 {
    let is_full = std::env::var("MOORLINE_PROOF").is_ok_and(|form| form == "full");
    if is_full { full } else { short }
}
