//! From a mix to what happens when.

use std::time::Duration;

use dsys_core::{NodeId, Time};

use super::{Fault, Mix};
use crate::churn::{scaled, times};
use crate::math::Dice;
use crate::{Change, Churn, Clock, Crash};

/// Every fault draws from a source of its own, so that taking one out leaves the others as they were.
pub(super) fn changes(seed: u64, mix: &Mix, nodes: &[NodeId]) -> Vec<(Time, Change)> {
    let mut plan = Vec::new();
    for fault in mix.faults() {
        let intensity = mix.intensity(fault);
        let seed = seed ^ (fault as u64 + 1).wrapping_mul(0x510e_527f_ade6_82d1);
        let churn = Churn { downtime: mix.lasting / 10, ..Churn::default() };
        let churn = match fault {
            Fault::Crash => Churn { crashes: intensity, ..churn },
            Fault::Power => Churn { crashes: intensity, crash: Crash::POWER, ..churn },
            Fault::Amnesia => Churn { crashes: intensity, crash: Crash::FIRE, ..churn },
            Fault::Join => Churn { joins: intensity, ..churn },
            Fault::Leave => Churn { leaves: intensity, ..churn },
            _ => churn,
        };
        plan.extend(churn.plan(seed, nodes, Time::ZERO, mix.lasting));
        let mut dice = Dice::new(seed);
        match fault {
            Fault::Cut | Fault::OneWayCut => {
                for at in times(intensity, mix.lasting, &mut dice) {
                    cut(Time::ZERO + at, fault == Fault::Cut, mix.lasting, nodes, &mut dice, &mut plan);
                }
            }
            Fault::Skew => {
                plan.extend(nodes.iter().map(|node| (Time::ZERO, skew(*node, intensity, &mut dice))))
            }
            _ => {}
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

/// Two random halves, apart for up to a quarter of the run.
fn cut(
    at: Time,
    both_ways: bool,
    run: Duration,
    nodes: &[NodeId],
    dice: &mut Dice,
    plan: &mut Vec<(Time, Change)>,
) {
    let (from, to): (Vec<_>, Vec<_>) = nodes.iter().partition(|_| dice.below(2) == 0);
    let lasting = scaled(run / 4, dice.unit());
    if both_ways {
        plan.push((at, Change::Cut { from: to.clone(), to: from.clone(), lasting }));
    }
    plan.push((at, Change::Cut { from, to, lasting }));
}

fn skew(node: NodeId, seconds: f64, dice: &mut Dice) -> Change {
    let offset = (seconds * (2.0 * dice.unit() - 1.0) * 1e9) as i64;
    let drift = (seconds * (2.0 * dice.unit() - 1.0) * 1e6) as i64;
    Change::Clock(node, Clock { offset, drift })
}
