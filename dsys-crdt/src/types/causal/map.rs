//! Stores under keys.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Context, Dot, DotStore};

/// A store for each key. A key whose store is empty is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DotMap<K, S>(pub(in crate::types) BTreeMap<K, S>);

/// An edit below a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MapEdit<K, E> {
    /// The key.
    pub key: K,
    /// Where in the key's store; everywhere if there is nothing.
    pub inner: Option<E>,
}

impl<K, S> Default for DotMap<K, S> {
    fn default() -> Self {
        DotMap(BTreeMap::new())
    }
}

impl<K: Clone + Ord + Debug, S: DotStore> DotStore for DotMap<K, S> {
    type Edit = MapEdit<K, S::Edit>;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn dots(&self, see: &mut dyn FnMut(&Dot)) {
        self.0.values().for_each(|store| store.dots(see));
    }

    fn cut(&mut self, dots: &[Dot]) {
        self.0.retain(|_, store| {
            store.cut(dots);
            !store.is_empty()
        });
    }

    fn put(&mut self, edit: &Self::Edit, dot: Option<&Dot>, replaced: &[Dot]) {
        let mut made = S::default();
        let old = self.0.get_mut(&edit.key);
        let is_new = old.is_none();
        let store = old.unwrap_or(&mut made);
        match &edit.inner {
            Some(inner) => store.put(inner, dot, replaced),
            None => store.cut(replaced),
        }
        match (store.is_empty(), is_new) {
            (false, true) => drop(self.0.insert(edit.key.clone(), made)),
            (true, false) => drop(self.0.remove(&edit.key)),
            _ => {}
        }
    }

    fn join(&mut self, seen: &Context, other: &Self, other_seen: &Context) {
        let nothing = S::default();
        self.0.retain(|key, store| {
            store.join(seen, other.0.get(key).unwrap_or(&nothing), other_seen);
            !store.is_empty()
        });
        for (key, theirs) in &other.0 {
            // A key that is here has just been joined, and one that was dropped has nothing new in it.
            if !self.0.contains_key(key) {
                let mut store = S::default();
                store.join(seen, theirs, other_seen);
                if !store.is_empty() {
                    self.0.insert(key.clone(), store);
                }
            }
        }
    }
}
