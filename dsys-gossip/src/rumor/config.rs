//! How a node gossips, and its bounds.

use std::time::Duration;

use super::Variant;

/// How a node gossips, and its bounds. Each bound is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which of the paper's epidemics.
    pub variant: Variant,
    /// The length of a cycle, at least a nanosecond. In each a node makes one contact, if it has anything to say or
    /// to ask.
    pub cycle: Duration,
    /// Whether cycles begin at multiples of `cycle` since the driver's time 0, so that nodes of a simulation act in
    /// step as the paper's do. Otherwise each node draws its own beginning, and the load is spread.
    pub in_step: bool,
    /// A rumour cools after so many cycles in any case, for instance when no peer ever answers.
    pub max_cycles: u32,
    /// At most this many rumours are hot at a time; further ones are refused.
    pub max_hot: usize,
    /// At most this many bytes in one rumour; longer ones are refused.
    pub max_payload: usize,
    /// At most this many rumours in one contact, those that were heard last; the others wait until some have cooled.
    pub max_exchange: usize,
    /// At most this many contacts are taken in one cycle, and at most so many partners are remembered until they
    /// answer; the oldest are forgotten.
    pub max_partners: usize,
    /// At most this many peers are learned from connections, besides those given.
    pub max_peers: usize,
    /// At most this many names of rumours are remembered, the hot ones included, so at least `max_hot`.
    pub max_seen: usize,
    /// For how long. A rumour that comes back later is news again.
    pub max_seen_age: Duration,
}

impl Default for Config {
    /// Push-pull in cycles of 100 ms; 256 hot rumours of 64 KiB, 64 in one contact, 65,536 names for an hour.
    fn default() -> Self {
        Config {
            variant: Variant::default(),
            cycle: Duration::from_millis(100),
            in_step: false,
            max_cycles: 100,
            max_hot: 256,
            max_payload: 65_536,
            max_exchange: 64,
            max_partners: 64,
            max_peers: 1_024,
            max_seen: 65_536,
            max_seen_age: Duration::from_secs(3_600),
        }
    }
}
