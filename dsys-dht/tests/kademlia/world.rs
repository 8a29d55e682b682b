//! Networks to test in, and what was found in them.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::kademlia::{Config, Kademlia, Message};
use dsys_dht::{Command, Event, FindError, Key, QueryId, QueryReport};
use dsys_sim::{Connections, Network};

use crate::places::known;
pub(crate) use crate::places::nearest;

pub(crate) type Found = Result<Vec<NodeId>, FindError>;

/// No connections: a message to a node that is not there is lost in silence.
pub(crate) fn network(seed: u64) -> Network<Kademlia> {
    let config = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(config);
    network.set_size(Message::size);
    network
}

/// So many nodes whose buckets hold whom a long life would have put there: `k` of those that belong, at random.
pub(crate) fn settled(nodes: u32, seed: u64, config: Config) -> Network<Kademlia> {
    let mut network = network(seed);
    let (k, config) = (config.k, Arc::new(config));
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let mut rng = Rng::from_seed(seed);
    for &id in &ids {
        let known = known(id, &ids, k, &mut rng);
        let machine = Kademlia::new(id, Vec::new(), config.clone());
        network.add(machine.with_contacts(known)).unwrap();
    }
    network.run_for(Duration::from_secs(20));
    network.take_events();
    network
}

/// Nodes that begin with the first one, at the same moment.
pub(crate) fn fresh(nodes: u32, seed: u64, config: Config) -> Network<Kademlia> {
    let mut network = network(seed);
    let config = Arc::new(config);
    let first = NodeAddr::new(network.id(0));
    for index in 0..nodes {
        let id = network.id(index);
        network.add(Kademlia::new(id, vec![first.clone()], config.clone())).unwrap();
    }
    network
}

pub(crate) fn random_key(rng: &mut Rng) -> Key {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    Key::from_bytes(bytes)
}

pub(crate) fn up(network: &Network<Kademlia>) -> Vec<NodeId> {
    network.machines().map(|(id, _)| id).collect()
}

/// One lookup, run to its end.
pub(crate) fn find(network: &mut Network<Kademlia>, from: NodeId, key: Key) -> (Found, QueryReport) {
    network.take_events();
    network.command(from, Command::Find { query: QueryId(1), key, steps: false });
    for _ in 0..600 {
        network.run_for(Duration::from_millis(100));
        for emitted in network.take_events() {
            if let Event::Done { query: QueryId(1), found, report } = emitted.event {
                return (found.map(|found| found.iter().map(|node| node.id).collect()), report);
            }
        }
    }
    panic!("a lookup did not end within a minute");
}
