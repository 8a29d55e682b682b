//! Periods, sizes and bounds.

use std::time::Duration;

/// How the next node to probe is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Targets {
    /// Any, each time anew (SWIM §3.1): e/(e-1) periods until a dead node is first probed.
    Random,
    /// All in turn, in an order of our own that changes with each round (§4.3): none waits longer than two rounds.
    RoundRobin,
}

/// Periods, sizes and bounds. Each bound is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// One probe in each.
    pub period: Duration,
    /// How long a node that was pinged may take before others are asked; less than the period.
    pub answer_within: Duration,
    /// How many others are asked (k).
    pub relays: usize,
    /// How targets are chosen.
    pub targets: Targets,
    /// Whether a node's first period begins at a random time, so that nodes started together do not probe together.
    pub stagger: bool,
    /// How long a suspicion of our own lasts, in periods for each power of ten of members, at least one.
    pub suspicion: f64,
    /// How much longer one lasts that was only heard of (Lifeguard's beta).
    pub hearsay: u32,
    /// How many others must share it until it lasts no longer than one of our own (Lifeguard's K).
    pub confirmations: usize,
    /// How often a node is pinged before it is declared down; a third as often if others have declared it down, or many
    /// suspect it.
    pub verify: u8,
    /// The worst that we can think of our own health (Lifeguard's S): waits are up to so many times longer, and once.
    pub max_health: u8,
    /// How often an update is passed on, for each power of ten of members.
    pub retransmit: u32,
    /// At most so many updates on one message.
    pub max_updates: usize,
    /// At most so many on one that comes; whoever sends more is not listened to.
    pub max_taken: usize,
    /// How long a node that is down is remembered.
    pub remember_down: Duration,
    /// Every so many periods one of them is tried, by about ten of all members.
    pub retry_down: u32,
    /// At most so many members, those that are down included.
    pub max_members: usize,
    /// At most so many bytes of metadata.
    pub max_meta: usize,
    /// At most so much above what we know may an incarnation be that another tells us.
    pub max_jump: u64,
    /// At most so many pings on behalf of others at once.
    pub max_relayed: usize,
    /// At most so many contacts to join by are kept.
    pub max_contacts: usize,
}

impl Default for Config {
    /// A period of a second, half of it for an answer, three relays; a suspicion of 0.8 periods for each power of ten,
    /// six times as long on hearsay; six pings before anybody is declared down, two where others have looked before us.
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1),
            answer_within: Duration::from_millis(500),
            relays: 3,
            targets: Targets::RoundRobin,
            stagger: true,
            suspicion: 0.8,
            hearsay: 6,
            confirmations: 3,
            verify: 6,
            max_health: 8,
            retransmit: 4,
            max_updates: 8,
            max_taken: 256,
            remember_down: Duration::from_secs(600),
            retry_down: 10,
            max_members: 16_384,
            max_meta: 512,
            max_jump: 1_024,
            max_relayed: 64,
            max_contacts: 16,
        }
    }
}
