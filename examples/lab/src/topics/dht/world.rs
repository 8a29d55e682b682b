//! Networks of Kademlia nodes, and lookups in them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::kademlia::{Config, Kademlia, Message};
use dsys_dht::{Command, Event, Key, QueryId, QueryReport};
use dsys_sim::{Churn, Connections, Network};

/// A lookup that has ended.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub(super) from: NodeId,
    pub(super) key: Key,
    pub(super) found: Vec<NodeId>,
    pub(super) report: QueryReport,
}

fn network(seed: u64) -> Network<Kademlia> {
    let config = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(config);
    network.set_size(Message::size);
    network
}

/// So many nodes whose buckets hold whom a long life would have put there: `k` of those that belong, at random. `None`
/// if the simulator does not hold them.
pub(super) fn settled(nodes: u32, seed: u64, config: Config) -> Option<Network<Kademlia>> {
    let mut network = network(seed);
    let (k, config) = (config.k, Arc::new(config));
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    for id in ids {
        let contacts = contacts(id, &sorted, k, &mut rng).into_iter().map(NodeAddr::new);
        network.add(Kademlia::new(id, Vec::new(), config.clone()).with_contacts(contacts)).ok()?;
    }
    network.run_for(Duration::from_secs(30));
    network.take_events();
    Some(network)
}

/// Whom a long life would have put into the buckets of a node, of all these, which are sorted.
pub(super) fn contacts(id: NodeId, sorted: &[NodeId], k: usize, rng: &mut Rng) -> Vec<NodeId> {
    let mut contacts = Vec::new();
    // Those that share the first bits with us lie side by side; each further bit parts them.
    let mut side_by_side = sorted;
    for bit in 0..Key::BITS {
        let (zeros, ones) = side_by_side.split_at(side_by_side.partition_point(|node| !is_set(node, bit)));
        let (own, bucket) = if is_set(&id, bit) { (ones, zeros) } else { (zeros, ones) };
        sample(bucket, k, rng, &mut contacts);
        side_by_side = own;
        if own.len() <= 1 {
            break;
        }
    }
    contacts
}

/// So many nodes that joined one after the other, 2 ms apart, each by a random one before it.
pub(super) fn joined(nodes: u32, seed: u64, config: Config) -> Option<Network<Kademlia>> {
    let (mut network, config) = (network(seed), Arc::new(config));
    let mut rng = Rng::from_seed(seed);
    for index in 0..nodes {
        let first = (index > 0).then(|| network.id(rng.below(index.into()) as u32).into());
        network.add(Kademlia::new(network.id(index), first.into_iter().collect(), config.clone())).ok()?;
        network.run_for(Duration::from_millis(2));
    }
    network.run_for(Duration::from_secs(60));
    network.take_events();
    Some(network)
}

/// Plans nodes that join and leave, so many of each a second. Each joins by three random ones of those in the list that
/// is returned, and which the caller keeps true.
pub(super) fn churn(
    network: &mut Network<Kademlia>,
    rate: f64,
    lasting: Duration,
    seed: u64,
) -> Rc<RefCell<Vec<NodeId>>> {
    let ids: Vec<NodeId> = network.ids().collect();
    let churn = Churn { joins: rate, leaves: rate, ..Churn::default() };
    network.schedule_all(churn.plan(seed, &ids, network.now(), lasting));
    let (mut rng, config) = (Rng::from_seed(seed), Arc::new(Config::default()));
    let known = Rc::new(RefCell::new(ids));
    let list = known.clone();
    network.set_spawn(move |id, _| {
        let list = list.borrow();
        let first = (0..3).filter_map(|_| rng.choose(&list).map(|id| NodeAddr::new(*id)));
        Kademlia::new(id, first.collect(), config.clone())
    });
    known
}

/// So many lookups of random keys by random nodes, a hundred a second.
pub(super) fn lookups(network: &mut Network<Kademlia>, count: u64, seed: u64) -> Vec<Lookup> {
    let mut rng = Rng::from_seed(seed ^ 0x5eed);
    let up: Vec<NodeId> = network.machines().map(|(id, _)| id).collect();
    let done = Rc::new(RefCell::new(BTreeMap::new()));
    let observed = done.clone();
    network.set_observer(move |_, _, event| {
        if let Event::Done { query, found, report } = event {
            observed.borrow_mut().insert(query.0, (found.clone(), *report));
        }
    });
    let mut asked = Vec::new();
    for query in 0..count {
        let (key, Some(from)) = (random_key(&mut rng), rng.choose(&up)) else { break };
        network.command(*from, Command::Find { query: QueryId(query), key, steps: false });
        asked.push((*from, key));
        network.run_for(Duration::from_millis(10));
    }
    network.run_for(Duration::from_secs(30));
    let mut done = done.borrow_mut();
    let ended = (0..count).zip(asked).filter_map(|(query, (from, key))| {
        let (found, report) = done.remove(&query)?;
        Some(Lookup { from, key, found: ids(found.unwrap_or_default()), report })
    });
    ended.collect()
}

/// One lookup by itself; `None` if it does not end within a minute.
pub(super) fn lookup(network: &mut Network<Kademlia>, from: NodeId, key: Key) -> Option<Lookup> {
    network.command(from, Command::Find { query: QueryId(0), key, steps: false });
    for _ in 0..600 {
        network.run_for(Duration::from_millis(100));
        for emitted in network.take_events() {
            if let Event::Done { found, report, .. } = emitted.event {
                return Some(Lookup { from, key, found: ids(found.unwrap_or_default()), report });
            }
        }
    }
    None
}

pub(super) fn random_key(rng: &mut Rng) -> Key {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    Key::from_bytes(bytes)
}

/// The `count` nodes of these that are nearest to `key`, the nearest first.
pub(super) fn nearest(nodes: impl Iterator<Item = NodeId>, key: Key, count: usize) -> Vec<NodeId> {
    let distance = |node: &NodeId| Key::of_node(*node).xor(key);
    let mut nodes: Vec<NodeId> = nodes.collect();
    if count < nodes.len() {
        nodes.select_nth_unstable_by_key(count, distance);
        nodes.truncate(count);
    }
    nodes.sort_unstable_by_key(distance);
    nodes
}

/// Up to `count` different ones of `from`.
fn sample(from: &[NodeId], count: usize, rng: &mut Rng, into: &mut Vec<NodeId>) {
    if from.len() <= count {
        into.extend(from);
        return;
    }
    let start = into.len();
    while into.len() < start + count {
        let Some(node) = rng.choose(from) else { return };
        if !into.iter().skip(start).any(|other| other == node) {
            into.push(*node);
        }
    }
}

fn is_set(node: &NodeId, bit: usize) -> bool {
    node.as_bytes().get(bit / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
}

fn ids(nodes: Vec<NodeAddr>) -> Vec<NodeId> {
    nodes.into_iter().map(|node| node.id).collect()
}
