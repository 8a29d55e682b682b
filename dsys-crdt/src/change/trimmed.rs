//! A log whose first changes were cut.
//!
//! Of those it keeps the names, whose they are, what they follow, and what they granted and revoked; what they said, and their
//! signatures, are gone. So what a change has seen is known as before, whatever it follows, and anything can be merged that
//! does not need them said again. In their place stands what was built of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ChangeId, Log, Policy};

#[cfg(feature = "sync")]
impl super::Bundle {
    /// The changes, each behind what it follows, with that.
    pub(crate) fn follows(&self) -> impl Iterator<Item = (ChangeId, Vec<ChangeId>)> {
        self.changes.iter().map(|(id, change)| (*id, change.header.follows().copied().collect()))
    }
}

impl<P: Policy> Log<P> {
    /// How many changes were cut: the first ones.
    pub fn trimmed(&self) -> usize {
        self.entries.cut()
    }

    /// Whether somebody who has these changes and what they follow lacks some that were cut and that count: only others can
    /// give it those, and it can take in nothing from here before.
    pub fn is_cut_for(&self, known: &[ChangeId]) -> bool {
        self.trimmed() > 0 && (self.prefix_of(known) as usize) < self.trimmed()
    }

    /// The version that was cut: of what is gone, the changes that count and that no other there follows. Nothing if none is.
    pub fn cut(&self) -> Vec<ChangeId> {
        let (cut, graph) = (self.trimmed() as u32, self.graph());
        let counts = || (0..cut).filter(|&number| self.counts_at(number));
        let followed: BTreeSet<u32> = counts().flat_map(|number| graph.parents(number)).copied().collect();
        counts().filter(|number| !followed.contains(number)).filter_map(|it| self.id_of(it)).collect()
    }

    /// How many of the changes, from the first on, these follow or are, or do not count.
    pub(crate) fn prefix_of(&self, version: &[ChangeId]) -> u32 {
        let lacking = self.lacking(version);
        let first = lacking.into_iter().find(|number| self.counts_at(*number));
        first.unwrap_or(self.known.graph.len())
    }

    /// Forgets the first changes, of which `base` was built.
    pub(crate) fn trim(&mut self, cut: u32, base: Arc<[u8]>) {
        self.entries.trim(cut as usize);
        self.base = Some(base);
    }

    /// What was built of the changes that were cut.
    pub(crate) fn base(&self) -> Option<&Arc<[u8]>> {
        self.base.as_ref()
    }
}
