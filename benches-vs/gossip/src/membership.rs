//! Full membership: SWIM beside SWIM. How soon a death is seen and at what cost, and who is wrongly taken for dead.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Machine, NodeAddr, NodeId, Rng};
use dsys_gossip::membership::full::{Config, Event, Full};
use dsys_sim::{Connections, Crash, Faults, Network};

use crate::foca::{NAME, Theirs};
use crate::harness::{Args, Goal, line, median};
use crate::slow::{Slow, hangs};

/// A member was declared down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down(pub NodeId);

/// A membership protocol, as a machine whose nodes all know each other from the start.
pub trait Swim {
    type Node: Machine<Message: Clone> + 'static;

    fn node(&self, id: NodeId, all: &Arc<[NodeId]>, seed: u64) -> Self::Node;
    /// Who was declared down, if that is what happened.
    fn down(event: &<Self::Node as Machine>::Event) -> Option<NodeId>;
}

struct Ours;

impl Swim for Ours {
    type Node = Full;

    fn node(&self, id: NodeId, all: &Arc<[NodeId]>, _seed: u64) -> Full {
        Full::new(id, Config::default()).with_members(all.iter().map(|id| NodeAddr::new(*id)))
    }

    fn down(event: &Event) -> Option<NodeId> {
        match event {
            Event::Down(id) => Some(*id),
            _ => None,
        }
    }
}

fn network<M: Machine<Message: Clone>>(seed: u64) -> Network<M> {
    let config = dsys_sim::Config::new(seed);
    Network::new(dsys_sim::Config { connections: Connections::None, hash_trace: false, ..config })
}

/// So many nodes that know each other. Of `slow` of them the process stops again and again for half a second to two, and
/// runs for less than half a second between.
fn world<S: Swim>(swim: &S, nodes: u32, slow: usize, lasting: Duration, seed: u64) -> Network<Slow<S::Node>> {
    let mut network = network(seed);
    let ids: Arc<[NodeId]> = (0..nodes).map(|index| network.id(index)).collect();
    let mut rng = Rng::from_seed(seed);
    for (at, id) in ids.iter().enumerate() {
        let node = swim.node(*id, &ids, seed.wrapping_mul(1_000_003) + at as u64);
        let stops = if at < slow { hangs(lasting, &(500..2_000), &(50..500), &mut rng) } else { Vec::new() };
        network.add(Slow::new(node, stops)).expect("each is added once");
    }
    network
}

/// Messages a node and second, and seconds until the first declares a dead node down: five seconds after the start, one of
/// all dies, and 30 s pass.
fn detection<S: Swim>(swim: &S, nodes: u32, seed: u64) -> (f64, f64) {
    let mut network = world(swim, nodes, 0, Duration::ZERO, seed);
    network.run_for(Duration::from_secs(5));
    let doomed = network.id(Rng::from_seed(seed).below(u64::from(nodes)) as u32);
    network.crash(doomed, Crash::POWER);
    let (died, sent) = (network.now(), network.stats().sent);
    network.take_events();
    network.run_for(Duration::from_secs(30));
    let rate = (network.stats().sent - sent) as f64 / f64::from(nodes) / 30.0;
    let events = network.take_events();
    let first = events.iter().find(|one| S::down(&one.event) == Some(doomed));
    (rate, first.map_or(f64::NAN, |first| (first.time - died).as_secs_f64()))
}

/// How often a living node was declared down by another.
fn wrongly<S: Swim>(swim: &S, nodes: u32, slow: usize, loss: f64, lasting: Duration, seed: u64) -> f64 {
    let mut network = world(swim, nodes, slow, lasting, seed);
    network.set_faults(Faults { loss, ..Faults::NONE });
    network.run_for(lasting);
    network.take_events().iter().filter(|one| S::down(&one.event).is_some()).count() as f64
}

/// The peer within our budget of messages, and as it comes for a local network.
const SETTINGS: [&str; 2] = ["thrifty", "as for a LAN"];

pub fn run(args: &Args) {
    let nodes = if args.quick { 100 } else { 1_000 };
    let (thrifty, usual) = (Theirs { gossips: false }, Theirs { gossips: true });
    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
    for seed in 0..args.rounds(5) as u64 {
        rows[0].push(detection(&Ours, nodes, seed));
        rows[1].push(detection(&thrifty, nodes, seed));
        rows[2].push(detection(&usual, nodes, seed));
    }
    let column = |at: usize, of: fn(&(f64, f64)) -> f64| median(rows[at].iter().map(of).collect());
    for (at, setting) in SETTINGS.into_iter().enumerate().map(|(at, setting)| (at + 1, setting)) {
        // The peer may send no more than we may, or else a sooner word is bought.
        let print = |figure: &str, of: fn(&(f64, f64)) -> f64, most: f64, unit: &str| {
            let (ours, theirs) = (column(0, of), column(at, of));
            let goal = if at == 1 { Goal::Itself(ours, most) } else { Goal::None };
            let figure = format!("SWIM, {nodes} nodes, peer {setting}: {figure}");
            let show = |value: f64| format!("{value:.3}{unit}");
            line(&figure, &show(ours), NAME, &show(theirs), ours / theirs, goal);
        };
        print("messages a node and second", |run| run.0, 2.1, "");
        print("first declared down", |run| run.1, 5.0, " s");
    }

    let lasting = Duration::from_secs(if args.quick { 60 } else { 300 });
    for (what, nodes, slow, loss, most) in
        [("10 % lost, 100 nodes", 100, 0, 0.1, 0.0), ("32 slow of 128", 128, 32, 0.0, 28.0)]
    {
        let mut runs = [Vec::new(), Vec::new(), Vec::new()];
        for seed in 0..args.rounds(5) as u64 {
            runs[0].push(wrongly(&Ours, nodes, slow, loss, lasting, seed));
            runs[1].push(wrongly(&thrifty, nodes, slow, loss, lasting, seed));
            runs[2].push(wrongly(&usual, nodes, slow, loss, lasting, seed));
        }
        let [ours, thrifty, usual] = runs.map(median);
        let show = |value: f64| format!("{value:.0}");
        for (theirs, setting, goal) in
            [(thrifty, SETTINGS[0], Goal::Itself(ours, most)), (usual, SETTINGS[1], Goal::None)]
        {
            let name = format!("SWIM, {what}, peer {setting}: wrongly down in {} s", lasting.as_secs());
            line(&name, &show(ours), NAME, &show(theirs), ours / theirs, goal);
        }
    }
}
