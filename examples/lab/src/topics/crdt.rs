//! The campaigns of `dsys-crdt`: replicas that lose touch, and end with the same bytes.

mod documents;
mod histories;
mod partition;
mod replica;
mod texts;
mod types;

// The random changes, the node and the plain definition of the crate's own tests.
#[allow(clippy::unwrap_used)]
#[path = "../../../../dsys-crdt/tests/types/acts.rs"]
mod acts;
#[allow(dead_code, clippy::indexing_slicing, clippy::unwrap_used)]
#[path = "../../../../dsys-crdt/tests/sync/replica.rs"]
mod node;
#[allow(dead_code, clippy::indexing_slicing, clippy::unwrap_used)]
#[path = "../../../../dsys-crdt/src/tests/plain.rs"]
mod plain;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dsys_core::Machine;
use dsys_sim::swarm::Campaign;

use super::Topic;
use crate::args::Args;
use crate::machine;
use crate::report::{Allowed, Report, progress};
use replica::Data;

pub(super) const TOPIC: Topic = Topic {
    name: "crdt",
    about: "texts, lists, marks, types and signed documents: random histories under all faults end byte-identical; partitions",
    run,
};

fn run(args: &Args, report: &mut Report) {
    histories::run(args, report);
    texts::run(args, report);
    types::run(args, report);
    documents::run(args, report);
    partition::run(args, report);
}

/// How many seeds a campaign has: of 10,000, if it is one of so many that share them.
fn seeds(args: &Args, share: u64) -> u64 {
    args.seeds.unwrap_or(if args.smoke { 50 } else { 10_000_u64.div_ceil(share) })
}

/// Runs a campaign and writes its rows. The first seed that fails ends it, shrunk, on standard error.
fn campaign<M>(name: &str, campaign: &Campaign<M>, seeds: u64, report: &mut Report)
where
    M: Machine<Message: Clone> + 'static,
{
    let (bar, started) = (progress(seeds), machine::cpu());
    let (mut inputs, mut passed, mut recoveries) = (0, 0, Vec::new());
    for seed in 0..seeds {
        let Ok(run) = campaign.check(seed, &campaign.mix(seed)) else {
            if let Err(failure) = campaign.run(seed..seed + 1) {
                bar.suspend(|| eprintln!("{name}: {failure}"));
            }
            break;
        };
        (inputs, passed) = (inputs + run.inputs, passed + 1);
        recoveries.push(run.recovery.as_secs_f64());
        bar.inc(1);
    }
    bar.finish_and_clear();
    let goal = Allowed::AtLeast(seeds as f64);
    report.row(format!("{name}: seeds that agree"), "-", Some(passed as f64), goal, whole);
    let mut told = |what: &str, value, show| {
        report.row(format!("{name}: {what}"), "-", value, Allowed::Anything, show);
    };
    told("inputs", Some(inputs as f64), whole);
    let recovery = dsys_sim::measure::percentile(&recoveries, 0.95);
    told("healed in, p95", recovery, |seconds| format!("{seconds:.2} s"));
    told("CPU", Some(since(started)), cpu);
}

/// The same for replicas of anything that merges.
fn replicas<D: Data>(name: &str, seeds: u64, report: &mut Report) {
    let filled = Rc::new(Cell::new(0));
    campaign(name, &replica::campaign::<D>(filled.clone()), seeds, report);
    let most = Allowed::AtLeast((seeds as f64 * 0.75).floor());
    report.row(format!("{name}: seeds with content"), "-", Some(filled.get() as f64), most, whole);
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn cpu(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

fn since(started: Duration) -> f64 {
    (machine::cpu() - started).as_secs_f64()
}
