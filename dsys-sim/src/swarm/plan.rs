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

/// Who lies, so many of the nodes.
pub(super) fn liars(seed: u64, mix: &Mix, nodes: &[NodeId]) -> Vec<NodeId> {
    let count = (mix.intensity(Fault::Liars) * nodes.len() as f64) as usize;
    let mut dice = Dice::new(seed ^ 0x1f83_d9ab_fb41_bd6b);
    let mut left = nodes.to_vec();
    (0..count).map(|_| left.swap_remove(dice.below(left.len() as u64) as usize)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_brings_its_own_changes_and_no_other() {
        let nodes: Vec<NodeId> = (0..6).map(NodeId::from_number).collect();
        let plan = |fault, intensity| {
            let mix = Mix::new(6, Duration::from_secs(100)).with(fault, intensity);
            changes(1, &mix, &nodes)
        };
        let cuts = |plan: &[(Time, Change)]| -> Vec<(Vec<NodeId>, Vec<NodeId>)> {
            let sides = plan.iter().map(|(_, change)| match change {
                Change::Cut { from, to, .. } => (from.clone(), to.clone()),
                other => panic!("{other:?}"),
            });
            sides.collect()
        };
        type Sides = (Vec<NodeId>, Vec<NodeId>);
        let mirrored =
            |cuts: &[Sides]| cuts.windows(2).filter(|p| p[0].0 == p[1].1 && p[0].1 == p[1].0).count();
        let (both, one) = (cuts(&plan(Fault::Cut, 0.5)), cuts(&plan(Fault::OneWayCut, 0.5)));
        assert!(both.len() > 40 && mirrored(&both) >= both.len() / 2, "{}", mirrored(&both));
        // Two in a row may mirror each other by chance, one pair in 64.
        assert!(one.len() > 20 && mirrored(&one) < 5, "{}", mirrored(&one));
        assert!(one.iter().all(|(from, to)| from.len() + to.len() == 6));

        let kinds = |fault, kind: fn(&Change) -> bool| {
            let plan = plan(fault, 0.5);
            assert!(!plan.is_empty() && plan.iter().all(|(_, change)| kind(change)), "{fault:?}");
        };
        kinds(Fault::Skew, |change| matches!(change, Change::Clock(_, clock) if *clock != Clock::default()));
        kinds(Fault::Join, |change| *change == Change::Join);
        kinds(Fault::Leave, |change| matches!(change, Change::Leave(_)));
        let restart = |change: &Change| matches!(change, Change::Restart(_));
        assert!(plan(Fault::Crash, 0.5).iter().any(|(_, change)| restart(change)));
        kinds(Fault::Crash, |change| matches!(change, Change::Crash(_, Crash::PROCESS) | Change::Restart(_)));
        kinds(Fault::Power, |change| matches!(change, Change::Crash(_, Crash::POWER) | Change::Restart(_)));
        kinds(Fault::Amnesia, |change| matches!(change, Change::Crash(_, Crash::FIRE) | Change::Restart(_)));
        assert!(plan(Fault::Loss, 0.5).is_empty());
    }
}
