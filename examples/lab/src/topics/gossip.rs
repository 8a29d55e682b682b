//! The protocols of `dsys-gossip` against the tables of their papers.

mod broadcast;
mod membership;
mod reconcile;
mod rumor;
mod slow;
mod spread;

use super::Topic;
use crate::args::Args;
use crate::report::Report;

pub(super) const TOPIC: Topic = Topic {
    name: "gossip",
    about: "epidemics against Demers et al. 1987, tables 1 to 3; flooding, trees, topics whose nodes die; SWIM; reconciliation",
    run,
};

fn run(args: &Args, report: &mut Report) {
    rumor::run(args, report);
    broadcast::run(args, report);
    spread::run(args, report);
    membership::run(args, report);
    reconcile::run(args, report);
}
