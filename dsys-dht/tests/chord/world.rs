//! Rings to test in, and Zave's invariant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId};
use dsys_dht::chord::{Chord, Config};
use dsys_dht::{Command, Event, FindError, Key, QueryId, QueryReport};
use dsys_sim::{Connections, Network};

pub(crate) fn network(seed: u64) -> Network<Chord> {
    Network::new(dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) })
}

/// A node of this name on the ring of these.
pub(crate) fn placed(me: NodeId, ring: &[NodeId], config: Arc<Config>) -> Chord {
    let mut sorted = ring.to_vec();
    sorted.sort_by_key(|node| Key::of_node(me).clockwise(Key::of_node(*node)));
    let behind: Vec<NodeAddr> = sorted.into_iter().filter(|node| *node != me).map(NodeAddr::new).collect();
    let before = behind.last().cloned();
    Chord::new(me, Vec::new(), config).on_ring(before, &behind, &behind)
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
    let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
    nodes.sort_by_key(|node| key.clockwise(Key::of_node(*node)));
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
/// member's list leaves out.
pub(crate) fn invariant<'a>(
    machines: impl IntoIterator<Item = (NodeId, &'a Chord)>,
    r: usize,
) -> Result<(), String> {
    let members: BTreeMap<NodeId, Vec<NodeId>> = machines
        .into_iter()
        .filter(|(_, chord)| chord.is_member())
        .map(|(id, chord)| (id, chord.successors().collect()))
        .collect();
    for (id, list) in &members {
        if !list.iter().any(|next| members.contains_key(next)) {
            return Err(format!("{id:?} has no live successor"));
        }
    }
    let skips = |id: &NodeId, list: &[NodeId], other: NodeId| {
        let first = std::iter::once(id).chain(list);
        first.zip(list).any(|(one, next)| {
            let (one, other, next) = (Key::of_node(*one), Key::of_node(other), Key::of_node(*next));
            other != one && other != next && one.clockwise(other) < one.clockwise(next)
        })
    };
    let principal = |other: &&NodeId| !members.iter().any(|(id, list)| skips(id, list, **other));
    let principals = members.keys().filter(principal).count();
    if principals > r {
        Ok(())
    } else {
        Err(format!("{principals} principal members, where {} are needed", r + 1))
    }
}

/// What the invariant is for: following first successors leads around all members, in order.
pub(crate) fn is_ideal<'a>(machines: impl IntoIterator<Item = (NodeId, &'a Chord)>) -> Result<(), String> {
    let machines: BTreeMap<NodeId, &Chord> = machines.into_iter().collect();
    for (id, chord) in &machines {
        let others = machines.keys().filter(|other| *other != id).copied();
        let next = owners(others, Key::of_node(*id), 1);
        if chord.successors().next() != next.first().copied() {
            return Err(format!("{id:?} does not know its successor"));
        }
        let first = machines.get(&next[0]);
        if first.and_then(|first| first.predecessor()) != Some(*id) {
            return Err(format!("{:?} does not know its predecessor {id:?}", next[0]));
        }
    }
    Ok(())
}
