//! Types that remember which changes they have seen, so that what is absent was either never seen or removed.

mod context;
mod fun;
mod map;

use std::fmt::Debug;
use std::ops::Deref;

pub use context::{Context, Dot};
pub use fun::DotFun;
pub use map::{DotMap, MapEdit};

use super::{Full, Merge, Replicated};
use crate::Agent;

/// A part of a state, in which every piece carries the [`Dot`] of the change that made it (Almeida et al. 2018, §7).
pub trait DotStore: Clone + Default + Eq + Debug {
    /// Where a change puts its piece, and what.
    type Edit: Clone + Debug;

    /// Whether there is no piece.
    fn is_empty(&self) -> bool;

    /// Calls `see` with the dot of every piece.
    fn dots(&self, see: &mut dyn FnMut(&Dot));

    /// Removes the pieces of these dots, which are in ascending order, wherever they are.
    fn cut(&mut self, dots: &[Dot]);

    /// Removes the pieces of `replaced`, in ascending order, where the edit points to, and puts a piece there if `dot` is given.
    fn put(&mut self, edit: &Self::Edit, dot: Option<&Dot>, replaced: &[Dot]);

    /// Keeps a piece that both have, or that one has and the other has not seen.
    fn join(&mut self, seen: &Context, other: &Self, other_seen: &Context);

    /// The dots of all pieces.
    fn all_dots(&self) -> Vec<Dot> {
        let mut dots = Vec::new();
        self.dots(&mut |dot| dots.push(dot.clone()));
        dots
    }
}

/// A [`DotStore`] with all that was seen: a replica's whole state. Reads go to the store, changes through
/// [`Causal::change`].
///
/// ```
/// use dsys_crdt::Agent;
/// use dsys_crdt::types::{AddWinsSet, Causal, Merge};
///
/// let (anna, ben) = (Agent::new("anna")?, Agent::new("ben")?);
/// let mut here: Causal<AddWinsSet<&str>> = Causal::default();
/// here.change(&anna, |tags| tags.add("urgent"))?;
/// let mut there = here.clone();
/// here.change(&anna, |tags| tags.remove(&"urgent"))?;
/// there.change(&ben, |tags| tags.add("urgent"))?;
/// here.merge(&there);
/// assert!(here.contains(&"urgent"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Causal<S> {
    pub(super) store: S,
    pub(super) seen: Context,
}

/// A change that is thought out, but has no dot yet; made by the stores' methods, taken by [`Causal::change`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change does nothing before it is given to Causal::change"]
pub struct Prepared<E> {
    /// The pieces that it replaces or removes.
    pub replaces: Vec<Dot>,
    /// Where; everywhere if there is nothing.
    pub edit: Option<E>,
    /// Whether it leaves a piece of its own, or only removes.
    pub leaves: bool,
}

/// A change as it travels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DotOp<E> {
    /// Its name.
    pub dot: Dot,
    /// The pieces that it replaces or removes: those that its author saw.
    pub replaces: Vec<Dot>,
    /// Where; everywhere if there is nothing.
    pub edit: Option<E>,
    /// Whether it leaves a piece of its own, or only removes.
    pub leaves: bool,
}

impl<S: DotStore> Causal<S> {
    /// Makes a change as `agent`: `prepare` is shown the store and gives the change, or nothing if there is none to make.
    ///
    /// # Errors
    /// If the agent has used up its dots, 2⁶⁴ - 1 of them; an honest one never does.
    pub fn change(
        &mut self,
        agent: &Agent,
        prepare: impl FnOnce(&S) -> Option<Prepared<S::Edit>>,
    ) -> Result<Option<DotOp<S::Edit>>, Full> {
        let Some(Prepared { replaces, edit, leaves }) = prepare(&self.store) else { return Ok(None) };
        let dot = self.seen.next(agent).ok_or(Full)?;
        let op = DotOp { dot, replaces, edit, leaves };
        self.apply(&op);
        Ok(Some(op))
    }

    /// Removes everything that is there, and nothing that is added concurrently.
    ///
    /// # Errors
    /// As [`Causal::change`].
    pub fn clear(&mut self, agent: &Agent) -> Result<Option<DotOp<S::Edit>>, Full> {
        self.change(agent, |store| {
            let replaces = store.all_dots();
            (!replaces.is_empty()).then_some(Prepared { replaces, edit: None, leaves: false })
        })
    }

    /// All changes that were ever seen.
    pub fn seen(&self) -> &Context {
        &self.seen
    }
}

impl<S> Deref for Causal<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.store
    }
}

impl<S: DotStore> Merge for Causal<S> {
    /// O(both states): for single changes, [`Replicated::apply`] costs O(log n).
    fn merge(&mut self, other: &Self) {
        if self.seen.is_empty() {
            // Who has seen nothing has nothing.
            return self.clone_from(other);
        }
        self.store.join(&self.seen, &other.store, &other.seen);
        self.seen.merge(&other.seen);
    }
}

impl<S: DotStore> Replicated for Causal<S> {
    type Op = DotOp<S::Edit>;

    fn apply(&mut self, op: &Self::Op) {
        // What was seen already may have been removed since; what it replaces is still to go.
        let fresh = op.leaves && !self.seen.contains(&op.dot);
        let mut replaced: Vec<Dot> = op.replaces.iter().filter(|dot| **dot != op.dot).cloned().collect();
        replaced.sort_unstable();
        match &op.edit {
            Some(edit) => self.store.put(edit, fresh.then_some(&op.dot), &replaced),
            None => self.store.cut(&replaced),
        }
        self.seen.insert(op.dot.clone());
        op.replaces.iter().for_each(|dot| self.seen.insert(dot.clone()));
    }

    fn delta(op: &Self::Op) -> Self {
        let mut delta: Self = Causal::default();
        delta.apply(op);
        delta
    }
}
