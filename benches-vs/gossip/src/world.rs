//! The one driver: a thousand nodes that joined one after the other, links of 10 to 100 ms.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{Machine, NodeId, Rng};
use dsys_sim::measure::{Spread, Summary};
use dsys_sim::{Crash, Latency, Network};

use crate::contender::Contender;
use crate::heap::Weighed;

/// Broadcasts are so far apart.
const PACE: Duration = Duration::from_secs(3);

pub struct World<C: Contender> {
    network: Network<Weighed<C::Node>>,
    /// Those that live.
    pub ids: Vec<NodeId>,
    rng: Rng,
    number: u32,
}

/// What became of a number of broadcasts.
#[derive(Default)]
pub struct Course {
    reliability: Summary,
    redundancy: Summary,
    last: Summary,
}

impl Course {
    pub fn reliability(&self) -> f64 {
        self.reliability.mean().unwrap_or(f64::NAN)
    }

    pub fn redundancy(&self) -> f64 {
        self.redundancy.mean().unwrap_or(f64::NAN)
    }

    /// Seconds.
    pub fn t_last(&self) -> f64 {
        self.last.mean().unwrap_or(f64::NAN)
    }
}

impl<C: Contender> World<C> {
    /// Each joins by a random earlier one, 20 ms after the one before; then a minute passes.
    pub fn joined(nodes: u32, seed: u64) -> Self {
        let latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(100)).per_link();
        let config = dsys_sim::Config { latency, hash_trace: false, ..dsys_sim::Config::new(seed) };
        let mut network: Network<Weighed<C::Node>> = Network::new(config);
        network.set_size(C::size as fn(&<C::Node as Machine>::Message) -> usize);
        let mut rng = Rng::from_seed(seed);
        let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
        for (at, id) in ids.iter().enumerate() {
            let own = seed.wrapping_mul(1_000_003) + at as u64;
            network.add(Weighed::new(|| C::node(*id, own))).expect("each is added once");
            network.command(*id, C::join(rng.choose(&ids[..at]).copied()));
            network.run_for(Duration::from_millis(20));
        }
        network.run_for(Duration::from_secs(60));
        network.take_events();
        World { network, ids, rng, number: 0 }
    }

    /// Bytes that a node holds, the mean.
    pub fn heap(&self) -> f64 {
        let all: isize = self.network.machines().map(|(_, node)| node.bytes).sum();
        all as f64 / self.ids.len() as f64
    }

    pub fn rest(&mut self, seconds: u64) {
        self.network.run_for(Duration::from_secs(seconds));
        self.network.take_events();
    }

    /// So many in a hundred die at once.
    pub fn kill(&mut self, percent: usize) {
        self.rng.shuffle(&mut self.ids);
        for id in self.ids.split_off(self.ids.len() * (100 - percent) / 100) {
            self.network.crash(id, Crash::PROCESS);
        }
    }

    fn payloads(&self) -> u64 {
        self.network.machines().map(|(_, node)| C::payloads(&node.machine)).sum()
    }

    pub fn broadcasts(&mut self, count: u32, sender: impl Fn(&mut Rng, &[NodeId]) -> NodeId) -> Course {
        let mut course = Course::default();
        for _ in 0..count {
            self.number += 1;
            let (number, sender) = (self.number, sender(&mut self.rng, &self.ids));
            let (before, start) = (self.payloads(), self.network.now());
            let mut spread = Spread::new(self.ids.len(), start);
            // Not everybody hears itself.
            spread.heard(start, 0);
            let heard = Rc::new(RefCell::new((spread, BTreeSet::from([sender]))));
            let observed = heard.clone();
            self.network.set_observer(move |at, node, event| {
                if C::heard(event) == Some(number) {
                    let (spread, known) = &mut *observed.borrow_mut();
                    if known.insert(node) {
                        spread.heard(at, 0);
                    }
                }
            });
            self.network.command(sender, C::broadcast(number));
            self.network.run_for(PACE);
            self.network.take_events();
            let (spread, _) = &*heard.borrow();
            course.reliability.add(1.0 - spread.residue());
            spread
                .redundancy(self.payloads() - before)
                .into_iter()
                .for_each(|part| course.redundancy.add(part));
            spread.t_last().into_iter().for_each(|time| course.last.add(time));
        }
        course
    }
}
