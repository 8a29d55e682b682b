//! The set whose elements go once and for all.

use std::collections::BTreeSet;

use crate::types::{Merge, Replicated};

/// A set whose elements can be removed, once and for all: what was removed can never be added again (INRIA 7506, §3.3.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TwoPhaseSet<E> {
    /// Without those in `removed`, which makes a set's form unique.
    pub(in crate::types) present: BTreeSet<E>,
    pub(in crate::types) removed: BTreeSet<E>,
}

/// A change of a [`TwoPhaseSet`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TwoPhaseOp<E> {
    /// The element was added.
    Add(E),
    /// The element was removed for ever.
    Remove(E),
}

impl<E> Default for TwoPhaseSet<E> {
    fn default() -> Self {
        TwoPhaseSet { present: BTreeSet::new(), removed: BTreeSet::new() }
    }
}

impl<E: Ord + Clone> TwoPhaseSet<E> {
    /// Adds an element; nothing comes of it if the element is there, or was removed.
    pub fn add(&mut self, element: E) -> Option<TwoPhaseOp<E>> {
        if self.contains(&element) || self.was_removed(&element) {
            return None;
        }
        self.change(TwoPhaseOp::Add(element))
    }

    /// Removes an element for ever; nothing comes of it if the element is not there.
    pub fn remove(&mut self, element: &E) -> Option<TwoPhaseOp<E>> {
        if !self.contains(element) {
            return None;
        }
        self.change(TwoPhaseOp::Remove(element.clone()))
    }

    /// Whether an element is there.
    pub fn contains(&self, element: &E) -> bool {
        self.present.contains(element)
    }

    /// Whether an element was removed.
    pub fn was_removed(&self, element: &E) -> bool {
        self.removed.contains(element)
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &E> {
        self.present.iter()
    }

    fn change(&mut self, op: TwoPhaseOp<E>) -> Option<TwoPhaseOp<E>> {
        self.apply(&op);
        Some(op)
    }
}

impl<E: Ord + Clone> Merge for TwoPhaseSet<E> {
    fn merge(&mut self, other: &Self) {
        other.removed.iter().for_each(|element| self.apply(&TwoPhaseOp::Remove(element.clone())));
        other.present.iter().for_each(|element| self.apply(&TwoPhaseOp::Add(element.clone())));
    }
}

impl<E: Ord + Clone> Replicated for TwoPhaseSet<E> {
    type Op = TwoPhaseOp<E>;

    fn apply(&mut self, op: &TwoPhaseOp<E>) {
        match op {
            TwoPhaseOp::Add(element) if self.removed.contains(element) => {}
            TwoPhaseOp::Add(element) => drop(self.present.insert(element.clone())),
            TwoPhaseOp::Remove(element) => {
                self.present.remove(element);
                self.removed.insert(element.clone());
            }
        }
    }

    fn delta(op: &TwoPhaseOp<E>) -> Self {
        let mut delta = TwoPhaseSet::default();
        delta.apply(op);
        delta
    }
}
