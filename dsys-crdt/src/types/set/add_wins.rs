//! The observed-remove set in which additions win.

use std::fmt::Debug;

use crate::types::causal::{Context, Dot, DotFun, DotMap, DotStore, MapEdit, Prepared};
use crate::types::store;

store! {
    /// A set in which an addition wins over a concurrent removal: the OR-set, optimized, without tombstones (Bieniusa et al.,
    /// "An Optimized Conflict-free Replicated Set", INRIA 8083, 2012). A removal removes the additions that it has seen.
    AddWinsSet<E> [E: Clone + Ord + Debug] = DotMap<E, DotFun<()>>, edits: MapEdit<E, ()>
}

impl<E: Clone + Ord + Debug> AddWinsSet<E> {
    /// Adds an element, also where it is there already: that renews it against a concurrent removal.
    pub fn add(&self, element: E) -> Option<Prepared<MapEdit<E, ()>>> {
        let replaces = self.dots_of(&element);
        Some(Prepared { replaces, edit: Some(MapEdit { key: element, inner: Some(()) }), leaves: true })
    }

    /// Removes an element; there is nothing to do if it is not there.
    pub fn remove(&self, element: &E) -> Option<Prepared<MapEdit<E, ()>>> {
        let replaces = self.dots_of(element);
        let edit = Some(MapEdit { key: element.clone(), inner: None });
        (!replaces.is_empty()).then_some(Prepared { replaces, edit, leaves: false })
    }

    /// Whether an element is there.
    pub fn contains(&self, element: &E) -> bool {
        self.0.0.contains_key(element)
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &E> {
        self.0.0.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    fn dots_of(&self, element: &E) -> Vec<Dot> {
        self.0.0.get(element).map(DotStore::all_dots).unwrap_or_default()
    }
}
