//! The observed-remove set in which removals win.

use std::fmt::Debug;

use crate::types::causal::{Context, Dot, DotFun, DotMap, DotStore, MapEdit, Prepared};
use crate::types::store;

store! {
    /// A set in which a removal wins over a concurrent addition (Almeida et al. 2018, §7.4.4). A removal stays behind until
    /// a later addition has seen it.
    RemoveWinsSet<E> [E: Clone + Ord + Debug] = DotMap<E, DotFun<bool>>, edits: MapEdit<E, bool>
}

impl<E: Clone + Ord + Debug> RemoveWinsSet<E> {
    /// Adds an element.
    pub fn add(&self, element: E) -> Option<Prepared<MapEdit<E, bool>>> {
        self.set(element, true)
    }

    /// Removes an element, also where it is not there: then it wins over an addition that is yet unknown.
    pub fn remove(&self, element: E) -> Option<Prepared<MapEdit<E, bool>>> {
        self.set(element, false)
    }

    /// Whether an element is there: it was added, and no removal stands against it.
    pub fn contains(&self, element: &E) -> bool {
        self.0.0.get(element).is_some_and(is_present)
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.0.0.iter().filter(|(_, pieces)| is_present(pieces)).map(|(element, _)| element)
    }

    fn set(&self, element: E, present: bool) -> Option<Prepared<MapEdit<E, bool>>> {
        let replaces = self.0.0.get(&element).map(DotStore::all_dots).unwrap_or_default();
        let edit = Some(MapEdit { key: element, inner: Some(present) });
        Some(Prepared { replaces, edit, leaves: true })
    }
}

fn is_present(pieces: &DotFun<bool>) -> bool {
    // No element is without a piece.
    pieces.iter().all(|(_, present)| *present)
}
