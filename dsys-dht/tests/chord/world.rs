//! Rings to test in, and Zave's invariant.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use dsys_core::NodeId;
use dsys_dht::chord::{Chord, Config, Place, VirtualNode};
use dsys_dht::{Command, Event, FindError, Key, QueryId, QueryReport};
use dsys_sim::{Connections, Network};

pub(crate) fn network(seed: u64) -> Network<Chord> {
    Network::new(dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) })
}

/// A node of this name on the ring of these.
pub(crate) fn placed(me: NodeId, ring: &[NodeId], config: Arc<Config>) -> Chord {
    let virtual_nodes = config.virtual_nodes;
    let places: Vec<Place> =
        ring.iter().flat_map(|node| (0..virtual_nodes).map(|number| Place::new(*node, number))).collect();
    (0..virtual_nodes).fold(Chord::new(me, Vec::new(), config), |chord, number| {
        let at = Place::key_of(me, number);
        let mut behind: Vec<Place> = places.iter().filter(|place| place.key() != at).cloned().collect();
        behind.sort_by_key(|place| at.clockwise(place.key()));
        chord.on_ring(number, behind.last().cloned(), &behind, &behind)
    })
}

/// A ring of so many, as it should be.
pub(crate) fn ring(nodes: u32, seed: u64, config: Config) -> Network<Chord> {
    let mut network = network(seed);
    let config = Arc::new(config);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for &id in &ids {
        network.add(placed(id, &ids, config.clone())).unwrap();
    }
    network
}

/// Who owns a key, and who comes behind it.
pub(crate) fn owners(nodes: impl IntoIterator<Item = NodeId>, key: Key, most: usize) -> Vec<NodeId> {
    owners_of_places(nodes, 1, key, most)
}

/// The same with so many virtual nodes.
pub(crate) fn owners_of_places(
    nodes: impl IntoIterator<Item = NodeId>,
    virtual_nodes: u8,
    key: Key,
    most: usize,
) -> Vec<NodeId> {
    let behind = |node: &NodeId| (0..virtual_nodes).map(|n| key.clockwise(Place::key_of(*node, n))).min();
    let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
    nodes.sort_by_key(behind);
    nodes.truncate(most);
    nodes
}

pub(crate) fn find(
    network: &mut Network<Chord>,
    from: NodeId,
    key: Key,
) -> (Result<Vec<NodeId>, FindError>, QueryReport) {
    network.take_events();
    network.command(from, Command::Find { query: QueryId(1), key, steps: false });
    for _ in 0..1_200 {
        network.run_for(Duration::from_millis(100));
        for emitted in network.take_events() {
            if let Event::Done { query: QueryId(1), found, report } = emitted.event {
                return (found.map(|found| found.iter().map(|node| node.id).collect()), report);
            }
        }
    }
    panic!(
        "a walk did not end: {:?}",
        network.machine(from).map(|m| format!("{m:?}")
            .split("walks: ")
            .nth(1)
            .map(|w| w.chars().take(1500).collect::<String>()))
    );
}

/// Zave 2017 §6: every member has a live successor, and there are more than `r` principal members, which no
/// member's list leaves out. A member is a place on the ring.
pub(crate) fn invariant<'a>(
    machines: impl IntoIterator<Item = (NodeId, &'a Chord)>,
    r: usize,
) -> Result<(), String> {
    let members: BTreeMap<Key, &VirtualNode> = members(machines);
    for (key, node) in &members {
        if !node.successors().iter().any(|next| members.contains_key(&next.key())) {
            return Err(format!("{key:?} has no live successor"));
        }
    }
    // Whom a list passes over, pair by pair; as a rule nobody.
    let mut skipped = BTreeSet::new();
    for (key, node) in &members {
        let list = node.successors().iter().map(Place::key);
        for (one, next) in std::iter::once(*key).chain(list.clone()).zip(list) {
            let (behind, before) = match one.cmp(&next) {
                Ordering::Less => ((Excluded(one), Excluded(next)), None),
                Ordering::Greater => ((Excluded(one), Unbounded), Some((Unbounded, Excluded(next)))),
                Ordering::Equal => continue,
            };
            let before = before.into_iter().flat_map(|before| members.range(before));
            skipped.extend(members.range(behind).chain(before).map(|(other, _)| *other));
        }
    }
    let principals = members.len() - skipped.len();
    if principals > r {
        Ok(())
    } else {
        Err(format!("{principals} principal members, where {} are needed", r + 1))
    }
}

fn members<'a>(machines: impl IntoIterator<Item = (NodeId, &'a Chord)>) -> BTreeMap<Key, &'a VirtualNode> {
    let nodes = machines.into_iter().flat_map(|(_, chord)| chord.virtual_nodes());
    nodes.filter(|node| node.is_member()).map(|node| (node.key(), node)).collect()
}

/// What the invariant is for: following first successors leads around all members, in order.
pub(crate) fn is_ideal<'a>(machines: impl IntoIterator<Item = (NodeId, &'a Chord)>) -> Result<(), String> {
    let machines: Vec<(NodeId, &Chord)> = machines.into_iter().collect();
    let nodes: usize = machines.iter().map(|(_, chord)| chord.virtual_nodes().len()).sum();
    let members = members(machines);
    if members.len() < nodes {
        return Err(format!("{} of {nodes} are members", members.len()));
    }
    let behind = members.iter().cycle().skip(1);
    for ((key, node), (next, following)) in members.iter().zip(behind) {
        if node.successors().first().map(Place::key) != Some(*next) {
            return Err(format!("{key:?} does not know its successor"));
        }
        if following.predecessor().map(Place::key) != Some(*key) {
            return Err(format!("{next:?} does not know its predecessor {key:?}"));
        }
    }
    Ok(())
}
