//! The bounds of a node.

use std::time::Duration;

/// The bounds of a node. Each is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// At most this many bytes in one message; longer ones are refused.
    pub max_payload: usize,
    /// At most this many neighbours.
    pub max_neighbours: usize,
    /// At most this many names of messages are remembered.
    pub max_seen: usize,
    /// For how long. A message that comes back later is news again.
    pub max_seen_age: Duration,
}

impl Default for Config {
    /// Messages of 64 KiB, 64 neighbours, 65,536 names for an hour.
    fn default() -> Self {
        Config {
            max_payload: 65_536,
            max_neighbours: 64,
            max_seen: 65_536,
            max_seen_age: Duration::from_secs(3_600),
        }
    }
}
