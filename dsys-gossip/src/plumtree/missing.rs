//! Messages whose names came first.

use dsys_core::{NodeId, Time};

/// A message whose name came first.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    /// When its name first came.
    pub(super) since: Time,
    /// Who announced it and was not asked yet, with the time, in the order of announcing.
    pub(super) announced: Vec<(NodeId, Time)>,
    /// Who was asked last and when.
    pub(super) asked: Option<(NodeId, Time)>,
}

impl Missing {
    pub(super) fn new(peer: NodeId, now: Time) -> Self {
        Missing { since: now, announced: vec![(peer, now)], asked: None }
    }

    /// Those who say that they have it.
    pub(super) fn holders(&self) -> impl Iterator<Item = NodeId> {
        self.announced.iter().map(|(peer, _)| *peer).chain(self.asked.map(|(asked, _)| asked))
    }

    pub(super) fn announced_by(&self, peer: NodeId) -> bool {
        self.announced.iter().any(|(one, _)| *one == peer)
            || self.asked.is_some_and(|(asked, _)| asked == peer)
    }
}
