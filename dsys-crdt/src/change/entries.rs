//! The changes of a log by their numbers, which are the order of their arrival; and the numbers by their names.
//!
//! Changes that were saved stay packed, a chunk of [`CHUNK`] each, until somebody looks at one of the chunk.

// Names are looked up, never walked in the table's order.
#![allow(clippy::disallowed_types)]

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::{Change, ChangeId, columns};

/// So many changes are packed together.
pub(crate) const CHUNK: usize = 1_024;

#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    /// Each but the last full.
    packed: Vec<Chunk>,
    /// How many changes are packed.
    past: usize,
    /// The others, in runs of [`CHUNK`], so that none is moved when there are many.
    recent: Vec<Vec<Change>>,
    /// So many, the first ones, were cut: nothing but their names is left.
    cut: usize,
    /// Whether each counts.
    counts: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Chunk {
    bytes: Arc<[u8]>,
    changes: Arc<OnceLock<Vec<Change>>>,
}

impl Entries {
    /// Those of a saved log, of which the first were cut.
    pub(super) fn packed(chunks: Vec<Arc<[u8]>>, counts: Vec<bool>, cut: usize) -> Entries {
        let packed = chunks.into_iter().map(|bytes| Chunk { bytes, changes: Arc::default() }).collect();
        Entries { packed, past: counts.len(), recent: Vec::new(), cut, counts }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn get(&self, number: u32) -> Option<&Change> {
        let number = number as usize;
        if number < self.cut {
            return None;
        }
        match number.checked_sub(self.past) {
            Some(recent) => self.recent.get(recent / CHUNK)?.get(recent % CHUNK),
            None => {
                let at = number / CHUNK;
                self.packed.get(at)?.changes()?.get(number - self.cut.max(at * CHUNK))
            }
        }
    }

    /// How many were cut.
    pub(super) fn cut(&self) -> usize {
        self.cut
    }

    /// Forgets all before a number but that they were.
    pub(super) fn trim(&mut self, cut: usize) {
        let left: Vec<Change> =
            (cut as u32..self.len() as u32).filter_map(|number| self.get(number).cloned()).collect();
        (self.packed, self.past, self.recent, self.cut) = (Vec::new(), cut, Vec::new(), cut);
        left.into_iter().for_each(|change| self.append(change));
    }

    pub(super) fn counts(&self, number: u32) -> bool {
        self.counts.get(number as usize) == Some(&true)
    }

    /// Notes whether a change counts; gives whether it is otherwise than it was.
    pub(super) fn set_counts(&mut self, number: u32, counts: bool) -> bool {
        self.counts.get_mut(number as usize).is_some_and(|it| std::mem::replace(it, counts) != counts)
    }

    pub(super) fn push(&mut self, change: Change) {
        self.append(change);
        self.counts.push(true);
    }

    fn append(&mut self, change: Change) {
        match self.recent.last_mut().filter(|run| run.len() < CHUNK) {
            Some(run) => run.push(change),
            None => {
                // Most documents never have as many as one run has room for.
                let mut run = Vec::with_capacity(if self.recent.is_empty() { 1 } else { CHUNK });
                run.push(change);
                self.recent.push(run);
            }
        }
    }

    /// Takes out the last changes, which are recent.
    pub(super) fn split_off(&mut self, before: usize) -> Vec<Change> {
        let kept = before.max(self.past);
        self.counts.truncate(kept);
        let (full, rest) = ((kept - self.past) / CHUNK, (kept - self.past) % CHUNK);
        let mut last = self.recent.split_off((full + usize::from(rest > 0)).min(self.recent.len()));
        let part = self.recent.get_mut(full).map(|run| run.split_off(rest.min(run.len())));
        part.into_iter().chain(last.drain(..)).flatten().collect()
    }

    /// A chunk as [`columns::encode`] gives it, without those that were cut: as it is, if it was packed and full. The names
    /// are all of the log's.
    pub(super) fn chunk(&self, at: usize, names: &[ChangeId]) -> Vec<u8> {
        let numbers = at * CHUNK..((at + 1) * CHUNK).min(self.len());
        match self.packed.get(at).filter(|_| numbers.end <= self.past) {
            Some(chunk) => chunk.bytes.to_vec(),
            None if numbers.end <= self.cut => Vec::new(),
            None => columns::encode_named(numbers.filter_map(|number| {
                let change = self.get(number as u32)?;
                Some((*names.get(number)?, change, change.signature))
            })),
        }
    }
}

impl Chunk {
    fn changes(&self) -> Option<&Vec<Change>> {
        // The chunk's checksum was right, so what was encoded decodes.
        let changes = self.changes.get_or_init(|| columns::decode(&self.bytes).unwrap_or_default());
        (!changes.is_empty()).then_some(changes)
    }
}

/// What the changes are called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ids: Vec<ChangeId>,
    /// The numbers of those that were saved, in the order of their names.
    sorted: Arc<[u32]>,
    recent: HashMap<ChangeId, u32>,
}

impl Names {
    pub(super) fn saved(ids: Vec<ChangeId>, sorted: Vec<u32>) -> Names {
        Names { ids, sorted: sorted.into(), recent: HashMap::new() }
    }

    pub(super) fn get(&self, id: &ChangeId) -> Option<u32> {
        // Most changes follow the one right before them.
        if self.ids.last() == Some(id) {
            return Some(self.ids.len() as u32 - 1);
        }
        if let Some(number) = self.recent.get(id) {
            return Some(*number);
        }
        let at = self.sorted.binary_search_by_key(&Some(id), |number| self.ids.get(*number as usize)).ok()?;
        self.sorted.get(at).copied()
    }

    pub(super) fn contains(&self, id: &ChangeId) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn of(&self, number: u32) -> Option<&ChangeId> {
        self.ids.get(number as usize)
    }

    pub(super) fn all(&self) -> &[ChangeId] {
        &self.ids
    }

    pub(super) fn push(&mut self, id: ChangeId) {
        self.recent.insert(id, self.ids.len() as u32);
        self.ids.push(id);
    }

    /// Forgets the last names, which are recent.
    pub(super) fn truncate(&mut self, before: usize) {
        for id in self.ids.drain(before.min(self.ids.len())..) {
            self.recent.remove(&id);
        }
    }

    /// All numbers in the order of the names.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.ids.len() as u32).collect();
        numbers.sort_unstable_by_key(|number| self.ids.get(*number as usize));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use dsys_core::SecretKey;

    use super::*;
    use crate::change::{DocumentId, Log, Open};

    #[test]
    fn the_last_changes_are_taken_out_at_any_place() {
        let key = SecretKey::from_bytes([1; 32]);
        let change = Log::new(DocumentId::from_bytes([1; 32]), Open).commit(&key, 0, Vec::new()).unwrap();
        let numbered = |wall: usize| {
            let mut change = change.clone();
            change.header.wall = wall as u64;
            change
        };
        for (all, kept) in
            [(2_500, 1_000), (2_500, 1_024), (2_500, 2_048), (2_500, 2_499), (2_048, 0), (3, 3)]
        {
            let mut entries = Entries::default();
            (0..all).for_each(|wall| entries.push(numbered(wall)));
            let removed = entries.split_off(kept);
            assert!(removed.iter().map(|it| it.header.wall as usize).eq(kept..all), "{kept} of {all}");
            entries.push(numbered(all));
            let walls = (0..=kept as u32).map(|at| entries.get(at).unwrap().header.wall as usize);
            assert!(walls.eq((0..kept).chain([all])) && entries.len() == kept + 1, "{kept} of {all}");
        }
    }
}
