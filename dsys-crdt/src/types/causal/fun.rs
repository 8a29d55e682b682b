//! Values under dots.

use std::fmt::Debug;

use super::{Context, Dot, DotStore};

/// A value for each dot, few of them: the leaf of every store. With `()` it is a set of dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DotFun<V>(
    /// In the order of the dots.
    pub(in crate::types) Vec<(Dot, V)>,
);

impl<V> Default for DotFun<V> {
    fn default() -> Self {
        DotFun(Vec::new())
    }
}

impl<V> DotFun<V> {
    /// The values with their dots, in the order of the dots.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Dot, &V)> {
        self.0.iter().map(|(dot, value)| (dot, value))
    }

    fn find(&self, dot: &Dot) -> Result<usize, usize> {
        self.0.binary_search_by(|(ours, _)| ours.cmp(dot))
    }

    fn get(&self, dot: &Dot) -> Option<&V> {
        self.find(dot).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }
}

impl<V: Clone + Ord + Debug> DotStore for DotFun<V> {
    type Edit = V;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn dots(&self, see: &mut dyn FnMut(&Dot)) {
        self.0.iter().for_each(|(dot, _)| see(dot));
    }

    fn cut(&mut self, dots: &[Dot]) {
        if !dots.is_empty() {
            self.0.retain(|(dot, _)| dots.binary_search(dot).is_err());
        }
    }

    fn put(&mut self, value: &V, dot: Option<&Dot>, replaced: &[Dot]) {
        self.cut(replaced);
        if let Some(dot) = dot
            && let Err(at) = self.find(dot)
        {
            self.0.insert(at, (dot.clone(), value.clone()));
        }
    }

    fn join(&mut self, seen: &Context, other: &Self, other_seen: &Context) {
        self.0.retain_mut(|(dot, value)| match other.get(dot) {
            // Only a liar gives one dot two values; the greater one wins everywhere.
            Some(theirs) => {
                if *theirs > *value {
                    value.clone_from(theirs);
                }
                true
            }
            None => !other_seen.contains(dot),
        });
        for (dot, value) in &other.0 {
            if !seen.contains(dot)
                && let Err(at) = self.find(dot)
            {
                self.0.insert(at, (dot.clone(), value.clone()));
            }
        }
    }
}
