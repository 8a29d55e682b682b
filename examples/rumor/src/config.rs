//! How a node gossips, and its bounds.

use std::time::Duration;

/// How a node gossips, and its bounds. Every bound is counted in [`Stats`](crate::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time between two rounds. In each, a node pushes every rumour that is hot to one random peer.
    pub round: Duration,
    /// `k` of the paper: after this many pushes in a row to peers that knew it already, a rumour is no longer hot. The higher,
    /// the fewer nodes never hear it (Demers et al. 1987, table 1), and the more messages.
    pub k: u32,
    /// A rumour cools after this many pushes in any case, for instance when no peer ever answers.
    pub max_pushes: u32,
    /// Time between two exchanges of what is known with one random peer (§1.3), so that everybody hears everything
    /// in the end. `None`: a rumour may die out before all have heard it.
    pub anti_entropy: Option<Duration>,
    /// At most this many rumours are kept; further ones are refused.
    pub max_rumors: usize,
    /// At most this many bytes in one rumour; longer ones are refused.
    pub max_payload: usize,
    /// At most this many rumours are pushed or asked for in one exchange; the next exchange goes on.
    pub max_exchange: usize,
    /// At most this many peers are learned from connections, besides those given.
    pub max_peers: usize,
}

impl Default for Config {
    /// A round of 100 ms, `k` 2, an exchange a second; at most 1,024 rumours of 64 KiB, 64 of them in one exchange.
    fn default() -> Self {
        Config {
            round: Duration::from_millis(100),
            k: 2,
            max_pushes: 100,
            anti_entropy: Some(Duration::from_secs(1)),
            max_rumors: 1_024,
            max_payload: 65_536,
            max_exchange: 64,
            max_peers: 1_024,
        }
    }
}
