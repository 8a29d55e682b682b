//! The topics. A new one is a file beside `sim.rs` with a `TOPIC`, and a line in `ALL`.

mod crdt;
pub(crate) mod dht;
mod gossip;
mod rumor;
pub(crate) mod sim;

use crate::args::Args;
use crate::report::Report;

/// Something to measure or to try.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Args, &mut Report),
}

pub(crate) const ALL: &[Topic] = &[crdt::TOPIC, dht::TOPIC, gossip::TOPIC, rumor::TOPIC, sim::TOPIC];
