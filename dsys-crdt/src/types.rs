//! The basic types: counters, registers, sets and maps that merge. Pure values, no I/O; with the feature `serde` they and
//! their operations can be sent and stored.
//!
//! ```
//! use dsys_crdt::Agent;
//! use dsys_crdt::types::{GCounter, Merge, Replicated};
//!
//! let (anna, ben) = (Agent::new("anna")?, Agent::new("ben")?);
//! let (mut here, mut there) = (GCounter::default(), GCounter::default());
//! let op = here.increment(&anna, 2)?;
//! there.increment(&ben, 3)?;
//!
//! there.merge(&here);                  // state-based: send everything, as often as you like
//! there.apply(&op);                    // operation-based: send what happened
//! there.merge(&GCounter::delta(&op));  // delta-state: send the part of the state that is new
//! assert_eq!(there.value(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | concept | types |
//! |---|---|
//! | counters | [`GCounter`], [`PnCounter`], [`BoundedCounter`], [`CausalCounter`] |
//! | registers | [`LwwRegister`], [`MvRegister`] |
//! | sets | [`GSet`], [`TwoPhaseSet`], [`AddWinsSet`], [`RemoveWinsSet`] |
//! | maps | [`OrMap`] of any of the causal types |
//! | trees | [`Tree`], whose nodes move |
//!
//! [`CausalCounter`], [`MvRegister`], [`AddWinsSet`], [`RemoveWinsSet`] and [`OrMap`] are *stores*: they live in a
//! [`Causal`], which knows all that was ever seen, and nest in one another. The others stand alone.
//!
//! All types keep more than the definition asks: operations may come in any order and more than once, and still the
//! states converge; in causal order ([`Delivery`]) no effect is seen before its cause. Whoever writes a type can put it
//! to the same tests: [`laws`](crate::laws).
//!
//! What no type here can do is notice a liar: a replica that gives one [`Dot`] to two operations, or counts for another
//! agent. States stay within bounds, and those that were merged as states agree, but what they say is the liar's.

mod causal;
mod counter;
mod delivery;
mod map;
mod register;
#[cfg(feature = "serde")]
mod serial;
mod set;
mod store;
mod tree;

use store::store;

pub use causal::{Causal, Context, Dot, DotFun, DotMap, DotOp, DotStore, MapEdit, Prepared};
pub use counter::{
    BoundedCounter, BoundedOp, CausalCounter, GCounter, PnCounter, RightsError, Total, Totals,
};
pub use delivery::{Delivery, DeliveryConfig, Envelope, NotTaken};
pub use map::OrMap;
pub use register::{FarFuture, LwwRegister, MvRegister, Stamp};
pub use set::{AddWinsSet, GSet, RemoveWinsSet, TwoPhaseOp, TwoPhaseSet};
pub use tree::{Move, Position, Spot, Tree, TreeError, TreeId};

/// A state that merges: a join semilattice (Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free Replicated Data Types",
/// SSS 2011, §2.2).
pub trait Merge {
    /// Takes in all that `other` knows: the least upper bound of both. Commutative, associative and idempotent, so that
    /// states may be lost, repeated and overtaken.
    fn merge(&mut self, other: &Self);
}

/// A state whose changes also travel as operations and as deltas.
///
/// `apply(op)` and `merge(&delta(op))` have one result, at a replica that has seen all that the operation's author had.
pub trait Replicated: Merge + Sized {
    /// What a change sends.
    type Op;

    /// Takes a change in, in causal order (op-based, Shapiro et al. §2.3). Known ones change nothing.
    fn apply(&mut self, op: &Self::Op);

    /// The least state that contains the change (delta-state: Almeida, Shoker, Baquero, "Delta State Replicated Data
    /// Types", JPDC 2018, §4). Deltas are merged with each other or with states.
    fn delta(op: &Self::Op) -> Self;
}

/// A number has reached its end. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this agent's numbers are used up here: go on under another agent")]
pub struct Full;
