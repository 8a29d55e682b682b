//! Nodes that come and go, by rates.

use std::time::Duration;

use dsys_core::{NodeId, Time};

use crate::latency::nanos;
use crate::math::Dice;
use crate::{Change, Crash};

/// How often nodes come and go. Each kind is a Poisson process of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Churn {
    /// Nodes joining, per second, in the whole network.
    pub joins: f64,
    /// Nodes leaving for good, per second, in the whole network.
    pub leaves: f64,
    /// Nodes crashing, per second, in the whole network.
    pub crashes: f64,
    /// How they crash.
    pub crash: Crash,
    /// Mean time until a crashed node starts again, exponentially distributed.
    pub downtime: Duration,
}

impl Default for Churn {
    /// Nothing happens; if something did, processes would die for ten seconds.
    fn default() -> Self {
        Churn {
            joins: 0.0,
            leaves: 0.0,
            crashes: 0.0,
            crash: Crash::PROCESS,
            downtime: Duration::from_secs(10),
        }
    }
}

impl Churn {
    /// A plan for these nodes, from `start` for `lasting`, in the order of time. The same seed gives the same plan.
    ///
    /// Who leaves or crashes is drawn among `nodes`, not among those that join later. A node drawn twice is harmless:
    /// crashing what is down, or restarting what is up or left, does nothing.
    pub fn plan(&self, seed: u64, nodes: &[NodeId], start: Time, lasting: Duration) -> Vec<(Time, Change)> {
        let mut dice = Dice::new(seed ^ 0x3c6e_f372_fe94_f82b);
        let mut plan = Vec::new();
        for at in times(self.joins, lasting, &mut dice) {
            plan.push((start + at, Change::Join));
        }
        for at in times(self.leaves, lasting, &mut dice) {
            plan.extend(pick(nodes, &mut dice).map(|node| (start + at, Change::Leave(node))));
        }
        for at in times(self.crashes, lasting, &mut dice) {
            let down = scaled(self.downtime, dice.exponential());
            if let Some(node) = pick(nodes, &mut dice) {
                plan.push((start + at, Change::Crash(node, self.crash)));
                plan.push((start + at + down, Change::Restart(node)));
            }
        }
        plan.sort_by_key(|(at, _)| *at);
        plan
    }
}

/// The times of a Poisson process with this rate per second, at most a million.
pub(crate) fn times(rate: f64, lasting: Duration, dice: &mut Dice) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut at = Duration::ZERO;
    while rate > 0.0 && times.len() < 1_000_000 {
        at = at.saturating_add(scaled(Duration::from_secs(1), dice.exponential() / rate));
        if at >= lasting {
            break;
        }
        times.push(at);
    }
    times
}

pub(crate) fn pick(nodes: &[NodeId], dice: &mut Dice) -> Option<NodeId> {
    nodes.get(dice.below(nodes.len() as u64) as usize).copied()
}

/// `time` times `factor`, saturating.
pub(crate) fn scaled(time: Duration, factor: f64) -> Duration {
    Duration::from_nanos((nanos(time) as f64 * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_its_rates() {
        let nodes: Vec<NodeId> = (0..10).map(NodeId::from_number).collect();
        let churn = Churn { joins: 2.0, leaves: 0.5, crashes: 1.0, ..Churn::default() };
        let plan = churn.plan(1, &nodes, Time::ZERO, Duration::from_secs(1_000));
        assert_eq!(plan, churn.plan(1, &nodes, Time::ZERO, Duration::from_secs(1_000)));
        assert_ne!(plan, churn.plan(2, &nodes, Time::ZERO, Duration::from_secs(1_000)));
        assert!(plan.is_sorted_by_key(|(at, _)| *at));
        let count = |kind: fn(&Change) -> bool| plan.iter().filter(|(_, change)| kind(change)).count();
        let joins = count(|change| matches!(change, Change::Join));
        let leaves = count(|change| matches!(change, Change::Leave(_)));
        let crashes = count(|change| matches!(change, Change::Crash(..)));
        // Four deviations of a Poisson count.
        assert!(joins.abs_diff(2_000) < 180 && leaves.abs_diff(500) < 90 && crashes.abs_diff(1_000) < 127);
        assert_eq!(count(|change| matches!(change, Change::Restart(_))), crashes);
        let none = Churn::default().plan(1, &nodes, Time::ZERO, Duration::from_secs(1_000));
        assert!(none.is_empty());
    }
}
