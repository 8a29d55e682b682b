//! The register that keeps concurrent values.

use std::fmt::Debug;

use crate::types::causal::{Context, Dot, DotFun, DotStore, Prepared};
use crate::types::store;

store! {
    /// A register that keeps every value that no later write has seen (INRIA 7506, §3.2.2; Almeida et al. 2018, §7.4.3).
    MvRegister<V> [V: Clone + Ord + Debug] = DotFun<V>, edits: V
}

impl<V: Clone + Ord + Debug> MvRegister<V> {
    /// Writes a value in place of all that are known.
    pub fn set(&self, value: V) -> Option<Prepared<V>> {
        Some(Prepared { replaces: self.all_dots(), edit: Some(value), leaves: true })
    }

    /// The values: one, or those written concurrently, in an order that is the same everywhere.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The first of the values.
    pub fn get(&self) -> Option<&V> {
        self.values().next()
    }
}
