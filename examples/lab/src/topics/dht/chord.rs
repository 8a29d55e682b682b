//! Chord's own tables (Stoica et al., SIGCOMM 2001 and TON 2003).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::chord::{Chord, Config, Place};
use dsys_dht::{Command, Event, Key, QueryId, Step};
use dsys_sim::measure::Summary;
use dsys_sim::plot::Plot;
use dsys_sim::{Connections, Crash, Network};

use super::world::random_key;
use super::{percent, two_digits};
use crate::report::{Allowed, Report};

/// A walk that has ended.
#[derive(Clone, Debug, Default)]
struct Walk {
    key: Option<Key>,
    hops: u32,
    /// Who did not answer.
    failed: Vec<NodeId>,
    owner: Option<NodeId>,
}

/// A ring as it should be, in which nobody stabilizes any more, and without predecessors, whom the paper's lookup does not
/// consult: else a node finds its own keys at once.
fn still(nodes: u32, seed: u64, successors: usize) -> Option<Network<Chord>> {
    let stabilize = Duration::from_secs(100_000);
    ring_of(nodes, seed, Arc::new(Config { successors, stabilize, ..Config::default() }), false)
}

/// A ring as it should be.
pub(super) fn ring(nodes: u32, seed: u64, config: Arc<Config>) -> Option<Network<Chord>> {
    ring_of(nodes, seed, config, true)
}

fn ring_of(nodes: u32, seed: u64, config: Arc<Config>, predecessors: bool) -> Option<Network<Chord>> {
    let simulated = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(simulated);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for chord in placed(&ids, &config, predecessors) {
        network.add(chord).ok()?;
    }
    network.run_for(Duration::from_millis(1));
    Some(network)
}

/// Each of these on the ring of all of them.
pub(super) fn placed(
    ids: &[NodeId],
    config: &Arc<Config>,
    predecessors: bool,
) -> impl Iterator<Item = Chord> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let config = config.clone();
    ids.iter().copied().map(move |id| {
        let owner = |key: Key| {
            let at = sorted.partition_point(|node| Key::of_node(*node) < key);
            sorted.get(at).or(sorted.first()).copied()
        };
        let at = sorted.partition_point(|node| *node < id);
        let before = sorted.iter().cycle().nth(at + sorted.len() - 1).filter(|_| predecessors);
        let behind = sorted.iter().cycle().skip(at + 1).take(config.successors.min(sorted.len() - 1));
        let behind: Vec<Place> = behind.map(|node| (*node).into()).collect();
        let mut fingers: Vec<NodeId> =
            (0..256).filter_map(|exponent| owner(Key::of_node(id).plus_power_of_two(exponent))).collect();
        fingers.dedup();
        let fingers: Vec<Place> = fingers.into_iter().map(Place::from).collect();
        let chord = Chord::new(id, Vec::new(), config.clone());
        chord.on_ring(0, before.map(|node| (*node).into()), &behind, &fingers)
    })
}

/// So many walks to random keys from random nodes that are up.
fn walks(network: &mut Network<Chord>, count: u64, seed: u64) -> Vec<Walk> {
    let mut rng = Rng::from_seed(seed ^ 0x5eed);
    let up: Vec<NodeId> = network.machines().map(|(id, _)| id).collect();
    let done: Rc<RefCell<BTreeMap<u64, Walk>>> = Rc::default();
    let seen = done.clone();
    network.set_observer(move |_, _, event| {
        let mut seen = seen.borrow_mut();
        match event {
            Event::Step { query, peer, step: Step::Failed } => {
                seen.entry(query.0).or_default().failed.push(*peer);
            }
            Event::Done { query, found, report } => {
                let walk = seen.entry(query.0).or_default();
                walk.hops = report.hops;
                walk.owner = found.as_ref().ok().and_then(|found| found.first()).map(|owner| owner.id);
            }
            _ => {}
        }
    });
    let mut keys = Vec::new();
    for query in 0..count {
        let (key, Some(from)) = (random_key(&mut rng), rng.choose(&up)) else { break };
        network.command(*from, Command::Find { query: QueryId(query), key, steps: true });
        keys.push(key);
        network.run_for(Duration::from_millis(10));
    }
    network.run_for(Duration::from_secs(180));
    let mut done = done.take();
    let ended = (0..count).zip(keys);
    ended.map(|(query, key)| Walk { key: Some(key), ..done.remove(&query).unwrap_or_default() }).collect()
}

/// The nodes on the way, the owner not among them.
fn length(walks: &[Walk]) -> Option<f64> {
    let mut length = Summary::default();
    walks.iter().for_each(|walk| length.add(f64::from(walk.hops.saturating_sub(1))));
    length.mean()
}

/// SIGCOMM'01 §6.3: half of log2 N.
pub(super) fn growth(_: u32, lookups: u64, seed: u64, report: &mut Report) {
    let most = if lookups < 1_000 { 10 } else { 14 };
    let mut points = Vec::new();
    for exponent in 3..=most {
        // One small ring says little about the next.
        let rings = (1 << (most - exponent)).min(16);
        let mut done = Vec::new();
        for number in 0..rings {
            let seed = seed * 1_000 + number;
            let Some(mut network) = still(1 << exponent, seed, 1) else { return };
            done.extend(walks(&mut network, lookups / rings, seed));
        }
        let mean = length(&done);
        let half = f64::from(exponent) / 2.0;
        // A few walks scatter more than that.
        let judged = lookups >= 1_000;
        let allowed = if judged { Allowed::Between(half - 0.25, half + 0.25) } else { Allowed::Anything };
        let name = format!("Chord, {} nodes: path length", 1 << exponent);
        report.row(name, two_digits(half), mean, allowed, two_digits);
        points.extend(mean.map(|mean| (f64::from(exponent), mean)));
    }
    report.row(
        "Chord: path length a doubling",
        "0.50",
        slope(&points),
        Allowed::Between(0.47, 0.53),
        two_digits,
    );
    let plot = Plot::new("The way to a key in Chord").axes("log2 of the nodes", "nodes on the way");
    report.plot("chord-path", &plot.line("path length", points));
}

/// TON'03 Table II: a part of 1,000 nodes dies at once, before anybody stabilizes.
pub(super) fn dead(_: u32, lookups: u64, seed: u64, report: &mut Report) {
    let table = [
        (0, 3.84, 0.0),
        (10, 4.03, 0.6),
        (20, 4.22, 1.17),
        (30, 4.44, 2.02),
        (40, 4.69, 3.23),
        (50, 5.09, 5.1),
    ];
    for (part, theirs, their_timeouts) in table {
        let Some(mut network) = still(1_000, seed, 20) else { return };
        let mut all: Vec<NodeId> = network.ids().collect();
        Rng::from_seed(seed).shuffle(&mut all);
        for node in all.drain(..part * 10) {
            network.crash(node, Crash::POWER);
        }
        let done = walks(&mut network, lookups, seed);
        // A few walks scatter more than that.
        let near = |theirs: f64, within: f64| match lookups {
            0..1_000 => Allowed::Anything,
            _ => Allowed::Between(theirs * (1.0 - within), theirs * (1.0 + within)),
        };
        let name = |what: &str| format!("Chord, {part} % of 1000 dead: {what}");
        report.row(name("path length"), two_digits(theirs), length(&done), near(theirs, 0.05), two_digits);
        let mut timeouts = Summary::default();
        for walk in &done {
            timeouts.add(walk.failed.iter().filter(|node| was_in_the_way(walk, **node)).count() as f64);
        }
        let allowed = near(their_timeouts, 0.25);
        report.row(name("time-outs"), two_digits(their_timeouts), timeouts.mean(), allowed, two_digits);
        let right = |walk: &&Walk| {
            let key = walk.key.unwrap_or(Key::from_bytes([0; 32]));
            let others = all.iter().min_by_key(|node| key.clockwise(Key::of_node(**node)));
            // Of a key of its own a node finds those behind it.
            walk.owner.is_some() && walk.owner.as_ref() == others || second(&all, key) == walk.owner
        };
        let found = done.iter().filter(right).count() as f64 / done.len().max(1) as f64;
        report.row(name("the owner is found"), "1", Some(found), Allowed::AtLeast(1.0), percent);
    }
}

/// Whether a node was asked before the owner answered: one before the key, or one that would own it if it were there.
/// Our walk also asks whether the owner's successors are there, which the paper's does not.
fn was_in_the_way(walk: &Walk, node: NodeId) -> bool {
    let (Some(key), Some(owner)) = (walk.key, walk.owner) else { return true };
    let [node, owner] = [node, owner].map(|node| key.clockwise(Key::of_node(node)));
    node < owner || node.leading_zeros() == 0
}

fn second(all: &[NodeId], key: Key) -> Option<NodeId> {
    let mut all = all.to_vec();
    all.sort_unstable_by_key(|node| key.clockwise(Key::of_node(*node)));
    all.get(1).copied()
}

/// The slope of the line of least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (over, under) = points.iter().fold((0.0, 0.0), |(over, under), point| {
        (over + (point.0 - x) * (point.1 - y), under + (point.0 - x).powi(2))
    });
    (under > 0.0).then_some(over / under)
}
