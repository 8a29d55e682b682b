//! Changes that follow others which are missing.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::NodeId;

use super::{Change, ChangeId};

/// Each waits for one missing change; when that has come, there may be another.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    changes: BTreeMap<ChangeId, Change>,
    by_missing: BTreeMap<ChangeId, BTreeSet<ChangeId>>,
    of_author: BTreeMap<NodeId, usize>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn of(&self, author: &NodeId) -> usize {
        self.of_author.get(author).copied().unwrap_or(0)
    }

    pub(super) fn contains(&self, id: &ChangeId) -> bool {
        self.changes.contains_key(id)
    }

    pub(super) fn insert(&mut self, id: ChangeId, change: Change, missing: ChangeId) {
        *self.of_author.entry(change.header.author).or_default() += 1;
        self.changes.insert(id, change);
        self.by_missing.entry(missing).or_default().insert(id);
    }

    /// Takes out those that waited for a change.
    pub(super) fn wake(&mut self, come: &ChangeId) -> Vec<(ChangeId, Change)> {
        let woken = self.by_missing.remove(come).unwrap_or_default();
        let woken: Vec<(ChangeId, Change)> =
            woken.iter().filter_map(|id| self.changes.remove_entry(id)).collect();
        for (_, change) in &woken {
            if let Some(count) = self.of_author.get_mut(&change.header.author) {
                *count -= 1;
                if *count == 0 {
                    self.of_author.remove(&change.header.author);
                }
            }
        }
        woken
    }

    /// What is waited for, but what waits itself.
    pub(super) fn missing(&self) -> impl Iterator<Item = &ChangeId> {
        self.by_missing.keys().filter(|id| !self.changes.contains_key(id))
    }
}
