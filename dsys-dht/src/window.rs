//! Who has asked for something lately.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::{NodeId, Time};

/// Lets everybody do something once in a while, and so many in all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    since: Time,
    seen: BTreeSet<NodeId>,
}

impl Window {
    pub(crate) fn admits(&mut self, peer: NodeId, most: usize, lasting: Duration, now: Time) -> bool {
        if now - self.since >= lasting {
            (self.since, self.seen) = (now, BTreeSet::new());
        }
        self.seen.len() < most && self.seen.insert(peer)
    }
}
