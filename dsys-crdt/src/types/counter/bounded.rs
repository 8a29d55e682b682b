//! The counter that never falls below zero.

use std::collections::BTreeMap;

use super::{GCounter, Total};
use crate::Agent;
use crate::types::{Full, Merge, Replicated};

/// A counter that is never below zero, though nobody is asked before a decrement: an agent may only take what it has
/// *rights* for (Balegas et al., "Extending Eventually Consistent Cloud Databases for Enforcing Numeric Invariants", SRDS
/// 2015, §III). An increment gives its author as many rights; rights can be transferred.
///
/// A stock, a budget, seats in a train. Another lower bound is an offset; an upper bound is a counter of what is left.
///
/// ```
/// use dsys_crdt::Agent;
/// use dsys_crdt::types::{BoundedCounter, Replicated, RightsError};
///
/// let (anna, ben) = (Agent::new("anna")?, Agent::new("ben")?);
/// let (mut here, mut there) = (BoundedCounter::default(), BoundedCounter::default());
/// let stock = here.increment(&anna, 10)?;
/// there.apply(&stock);
/// assert_eq!(there.decrement(&ben, 1), Err(RightsError::Lacking { has: 0 }));
/// there.apply(&here.transfer(&anna, &ben, 4)?);
/// there.decrement(&ben, 4)?;
/// here.decrement(&anna, 6)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// That holds among agents who count honestly: one who takes more than it has, or who takes as somebody else, makes the
/// value negative.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BoundedCounter {
    /// Rights created, on the diagonal, and transferred from one to another: the paper's R. None is 0.
    pub(in crate::types) rights: BTreeMap<(Agent, Agent), u64>,
    /// Rights used: the paper's U.
    pub(in crate::types) used: GCounter,
}

/// What an agent has done to a [`BoundedCounter`], all of the kind together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BoundedOp {
    /// It has passed so many rights to another; those to itself are its increments.
    Gave {
        /// The agent.
        from: Agent,
        /// The other.
        to: Agent,
        /// How many.
        total: u64,
    },
    /// It has used so many, by decrements.
    Used(Total),
}

/// Why rights were not used or passed on. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RightsError {
    /// The agent has fewer than are needed.
    #[error("this agent has rights for {has} only: let another transfer some, or wait for an increment")]
    Lacking {
        /// How many it has; a liar's may be negative.
        has: i128,
    },
    /// A total has reached its end.
    #[error(transparent)]
    Full(#[from] Full),
}

impl BoundedCounter {
    /// Adds `by`, and as many rights of `agent`.
    ///
    /// # Errors
    /// If the agent's increments would pass 2⁶⁴ - 1.
    pub fn increment(&mut self, agent: &Agent, by: u64) -> Result<BoundedOp, Full> {
        self.give(agent, agent, by)
    }

    /// Takes `by` away, and as many rights of `agent`.
    ///
    /// # Errors
    /// If the agent has too few rights.
    pub fn decrement(&mut self, agent: &Agent, by: u64) -> Result<BoundedOp, RightsError> {
        self.need(agent, by)?;
        Ok(BoundedOp::Used(self.used.increment(agent, by)?))
    }

    /// Passes rights of `from` to another agent, who can use them once it hears of it.
    ///
    /// # Errors
    /// If `from` has too few rights. To oneself there is nothing to pass.
    pub fn transfer(&mut self, from: &Agent, to: &Agent, amount: u64) -> Result<BoundedOp, RightsError> {
        self.need(from, amount)?;
        let amount = if from == to { 0 } else { amount };
        Ok(self.give(from, to, amount)?)
    }

    /// The value: never negative among honest agents.
    pub fn value(&self) -> i128 {
        let created = self.rights.iter().filter(|((from, to), _)| from == to);
        created.map(|(_, &total)| i128::from(total)).sum::<i128>() - self.used.value() as i128
    }

    /// How much `agent` can take or pass on at once, as far as is known here (the paper's `localRights`).
    pub fn rights(&self, agent: &Agent) -> i128 {
        let passed = self.rights.iter().map(|((from, to), &total)| match (from == agent, to == agent) {
            (_, true) => i128::from(total),
            (true, false) => -i128::from(total),
            (false, false) => 0,
        });
        passed.sum::<i128>() - i128::from(self.used.of(agent))
    }

    fn need(&self, agent: &Agent, amount: u64) -> Result<(), RightsError> {
        let has = self.rights(agent);
        if has < i128::from(amount) { Err(RightsError::Lacking { has }) } else { Ok(()) }
    }

    fn give(&mut self, from: &Agent, to: &Agent, amount: u64) -> Result<BoundedOp, Full> {
        let known = self.rights.get(&(from.clone(), to.clone())).copied().unwrap_or(0);
        let total = known.checked_add(amount).ok_or(Full)?;
        let op = BoundedOp::Gave { from: from.clone(), to: to.clone(), total };
        self.apply(&op);
        Ok(op)
    }
}

impl Merge for BoundedCounter {
    fn merge(&mut self, other: &Self) {
        for (pair, &total) in &other.rights {
            let ours = self.rights.entry(pair.clone()).or_default();
            *ours = total.max(*ours);
        }
        self.used.merge(&other.used);
    }
}

impl Replicated for BoundedCounter {
    type Op = BoundedOp;

    fn apply(&mut self, op: &BoundedOp) {
        match op {
            BoundedOp::Gave { total: 0, .. } => {}
            BoundedOp::Gave { from, to, total } => {
                let ours = self.rights.entry((from.clone(), to.clone())).or_default();
                *ours = (*total).max(*ours);
            }
            BoundedOp::Used(total) => self.used.apply(total),
        }
    }

    fn delta(op: &BoundedOp) -> Self {
        let mut delta = BoundedCounter::default();
        delta.apply(op);
        delta
    }
}
