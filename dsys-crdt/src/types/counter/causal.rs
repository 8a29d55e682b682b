//! The counter that can be a part of a map.

use crate::Agent;
use crate::types::causal::{Context, Dot, DotFun, DotStore, Prepared};
use crate::types::store;

store! {
    /// A counter that can be reset, and so be a value in a map (Almeida et al. 2018, §7.4, the causal counter).
    ///
    /// A reset removes what its author had seen. An agent's count is one number: where an agent counts while another resets,
    /// that agent's part comes back whole, with what was counted before the reset.
    CausalCounter<> [] = DotFun<i64>, edits: i64
}

impl CausalCounter {
    /// Adds `by`, which may be negative; nothing comes of 0, nor where the agent's part would leave the range of `i64`.
    ///
    /// `agent` must be the one that makes the change.
    pub fn add(&self, agent: &Agent, by: i64) -> Option<Prepared<i64>> {
        let ours = self.0.iter().filter(|(dot, _)| dot.agent == *agent);
        let (replaces, total) = ours.fold((Vec::new(), Some(0i64)), |(mut dots, sum), (dot, part)| {
            dots.push(dot.clone());
            (dots, sum.and_then(|sum| sum.checked_add(*part)))
        });
        let edit = total?.checked_add(by).filter(|_| by != 0)?;
        Some(Prepared { replaces, edit: Some(edit), leaves: true })
    }

    /// Sets what is known back to 0.
    pub fn reset(&self) -> Option<Prepared<i64>> {
        let replaces = self.all_dots();
        // With an edit there is a place; without a piece of its own it is not put there.
        (!replaces.is_empty()).then_some(Prepared { replaces, edit: Some(0), leaves: false })
    }

    /// The sum.
    pub fn value(&self) -> i128 {
        self.0.iter().map(|(_, &part)| i128::from(part)).sum()
    }
}
