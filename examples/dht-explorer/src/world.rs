//! What is explored: simulated nodes or real ones, behind the same few operations.

use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::{Chord, Distance, Kademlia, Key, Step, chord};
use tokio::sync::oneshot;

use crate::args::Options;
use crate::real::Real;
use crate::sim::Sim;

/// How nodes are arranged, which is what the two overlays differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// Distance is the exclusive or.
    Kademlia,
    /// Distance goes one way around a ring.
    Chord,
}

impl Geometry {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Geometry::Kademlia => "Kademlia",
            Geometry::Chord => "Chord",
        }
    }

    pub(crate) const fn other(self) -> Geometry {
        match self {
            Geometry::Kademlia => Geometry::Chord,
            Geometry::Chord => Geometry::Kademlia,
        }
    }

    /// How far a node is from a key that it may be responsible for: the nearest one is.
    pub(crate) fn distance(self, node: NodeId, key: Key) -> Distance {
        match self {
            Geometry::Kademlia => Key::of_node(node).xor(key),
            Geometry::Chord => key.clockwise(Key::of_node(node)),
        }
    }

    /// The mean number of hops that the papers expect, for the histogram: half of log2 N for Chord (TON'03 §IV-D). Kademlia
    /// gives no mean, and log2 N as a bound.
    pub(crate) fn expected_hops(self, nodes: usize) -> f64 {
        let log = (nodes.max(1) as f64).log2();
        match self {
            Geometry::Kademlia => log,
            Geometry::Chord => log / 2.0,
        }
    }
}

/// All that happened in one lookup.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) from: NodeId,
    pub(crate) key: Key,
    /// With whom, and what, in order.
    pub(crate) steps: Vec<(NodeId, Step)>,
}

/// A lookup that was begun.
#[derive(Debug)]
pub(crate) enum Pending {
    /// It has ended.
    Ready(Box<Trace>),
    /// It goes on by itself.
    Running(oneshot::Receiver<Trace>),
}

impl Pending {
    /// The lookup if it has ended; `Err` if nobody will ever end it.
    pub(crate) fn poll(self) -> Result<Trace, Option<Pending>> {
        match self {
            Pending::Ready(trace) => Ok(*trace),
            Pending::Running(mut receiver) => match receiver.try_recv() {
                Ok(trace) => Ok(trace),
                Err(oneshot::error::TryRecvError::Empty) => Err(Some(Pending::Running(receiver))),
                Err(oneshot::error::TryRecvError::Closed) => Err(None),
            },
        }
    }
}

/// The nodes.
#[derive(Debug)]
pub(crate) enum World {
    Kademlia(Box<Sim<Kademlia>>),
    Chord(Box<Sim<Chord>>),
    Real(Real),
}

impl World {
    /// So many nodes that have joined one after the other.
    pub(crate) async fn new(options: &Options) -> Result<World, String> {
        match (options.real, options.geometry) {
            (true, geometry) => Real::new(options.nodes, geometry).await.map(World::Real),
            (false, Geometry::Kademlia) => {
                Sim::new(Kademlia::default(), options).map(|sim| World::Kademlia(Box::new(sim)))
            }
            (false, Geometry::Chord) => Sim::new(ring(), options).map(|sim| World::Chord(Box::new(sim))),
        }
    }

    /// Who is up, in no order.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        match self {
            World::Kademlia(sim) => sim.nodes(),
            World::Chord(sim) => sim.nodes(),
            World::Real(real) => real.nodes(),
        }
    }

    /// One more, which joins by a random one.
    pub(crate) async fn add(&mut self, rng: &mut Rng) -> Result<NodeId, String> {
        match self {
            World::Kademlia(sim) => sim.add(rng),
            World::Chord(sim) => sim.add(rng),
            World::Real(real) => real.add(rng).await,
        }
    }

    /// It says nothing and is gone.
    pub(crate) fn kill(&mut self, node: NodeId) {
        match self {
            World::Kademlia(sim) => sim.kill(node),
            World::Chord(sim) => sim.kill(node),
            World::Real(real) => real.kill(node),
        }
    }

    /// Lets simulated time pass. Real time passes by itself.
    pub(crate) fn advance(&mut self, time: Duration) {
        match self {
            World::Kademlia(sim) => sim.advance(time),
            World::Chord(sim) => sim.advance(time),
            World::Real(_) => {}
        }
    }

    /// Begins a lookup of a key by a node.
    pub(crate) fn look_up(&mut self, from: NodeId, key: Key) -> Option<Pending> {
        match self {
            World::Kademlia(sim) => sim.look_up(from, key).map(|trace| Pending::Ready(Box::new(trace))),
            World::Chord(sim) => sim.look_up(from, key).map(|trace| Pending::Ready(Box::new(trace))),
            World::Real(real) => real.look_up(from, key),
        }
    }

    pub(crate) async fn end(self) {
        if let World::Real(real) = self {
            real.end().await;
        }
    }
}

/// A ring that mends itself while somebody watches.
pub(crate) fn ring() -> Chord {
    chord::Config { stabilize: Duration::from_secs(1), ..chord::Config::default() }.into()
}
