//! The protocols of `dsys-gossip` against the tables of their papers.

mod broadcast;
mod rumor;
mod spread;

use super::Topic;
use crate::args::Args;
use crate::report::Report;

pub(super) const TOPIC: Topic = Topic {
    name: "gossip",
    about: "epidemics against Demers et al. 1987, tables 1 to 3; flooding, trees, and topics whose nodes die",
    run,
};

fn run(args: &Args, report: &mut Report) {
    rumor::run(args, report);
    broadcast::run(args, report);
    spread::run(args, report);
}
