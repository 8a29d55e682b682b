//! The counter that goes up and down.

use super::{GCounter, Total};
use crate::Agent;
use crate::types::{Full, Merge, Replicated};

/// A counter that goes up and down: one that only grows for each direction (INRIA 7506, §3.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PnCounter {
    up: GCounter,
    down: GCounter,
}

/// How far an agent has counted up, or how far down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Totals {
    /// Up.
    Up(Total),
    /// Down.
    Down(Total),
}

impl PnCounter {
    /// Adds `by`, which may be negative, as `agent`.
    ///
    /// # Errors
    /// If the agent's total in that direction would pass 2⁶⁴ - 1.
    pub fn add(&mut self, agent: &Agent, by: i64) -> Result<Totals, Full> {
        if by < 0 {
            self.down.increment(agent, by.unsigned_abs()).map(Totals::Down)
        } else {
            self.up.increment(agent, by.unsigned_abs()).map(Totals::Up)
        }
    }

    /// What was counted up less what was counted down.
    pub fn value(&self) -> i128 {
        // Each is the sum of numbers below 2⁶⁴, one for each agent in memory.
        self.up.value() as i128 - self.down.value() as i128
    }
}

impl Merge for PnCounter {
    fn merge(&mut self, other: &Self) {
        self.up.merge(&other.up);
        self.down.merge(&other.down);
    }
}

impl Replicated for PnCounter {
    type Op = Totals;

    fn apply(&mut self, op: &Totals) {
        match op {
            Totals::Up(total) => self.up.apply(total),
            Totals::Down(total) => self.down.apply(total),
        }
    }

    fn delta(op: &Totals) -> Self {
        let mut delta = PnCounter::default();
        delta.apply(op);
        delta
    }
}
