//! What the network does to the bytes between two nodes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use dsys_core::{NodeId, Rng};

/// How long bytes travel one way: `base`, and up to `jitter` more, chosen anew for each chunk and datagram.
///
/// Jitter reorders datagrams and the chunks of different streams, never the chunks of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// What every chunk takes.
    pub base: Duration,
    /// What chance adds at most.
    pub jitter: Duration,
}

impl From<Duration> for Latency {
    fn from(base: Duration) -> Self {
        Latency { base, jitter: Duration::ZERO }
    }
}

/// What holds from one node to another just now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conditions {
    pub(super) latency: Latency,
    pub(super) loss: f64,
    pub(super) blocked: bool,
}

impl Conditions {
    pub(super) fn delay(&self, rng: &mut Rng) -> Duration {
        let jitter = self.latency.jitter.as_nanos().min(u128::from(u64::MAX - 1)) as u64;
        if jitter == 0 {
            return self.latency.base;
        }
        self.latency.base.saturating_add(Duration::from_nanos(rng.below(jitter + 1)))
    }
}

/// The conditions of the whole network.
#[derive(Debug, Default)]
pub(super) struct Weather {
    pub(super) latency: Latency,
    pub(super) pairs: HashMap<(NodeId, NodeId), Latency>,
    pub(super) loss: f64,
    pub(super) blocked: HashSet<(NodeId, NodeId)>,
}

impl Weather {
    pub(super) fn between(&self, from: NodeId, to: NodeId) -> Conditions {
        let pair = (from, to);
        Conditions {
            latency: self.pairs.get(&pair).copied().unwrap_or(self.latency),
            loss: self.loss,
            blocked: self.blocked.contains(&pair),
        }
    }
}
