//! How a node takes part, and its bounds.

use std::time::Duration;

/// How a node takes part, and its bounds. What is out of range is taken as the nearest value that is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// `r` of the paper (TON'03 §IV-E): successors known, and nodes responsible for a key. 1 to 32.
    pub successors: usize,
    /// Places on the ring that each node takes, which evens out how many keys it owns (SIGCOMM'01 §6.2), at the price of as
    /// many times the upkeep. 1 to 32, and the same for all nodes of a ring, as places follow from ids and numbers.
    pub virtual_nodes: u8,
    /// The mean time between two rounds of stabilize, each with one finger; from half to one and a half of it, as in TON'03
    /// §V-D.
    pub stabilize: Duration,
    /// A question without an answer has failed after this long.
    pub timeout: Duration,
    /// Whether this node joins the ring. One that cannot be dialled should not: it may look up all the same.
    pub server: bool,
    /// The shortest and the longest wait between two attempts to join; it doubles, and a random part is added.
    pub rejoin: (Duration, Duration),
    /// At most this many walks at once; further ones are refused.
    pub max_walks: usize,
}

impl Default for Config {
    /// 20 successors, no virtual nodes but the node itself, stabilize every 30 s, a time-out of 2 s.
    fn default() -> Self {
        Config {
            successors: 20,
            virtual_nodes: 1,
            stabilize: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
            server: true,
            rejoin: (Duration::from_millis(500), Duration::from_secs(60)),
            max_walks: 256,
        }
    }
}

impl Config {
    /// In range: waits of nothing would let a node spin.
    pub(super) fn clamped(mut self) -> Self {
        let least = Duration::from_millis(10);
        self.successors = self.successors.clamp(1, super::message::MAX_NODES);
        self.virtual_nodes = self.virtual_nodes.clamp(1, 32);
        self.stabilize = self.stabilize.max(least);
        self.timeout = self.timeout.max(least);
        self.rejoin.0 = self.rejoin.0.max(least);
        self.rejoin.1 = self.rejoin.1.max(self.rejoin.0);
        self.max_walks = self.max_walks.max(1);
        self
    }
}
