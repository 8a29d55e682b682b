//! The laws that types which merge obey, as tests for types of your own.
//!
//! ```
//! use dsys_crdt::{laws, types::GCounter};
//!
//! laws::histories::<GCounter>(0..200, |counter, me, random| counter.increment(me, random.below(5)).ok())?;
//! # Ok::<(), laws::Broken>(())
//! ```
//!
//! A type without operations gives states of its own making to [`states`].

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Range;

use crate::Agent;
use crate::types::{Merge, Replicated};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// `a` merged with `b` is `b` merged with `a`.
    Commutative,
    /// It makes no difference which two of three are merged first.
    Associative,
    /// Merging what is known changes nothing.
    Idempotent,
    /// A change only adds to the state, in the order in which merging is the least upper bound.
    Monotone,
    /// Operations, applied in any causal order, some again later, give the state that merging gives.
    OpsAgree,
    /// Deltas, merged in any order, some twice, give the state that merging gives.
    DeltasAgree,
}

/// A law that does not hold, with an example.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{law:?} does not hold{}: {example}", seed.map(|seed| format!(" (seed {seed})")).unwrap_or_default())]
pub struct Broken {
    /// Which.
    pub law: Law,
    /// The seed of the history that shows it.
    pub seed: Option<u64>,
    /// The states that show it.
    pub example: String,
}

/// Random numbers for the changes of a history: the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number (SplitMix64: Steele, Lea, Flood 2014).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number().checked_rem(bound).unwrap_or(0)
    }

    /// One of some things, which must not be none.
    pub fn choose<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len() as u64) as usize).cloned()
    }
}

/// Checks the laws of merging on every pair and triple of states. Take few, of many kinds: they cost n³.
///
/// # Errors
/// The first law that is broken.
pub fn states<T: Merge + Clone + PartialEq + Debug>(samples: &[T]) -> Result<(), Broken> {
    let broken = |law, example: String| Err(Broken { law, seed: None, example });
    for a in samples {
        if merged(a, a) != *a {
            return broken(Law::Idempotent, format!("{a:?} merged with itself is {:?}", merged(a, a)));
        }
        for b in samples {
            let both = merged(a, b);
            if both != merged(b, a) {
                return broken(Law::Commutative, format!("{a:?} and {b:?}"));
            }
            if merged(a, &both) != both {
                return broken(Law::Idempotent, format!("{a:?} merged into {both:?}, which has it already"));
            }
            for c in samples {
                if merged(&both, c) != merged(a, &merged(b, c)) {
                    return broken(Law::Associative, format!("{a:?}, {b:?} and {c:?}"));
                }
            }
        }
    }
    Ok(())
}

/// Makes a random history for each seed, of two to four replicas that change and merge, and checks every law on it. `act`
/// makes one change at a replica, through the type's own methods, as the agent given, and gives the operation; or changes
/// nothing and gives none.
///
/// The first seeds are the shortest histories.
///
/// # Errors
/// The first law that is broken, with the seed.
pub fn histories<T>(
    seeds: Range<u64>,
    mut act: impl FnMut(&mut T, &Agent, &mut Random) -> Option<T::Op>,
) -> Result<(), Broken>
where
    T: Replicated + Default + Clone + PartialEq + Debug,
    T::Op: Debug,
{
    for seed in seeds {
        let steps = 2 + (seed / 8).min(22);
        history(&mut Random::new(seed), steps, &mut act)
            .map_err(|broken| Broken { seed: Some(seed), ..broken })?;
    }
    Ok(())
}

/// A change of a history.
struct Change<Op> {
    op: Op,
    after: BTreeSet<usize>,
}

fn history<T>(
    random: &mut Random,
    steps: u64,
    act: &mut impl FnMut(&mut T, &Agent, &mut Random) -> Option<T::Op>,
) -> Result<(), Broken>
where
    T: Replicated + Default + Clone + PartialEq + Debug,
    T::Op: Debug,
{
    let names = ["anna", "ben", "carla", "dora"].iter().filter_map(|name| Agent::new(name).ok());
    let count = 2 + random.below(3) as usize;
    let mut replicas: Vec<(Agent, T, BTreeSet<usize>)> =
        names.take(count).map(|name| (name, T::default(), BTreeSet::new())).collect();
    let mut changes = Vec::new();
    let mut samples = vec![T::default()];
    for _ in 0..steps {
        let (at, other) = (random.below(count as u64) as usize, random.below(count as u64) as usize);
        let Some((_, theirs, known)) = replicas.get(other).cloned() else { continue };
        let Some((agent, state, ours)) = replicas.get_mut(at) else { continue };
        if random.below(5) < 2 {
            state.merge(&theirs);
            ours.extend(known);
            continue;
        }
        let before = state.clone();
        if let Some(op) = act(state, agent, random) {
            check_change(&before, &op, state)?;
            let after = ours.clone();
            ours.insert(changes.len());
            samples.push(T::delta(&op));
            changes.push(Change { op, after });
        }
        samples.push(state.clone());
    }
    while samples.len() > 7 {
        samples.swap_remove(random.below(samples.len() as u64) as usize);
    }
    states(&samples)?;
    let all = replicas.iter().fold(T::default(), |all, (_, state, _)| merged(&all, state));
    for _ in 0..2 {
        check_ops(random, &changes, &all)?;
        check_deltas(random, &changes, &all)?;
    }
    Ok(())
}

/// At the replica that makes it, a change is its operation and its delta, and adds to the state.
fn check_change<T>(before: &T, op: &T::Op, after: &T) -> Result<(), Broken>
where
    T: Replicated + Clone + PartialEq + Debug,
    T::Op: Debug,
{
    let broken = |law, got: T| {
        let example = format!("{op:?} led from {before:?} to {after:?}, and by the law to {got:?}");
        Err(Broken { law, seed: None, example })
    };
    if merged(before, after) != *after {
        return broken(Law::Monotone, merged(before, after));
    }
    let mut applied = before.clone();
    applied.apply(op);
    if applied != *after {
        return broken(Law::OpsAgree, applied);
    }
    let joined = merged(before, &T::delta(op));
    if joined != *after { broken(Law::DeltasAgree, joined) } else { Ok(()) }
}

fn check_ops<T>(random: &mut Random, changes: &[Change<T::Op>], all: &T) -> Result<(), Broken>
where
    T: Replicated + Default + PartialEq + Debug,
    T::Op: Debug,
{
    let (mut state, mut done) = (T::default(), BTreeSet::new());
    let mut order = Vec::new();
    while done.len() < changes.len() {
        let due = changes
            .iter()
            .enumerate()
            .filter(|(at, change)| !done.contains(at) && change.after.is_subset(&done));
        let due: Vec<usize> = due.map(|(at, _)| at).collect();
        let Some(at) = random.choose(&due) else { break };
        let Some(Change { op, .. }) = changes.get(at) else { break };
        state.apply(op);
        done.insert(at);
        order.push(op);
        let again = order.get(random.below(4 * order.len() as u64) as usize).copied();
        if let Some(op) = again {
            state.apply(op);
            order.push(op);
        }
    }
    if state == *all {
        return Ok(());
    }
    let example = format!("{order:?} give {state:?}, and merging gives {all:?}");
    Err(Broken { law: Law::OpsAgree, seed: None, example })
}

fn check_deltas<T>(random: &mut Random, changes: &[Change<T::Op>], all: &T) -> Result<(), Broken>
where
    T: Replicated + Default + PartialEq + Debug,
    T::Op: Debug,
{
    let mut left: Vec<&T::Op> = changes.iter().map(|change| &change.op).collect();
    let (mut state, mut group) = (T::default(), T::default());
    let mut order = Vec::new();
    while !left.is_empty() {
        let at = random.below(left.len() as u64) as usize;
        let op = if random.below(4) == 0 { left.get(at).copied() } else { Some(left.swap_remove(at)) };
        let Some(op) = op else { break };
        order.push(op);
        group.merge(&T::delta(op));
        if random.below(2) == 0 {
            state.merge(&group);
            group = T::default();
        }
    }
    state.merge(&group);
    if state == *all {
        return Ok(());
    }
    let example = format!("the deltas of {order:?} give {state:?}, and merging states gives {all:?}");
    Err(Broken { law: Law::DeltasAgree, seed: None, example })
}

fn merged<T: Merge + Clone>(a: &T, b: &T) -> T {
    let mut merged = a.clone();
    merged.merge(b);
    merged
}
