//! The searches of one operation: for its key, and around it if somebody may have chosen ids to crowd it.

use dsys_core::{NodeAddr, NodeId, Rng};

use crate::Key;
use crate::overlay::{FindError, Overlay, QueryReport};

/// The searches of one operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Searches {
    open: usize,
    around: bool,
    /// One of them knew nobody to ask.
    pub(super) no_peers: bool,
    /// What they cost together.
    pub(super) requests: u32,
    pub(super) answers: u32,
    pub(super) failures: u32,
    pub(super) hops: u32,
}

impl Searches {
    /// The first one is on its way.
    pub(super) fn begun() -> Self {
        Searches { open: 1, around: false, no_peers: false, requests: 0, answers: 0, failures: 0, hops: 0 }
    }

    /// One has ended. Gives those who are responsible and were found.
    pub(super) fn ended(
        &mut self,
        found: Result<Vec<NodeAddr>, FindError>,
        report: QueryReport,
        copies: usize,
    ) -> Vec<NodeId> {
        self.open -= 1;
        self.no_peers |= found == Err(FindError::NoPeers);
        self.requests += report.requests;
        self.answers += report.answers;
        self.failures += report.failures;
        self.hops = self.hops.max(report.hops);
        found.unwrap_or_default().into_iter().take(copies).map(|node| node.id).collect()
    }

    /// Whether it was one of those around the key that ended, or will be.
    pub(super) fn are_around(&self) -> bool {
        self.around
    }

    /// Whether none is on its way.
    pub(super) fn are_over(&self) -> bool {
        self.open == 0
    }

    /// Keys to search next, once, if so many found lie so near to the key that somebody may have put them there.
    pub(super) fn around<O: Overlay>(
        &mut self,
        overlay: &O,
        key: Key,
        found: &[NodeId],
        rng: &mut Rng,
    ) -> Vec<Key> {
        if self.around || !is_crowded(overlay, key, found) {
            return Vec::new();
        }
        let keys = overlay.around(key, rng);
        self.around = !keys.is_empty();
        self.open += keys.len();
        keys
    }
}

/// Whether so many nodes lie so near to a key that somebody may have chosen their ids: at less than a quarter of the
/// distance at which the last of them would lie by chance. Of 20 honest ones, that happens once in 100,000 keys.
fn is_crowded<O: Overlay>(overlay: &O, key: Key, found: &[NodeId]) -> bool {
    let last = found.last().map(|last| overlay.distance(*last, key));
    found.len() >= overlay.copies()
        && last.is_some_and(|last| last.leading_zeros() >= overlay.reach().leading_zeros() + 3)
}
