//! What was done to the elements that are shown, for whoever wants to be told.

use super::{Element, List, ListEdit};
use crate::history::Op;
use crate::walk::Sink;

/// Collects edits, once somebody has asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    listens: bool,
    edits: Vec<Raw>,
}

/// `deleted` elements are taken away at `at`; then what stands in the slots of some events is put there.
#[derive(Clone, Copy, Debug)]
struct Raw {
    at: u32,
    deleted: u32,
    inserted: (u32, u32),
}

impl Told {
    /// How many edits there are.
    pub(super) fn len(&self) -> usize {
        self.edits.len()
    }

    /// Forgets those after so many.
    pub(super) fn truncate(&mut self, edits: usize) {
        self.edits.truncate(edits);
    }

    /// A slot is shown from now on, or hidden.
    pub(super) fn flip(&mut self, at: u32, slot: u32, shown: bool) {
        // What is hidden as soon as it is put there was never seen.
        let just_put = |raw: &Raw| (raw.at, raw.deleted, raw.inserted) == (at, 0, (slot, slot + 1));
        match (shown, self.edits.last()) {
            (false, Some(raw)) if just_put(raw) => drop(self.edits.pop()),
            (false, _) => self.note(at, 1, (0, 0)),
            (true, _) => self.note(at, 0, (slot, slot + 1)),
        }
    }

    fn note(&mut self, at: u32, deleted: u32, inserted: (u32, u32)) {
        if self.listens {
            self.edits.push(Raw { at, deleted, inserted });
        }
    }
}

impl Sink for Told {
    fn insert(&mut self, at: u32, op: &Op) {
        self.note(at, 0, (op.start, op.start + op.len));
    }

    fn delete(&mut self, at: u32, count: u32) {
        self.note(at, count, (0, 0));
    }
}

impl<T: Element> List<T> {
    /// From now on edits are collected; those collected before are forgotten.
    pub(crate) fn listen(&mut self) {
        self.told = Told { listens: true, edits: Vec::new() };
    }

    /// The edits that were collected, in order, with the values that the elements have now.
    pub(crate) fn take_told(&mut self) -> Vec<ListEdit<T>> {
        let edits = std::mem::take(&mut self.told.edits);
        let edit = |Raw { at, deleted, inserted: (from, to) }| ListEdit {
            at: at as usize,
            deleted: deleted as usize,
            inserted: self.values(from, to).cloned().collect(),
        };
        edits.into_iter().map(edit).collect()
    }
}
