//! What a search may be told beside its query. Both ways in, the command and the HTTP API, use it.

use serde::{Deserialize, Serialize};

/// The order of the messages that a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SearchSort {
    /// By time, the newest first.
    #[default]
    Newest,
    /// By how well they fit, among the newest 1,000 that may fit; then the same of the next.
    Best,
}
