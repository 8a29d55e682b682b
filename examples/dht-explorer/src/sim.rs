//! Simulated nodes.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::{Command, Event, Key, Overlay, QueryId};
use dsys_sim::{Config, Crash, Network};

use crate::args::Options;
use crate::world::Trace;

/// A network whose nodes are all in this thread, and whose time passes when it is told to.
pub(crate) struct Sim<O: Overlay> {
    network: Network<O>,
    settings: O,
    next: u32,
    query: u64,
}

impl<O: Overlay> std::fmt::Debug for Sim<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<O: Overlay<Message: Clone>> Sim<O> {
    pub(crate) fn new(settings: O, options: &Options) -> Result<Self, String> {
        let network = Network::new(Config::new(options.seed));
        let mut sim = Sim { network, settings, next: 0, query: 0 };
        let mut rng = Rng::from_seed(options.seed);
        for _ in 0..options.nodes {
            sim.add(&mut rng)?;
            sim.advance(Duration::from_millis(100));
        }
        sim.advance(Duration::from_secs(60));
        Ok(sim)
    }

    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.network.machines().map(|(id, _)| id).collect()
    }

    pub(crate) fn add(&mut self, rng: &mut Rng) -> Result<NodeId, String> {
        let first = rng.choose(&self.nodes()).copied();
        let id = self.network.id(self.next);
        self.next += 1;
        let added = self.network.add(self.settings.named(id.into()));
        added.map_err(|error| format!("the simulator takes no more nodes: {error}"))?;
        let first: Vec<NodeAddr> = first.into_iter().map(NodeAddr::new).collect();
        self.network.command(id, Command::Bootstrap(first));
        Ok(id)
    }

    pub(crate) fn kill(&mut self, node: NodeId) {
        self.network.crash(node, Crash::FIRE);
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.network.run_for(time);
        self.network.take_events();
    }

    /// Runs it to its end, a minute of simulated time at most.
    pub(crate) fn look_up(&mut self, from: NodeId, key: Key) -> Option<Trace> {
        self.query += 1;
        let name = QueryId(self.query);
        self.network.command(from, Command::Find { query: name, key, steps: true });
        let mut trace = Trace { from, key, steps: Vec::new() };
        for _ in 0..6_000 {
            self.network.run_for(Duration::from_millis(10));
            for emitted in self.network.take_events() {
                match emitted.event {
                    Event::Step { query, peer, step } if query == name => trace.steps.push((peer, step)),
                    Event::Done { query, .. } if query == name => return Some(trace),
                    _ => {}
                }
            }
        }
        None
    }
}
