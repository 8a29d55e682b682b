//! The period, the order, and bounds.

use std::time::Duration;

/// Which writes go first if not all fit into one message (§3.2). Those of one participant go in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Of all participants alike: the first of each, then the second of each. Nobody is left behind.
    Breadth,
    /// First all of the participant of whom most are lacking. It loses least to writes that are soon replaced.
    Depth,
}

/// The period, the order, and bounds. Each bound is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often a peer is compared with, up to half as much more by chance.
    pub period: Duration,
    /// About how many bytes of writes go into one message.
    pub mtu: usize,
    /// Which of them.
    pub order: Order,
    /// At most so many participants in one digest, at least 1.
    pub max_digest: usize,
    /// At most so many participants are known; further ones are not taken.
    pub max_participants: usize,
    /// At most so many keys has a participant, those it has deleted included.
    pub max_keys: usize,
    /// At most so many bytes in a key and its value together.
    pub max_size: usize,
    /// At most so many peers beside those given.
    pub max_peers: usize,
}

impl Default for Config {
    /// A comparison each second, in one datagram; depth first, as the paper recommends (§3.3); 1,024 participants with
    /// 32 keys of 512 bytes each.
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1),
            mtu: 1_200,
            order: Order::Depth,
            max_digest: 24,
            max_participants: 1_024,
            max_keys: 32,
            max_size: 512,
            max_peers: 1_024,
        }
    }
}
