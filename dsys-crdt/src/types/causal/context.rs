//! Names of changes, and sets of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::Agent;
use crate::types::Merge;

/// The name of one change: its author, and its number among the author's, from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dot {
    /// Who made the change.
    pub agent: Agent,
    /// Its number among the author's changes.
    pub seq: u64,
}

impl Dot {
    /// The change number `seq` of an agent.
    pub fn new(agent: Agent, seq: u64) -> Dot {
        Dot { agent, seq }
    }
}

/// A set of changes, the *causal context*: a count per agent for those without a gap, and single dots for the rest
/// (Almeida et al. 2018, §7.2). The same set always has the same form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Context {
    /// So many of each agent's changes from the first on; none is 0.
    pub(in crate::types) counts: BTreeMap<Agent, u64>,
    /// Changes behind a gap.
    pub(in crate::types) apart: BTreeSet<Dot>,
}

impl Context {
    /// Whether a change is in the set.
    pub fn contains(&self, dot: &Dot) -> bool {
        self.count(&dot.agent) > dot.seq || self.apart.contains(dot)
    }

    /// Adds a change.
    pub fn insert(&mut self, dot: Dot) {
        let count = self.count(&dot.agent);
        if dot.seq == count && dot.seq < u64::MAX {
            let agent = dot.agent;
            self.counts.insert(agent.clone(), count + 1);
            self.close_gaps(&agent);
        } else if dot.seq >= count {
            self.apart.insert(dot);
        }
    }

    /// The first change of an agent behind all that are in the set; none when the numbers are used up.
    pub fn next(&self, agent: &Agent) -> Option<Dot> {
        let behind = self.apart.range(..=Dot::new(agent.clone(), u64::MAX)).next_back();
        let behind = match behind.filter(|dot| dot.agent == *agent) {
            Some(last) => last.seq.checked_add(1)?,
            None => self.count(agent),
        };
        (behind < u64::MAX).then(|| Dot::new(agent.clone(), behind))
    }

    /// How many changes of an agent are in the set before the first gap.
    pub fn count(&self, agent: &Agent) -> u64 {
        self.counts.get(agent).copied().unwrap_or(0)
    }

    /// The agents with the number of their changes before the first gap.
    pub fn iter(&self) -> impl Iterator<Item = (&Agent, u64)> {
        self.counts.iter().map(|(agent, &count)| (agent, count))
    }

    /// The changes behind a gap.
    pub fn apart(&self) -> impl Iterator<Item = &Dot> {
        self.apart.iter()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.apart.is_empty()
    }

    fn close_gaps(&mut self, agent: &Agent) {
        let mut count = self.count(agent);
        let first = Dot::new(agent.clone(), 0);
        while let Some(dot) = self.apart.range(&first..).next().filter(|dot| dot.agent == *agent) {
            if dot.seq > count || dot.seq == u64::MAX {
                break;
            }
            count = count.max(dot.seq + 1);
            let dot = dot.clone();
            self.apart.remove(&dot);
        }
        if count > 0 {
            self.counts.insert(agent.clone(), count);
        }
    }
}

impl Merge for Context {
    fn merge(&mut self, other: &Self) {
        for (agent, &count) in &other.counts {
            if self.count(agent) < count {
                self.counts.insert(agent.clone(), count);
                self.close_gaps(agent);
            }
        }
        other.apart.iter().for_each(|dot| self.insert(dot.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_one_form_whatever_the_order() {
        let dot = |seq| Dot::new(Agent::new("a").unwrap(), seq);
        let mut set = Context::default();
        for seq in [3, 1, u64::MAX, 0] {
            set.insert(dot(seq));
        }
        assert_eq!((set.count(&dot(0).agent), set.apart().count()), (2, 2));
        assert_eq!(set.next(&dot(0).agent), None, "used up by a liar");
        set.insert(dot(2));
        assert_eq!((set.count(&dot(0).agent), set.apart().count()), (4, 1));
        let mut other = Context::default();
        (0..6).for_each(|seq| other.insert(dot(seq)));
        let mut merged = set.clone();
        merged.merge(&other);
        other.merge(&set);
        assert_eq!(merged, other);
        assert!(merged.contains(&dot(5)) && merged.contains(&dot(u64::MAX)) && !merged.contains(&dot(6)));
    }

    #[test]
    fn the_end_of_the_numbers_is_no_overflow() {
        let agent = Agent::new("a").unwrap();
        let mut set = Context { counts: [(agent.clone(), u64::MAX)].into(), apart: BTreeSet::new() };
        assert_eq!(set.next(&agent), None);
        set.insert(Dot::new(agent.clone(), u64::MAX));
        set.insert(Dot::new(agent.clone(), u64::MAX - 1));
        assert_eq!((set.count(&agent), set.apart().count()), (u64::MAX, 1));
    }
}
