//! The sizes of the views, the periods, and the bounds.

use std::time::Duration;

/// The sizes of the views, the periods, and the bounds. The names in brackets are the paper's (§4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many neighbours a node wants, at least 1.
    pub active: usize,
    /// At most this many nodes in the passive view.
    pub passive: usize,
    /// How far a join travels (ARWL).
    pub join_walk: u8,
    /// At how many steps before its end a joining node enters a passive view (PRWL).
    pub passive_walk: u8,
    /// How far a shuffle travels.
    pub shuffle_walk: u8,
    /// How many of the active view are in a shuffle (ka).
    pub shuffle_active: usize,
    /// How many of the passive view are in a shuffle (kp).
    pub shuffle_passive: usize,
    /// Time between two shuffles of a node, up to half as much more by chance. The first few come sooner.
    pub shuffle_every: Duration,
    /// The slowest so many of the neighbours are kept as chance brought them (μ of X-BOT, §4.1). They hold groups of
    /// near nodes together.
    pub unbiased: usize,
    /// After so long a node looks for nearer neighbours, and then twice as long after each look in vain. `None`: never.
    pub search_after: Option<Duration>,
    /// But not longer than this.
    pub search_at_most: Duration,
    /// So many of the passive view are measured at a time.
    pub candidates: usize,
    /// A neighbour that said nothing for so long is probed.
    pub probe_after: Duration,
    /// A neighbour that said nothing for so long is lost.
    pub max_silence: Duration,
    /// A node that was asked to be a neighbour and did not answer for so long will not.
    pub answer_within: Duration,
    /// At most this many nodes in a shuffle; whoever sends more is barred.
    pub max_shuffle: usize,
    /// At most this many joins, and as many shuffles, are taken between two shuffles of our own; further ones are
    /// dropped. So nobody can turn our views over faster than that.
    pub max_taken: u32,
    /// At most so many times between two shuffles of our own does one node become our neighbour because it asks to, be it one
    /// already or not: what stands between us begins anew each time, which costs more than the question.
    pub max_asked: u32,
    /// At most this many contacts to join by are kept, and as many lost neighbours to try again.
    pub max_contacts: usize,
    /// At most this many nodes that broke a rule are remembered; the oldest is forgotten first.
    pub max_barred: usize,
}

impl Default for Config {
    /// The paper's walks of 6 and 3 and shuffles of 3 and 4 (§5.1). 6 neighbours instead of 5: one to keep the overlay
    /// together, five that are near, by looks at 4 nodes after 2 s to 5 min. A passive view of 40 instead of 30: when 19 of
    /// 20 nodes die, 30 leave one node in five without anybody to turn to. A shuffle every 30 s, a probe after 10 s,
    /// lost after 20 s of silence, since a driver tells sooner of most that are gone; 3 s for an answer.
    fn default() -> Self {
        Config {
            active: 6,
            passive: 40,
            join_walk: 6,
            passive_walk: 3,
            shuffle_walk: 6,
            shuffle_active: 3,
            shuffle_passive: 4,
            shuffle_every: Duration::from_secs(30),
            unbiased: 1,
            search_after: Some(Duration::from_secs(2)),
            search_at_most: Duration::from_secs(300),
            candidates: 4,
            probe_after: Duration::from_secs(10),
            max_silence: Duration::from_secs(20),
            answer_within: Duration::from_secs(3),
            max_shuffle: 16,
            max_taken: 256,
            max_asked: 16,
            max_contacts: 16,
            max_barred: 256,
        }
    }
}
