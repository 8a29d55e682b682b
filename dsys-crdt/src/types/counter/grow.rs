//! The counter that only grows.

use std::collections::BTreeMap;

use crate::Agent;
use crate::types::{Full, Merge, Replicated};

/// A counter that only grows: each agent counts for itself (Shapiro et al., "A comprehensive study of Convergent and
/// Commutative Replicated Data Types", INRIA 7506, 2011, §3.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GCounter(
    /// None is 0.
    pub(in crate::types) BTreeMap<Agent, u64>,
);

/// An agent has counted to `total`, all its increments together: so operations may be lost before a later one, repeated
/// and overtaken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Total {
    /// Who counts.
    pub agent: Agent,
    /// How far.
    pub total: u64,
}

impl GCounter {
    /// Counts `by` more, as `agent`. One agent must not count at two places at once.
    ///
    /// # Errors
    /// If the agent's total would pass 2⁶⁴ - 1.
    pub fn increment(&mut self, agent: &Agent, by: u64) -> Result<Total, Full> {
        let total = self.of(agent).checked_add(by).ok_or(Full)?;
        let op = Total { agent: agent.clone(), total };
        self.apply(&op);
        Ok(op)
    }

    /// The sum of all agents' counts.
    pub fn value(&self) -> u128 {
        self.0.values().map(|&total| u128::from(total)).sum()
    }

    /// What one agent has counted.
    pub fn of(&self, agent: &Agent) -> u64 {
        self.0.get(agent).copied().unwrap_or(0)
    }

    /// The agents that have counted, with their totals.
    pub fn iter(&self) -> impl Iterator<Item = (&Agent, u64)> {
        self.0.iter().map(|(agent, &total)| (agent, total))
    }
}

impl Merge for GCounter {
    fn merge(&mut self, other: &Self) {
        for (agent, &total) in &other.0 {
            let ours = self.0.entry(agent.clone()).or_default();
            *ours = total.max(*ours);
        }
    }
}

impl Replicated for GCounter {
    type Op = Total;

    fn apply(&mut self, op: &Total) {
        if op.total > self.of(&op.agent) {
            self.0.insert(op.agent.clone(), op.total);
        }
    }

    fn delta(op: &Total) -> Self {
        let mut delta = GCounter::default();
        delta.apply(op);
        delta
    }
}
