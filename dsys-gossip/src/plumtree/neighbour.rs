//! One link of a node.

use dsys_core::{NodeId, Time};

use crate::estimate::RoundTrip;

/// One link of a node.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    pub(super) id: NodeId,
    /// Messages cross it, not only their names.
    pub(super) eager: bool,
    pub(super) round_trip: RoundTrip,
    /// When it last said anything; the beginning of time if it has not yet.
    pub(super) heard: Time,
    /// Names announced whose messages have not come.
    pub(super) missing: u32,
    /// How much more often its names came earlier than messages than not.
    pub(super) wins: u8,
}

impl Neighbour {
    /// §3.5: a new neighbour is eager, so that a tree that was cut grows together.
    pub(super) fn new(id: NodeId) -> Self {
        let (round_trip, heard) = (RoundTrip::default(), Time::ZERO);
        Neighbour { id, eager: true, round_trip, heard, missing: 0, wins: 0 }
    }

    pub(super) fn won(&mut self, won: bool) {
        self.wins = if won { self.wins.saturating_add(1) } else { self.wins.saturating_sub(1) };
    }
}
