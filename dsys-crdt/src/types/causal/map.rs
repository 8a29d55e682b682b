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
        let mut theirs = other.0.iter().peekable();
        let mut fresh = Vec::new();
        let mut add = |(key, store): (&K, &S)| {
            let mut made = S::default();
            made.join(seen, store, other_seen);
            if !made.is_empty() {
                fresh.push((key.clone(), made));
            }
        };
        // Both in the order of their keys, each looked at once.
        self.0.retain(|key, store| {
            while let Some(before) = theirs.next_if(|(theirs, _)| *theirs < key) {
                add(before);
            }
            let same = theirs.next_if(|(theirs, _)| *theirs == key).map_or(&nothing, |(_, store)| store);
            store.join(seen, same, other_seen);
            !store.is_empty()
        });
        theirs.for_each(add);
        // Many are cheaper put in by one pass over all.
        if fresh.len() > self.0.len() / 8 {
            self.0.append(&mut fresh.into_iter().collect());
        } else {
            self.0.extend(fresh);
        }
    }
}
