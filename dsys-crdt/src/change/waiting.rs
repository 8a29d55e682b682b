//! Changes that follow others which are missing.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::NodeId;

use super::{Change, ChangeId};

/// Each waits for one missing change; when that has come, there may be another.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// With the missing one.
    changes: BTreeMap<ChangeId, (Change, ChangeId)>,
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

    pub(super) fn insert(&mut self, id: ChangeId, change: Change, missing: ChangeId) {
        *self.of_author.entry(change.header.author).or_default() += 1;
        self.changes.insert(id, (change, missing));
        self.by_missing.entry(missing).or_default().insert(id);
    }

    /// Takes out those that waited for a change.
    pub(super) fn wake(&mut self, come: &ChangeId) -> Vec<(ChangeId, Change)> {
        let waited = self.by_missing.get(come).cloned().unwrap_or_default();
        waited.into_iter().filter_map(|id| Some((id, self.remove(&id)?))).collect()
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, id: &ChangeId) -> Option<Change> {
        let (change, missing) = self.changes.remove(id)?;
        if let Some(waited) = self.by_missing.get_mut(&missing) {
            waited.remove(id);
            if waited.is_empty() {
                self.by_missing.remove(&missing);
            }
        }
        if let Some(count) = self.of_author.get_mut(&change.header.author) {
            *count -= 1;
            if *count == 0 {
                self.of_author.remove(&change.header.author);
            }
        }
        Some(change)
    }

    /// What is waited for, but what waits itself.
    pub(super) fn missing(&self) -> impl Iterator<Item = &ChangeId> {
        self.by_missing.keys().filter(|id| !self.changes.contains_key(id))
    }
}
