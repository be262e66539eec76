//! Presence over several nodes, as plain values: leases of nodes, who is on which, and what a look finds.
//!
//! `moorline-chat` writes what its node knows and looks at what the others wrote. A store of which one node is the only
//! writer keeps nothing of it.

use std::time::Duration;

use moorline_protocol::UserId;

/// People of one node written in one command at most: a few milliseconds of the lane.
pub const PRESENCE_BATCH: usize = 1_000;

/// A node of a store: a random number made at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub u64);

/// A node says that it lives.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// Which.
    pub node: NodeId,
    /// For how long others may believe it, by the database's clock.
    pub length: Duration,
}

/// How a person is on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Who.
    pub user: UserId,
    /// Connections there; 0: the last one is gone.
    pub connections: u32,
    /// Whether nobody is at a screen.
    pub is_away: bool,
    /// The node counts its changes; an older one than is known changes nothing.
    pub version: u64,
}

/// People of one node, as they are there now; at most [`PRESENCE_BATCH`].
#[derive(Debug, Clone)]
pub struct PutPresence {
    /// Which node.
    pub node: NodeId,
    /// How they are. Those of whom nothing is known are passed over.
    pub places: Vec<Place>,
}

/// Where the next look at presence begins; the default is the beginning of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PresenceSince {
    /// Changes of this transaction or a later one are news.
    pub(crate) xid: i64,
    /// The last row told of that transaction: the person's and the node's.
    pub(crate) row: (i64, i64),
    /// If there are more rows, where the look after them begins.
    pub(crate) then: Option<i64>,
}

impl PresenceSince {
    /// Whether the look ended before everything was told.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.then.is_some()
    }
}

/// What a look at presence found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceLook {
    /// Where the next one begins.
    pub since: PresenceSince,
    /// Whose place on which node changed; also nodes' that do not live any more.
    pub places: Vec<(NodeId, Place)>,
    /// All nodes known, and whether their leases last. Read after the places; empty where there is a rest.
    pub nodes: Vec<(NodeId, bool)>,
}
