//! For each promise a history that breaks it, found by the checker; and clean histories that pass.

mod delivery;
mod fitness;
mod log;
mod order;
mod story;
