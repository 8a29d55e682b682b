//! The set that only grows.

use std::collections::BTreeSet;

use crate::types::{Merge, Replicated};

/// A set that only grows (INRIA 7506, §3.3.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent, bound(deserialize = "E: Ord + serde::Deserialize<'de>")))]
pub struct GSet<E>(BTreeSet<E>);

impl<E> Default for GSet<E> {
    fn default() -> Self {
        GSet(BTreeSet::new())
    }
}

impl<E: Ord + Clone> GSet<E> {
    /// Adds an element, which is also the operation.
    pub fn add(&mut self, element: E) -> E {
        self.0.insert(element.clone());
        element
    }

    /// Whether an element is there.
    pub fn contains(&self, element: &E) -> bool {
        self.0.contains(element)
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &E> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<E: Ord + Clone> Merge for GSet<E> {
    fn merge(&mut self, other: &Self) {
        let new = other.0.iter().filter(|element| !self.0.contains(element)).cloned().collect::<Vec<_>>();
        self.0.extend(new);
    }
}

impl<E: Ord + Clone> Replicated for GSet<E> {
    type Op = E;

    fn apply(&mut self, element: &E) {
        self.0.insert(element.clone());
    }

    fn delta(element: &E) -> Self {
        GSet([element.clone()].into())
    }
}
