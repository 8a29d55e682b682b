//! The map of types that merge.

use std::fmt::Debug;

use super::causal::{Context, Dot, DotMap, DotStore, MapEdit, Prepared};
use super::store;

store! {
    /// A map whose values merge: the observed-remove map (Almeida et al. 2018, §7.4.5). A value is any store, a map again too;
    /// it needs no creation, and a key whose value is empty is not there.
    ///
    /// The removal of a key *resets* its value: it removes every change below it that its author had seen. What others change
    /// concurrently survives, and what they did not touch is gone.
    ///
    /// ```
    /// use dsys_crdt::Agent;
    /// use dsys_crdt::types::{AddWinsSet, Causal, Merge, OrMap};
    ///
    /// let (anna, ben) = (Agent::new("anna")?, Agent::new("ben")?);
    /// let mut here: Causal<OrMap<&str, AddWinsSet<&str>>> = Causal::default();
    /// here.change(&anna, |lists| lists.update("food", |list| list.add("milk")))?;
    /// let mut there = here.clone();
    /// here.change(&anna, |lists| lists.remove(&"food"))?;
    /// there.change(&ben, |lists| lists.update("food", |list| list.add("eggs")))?;
    /// here.merge(&there);
    /// assert_eq!(here.get(&"food").unwrap().iter().collect::<Vec<_>>(), [&"eggs"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    OrMap<K, S> [K: Clone + Ord + Debug, S: DotStore] = DotMap<K, S>, edits: MapEdit<K, S::Edit>
}

impl<K: Clone + Ord + Debug, S: DotStore> OrMap<K, S> {
    /// Changes the value of a key; `change` is shown the value, an empty one if there is none.
    pub fn update(
        &self,
        key: K,
        change: impl FnOnce(&S) -> Option<Prepared<S::Edit>>,
    ) -> Option<Prepared<MapEdit<K, S::Edit>>> {
        let nothing = S::default();
        let Prepared { replaces, edit, leaves } = change(self.get(&key).unwrap_or(&nothing))?;
        Some(Prepared { replaces, edit: Some(MapEdit { key, inner: edit }), leaves })
    }

    /// Removes a key: resets its value. There is nothing to do if the key is not there.
    pub fn remove(&self, key: &K) -> Option<Prepared<MapEdit<K, S::Edit>>> {
        let replaces = self.get(key)?.all_dots();
        Some(Prepared { replaces, edit: Some(MapEdit { key: key.clone(), inner: None }), leaves: false })
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&S> {
        self.0.0.get(key)
    }

    /// The keys in their order, with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &S)> {
        self.0.0.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}
