//! Nodes with real keys, each with a router.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng, SecretKey, Time};
use dsys_gossip::MemoryStore;
use dsys_gossip::envelope::{Timestamp, TopicName};
use dsys_gossip::router::{Command, Config, Cursor, Event, Router, Stats, Wire};
use dsys_sim::Network;

pub(crate) struct World {
    pub(crate) network: Network<Router>,
    pub(crate) ids: Vec<NodeId>,
    pub(crate) keys: Vec<Arc<SecretKey>>,
    /// What a node gets that starts again.
    pub(crate) store: MemoryStore,
    rng: Rng,
    ticket: u64,
}

pub(crate) fn name(topic: &str) -> TopicName {
    topic.parse().unwrap()
}

/// The wall clock at the simulation's beginning.
pub(crate) fn epoch() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

/// For a campaign: whoever was restarted has to join again.
pub(crate) fn join_again_and_again(network: &mut Network<Router>, nodes: &[NodeId]) {
    for second in 0..60 {
        for (at, node) in nodes.iter().enumerate() {
            let contacts = vec![NodeAddr::new(nodes[(at + 1) % nodes.len()])];
            let join = Command::Join { topic: name("a"), contacts };
            network.command_at(Time::ZERO + Duration::from_secs(2 * second), *node, join);
        }
    }
}

impl World {
    pub(crate) fn with(seed: u64, nodes: u8, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self::new(seed, nodes, config)
    }

    pub(crate) fn new(seed: u64, nodes: u8, config: Config) -> Self {
        Self::over(dsys_sim::Config::new(seed), nodes, config)
    }

    pub(crate) fn over(sim: dsys_sim::Config, nodes: u8, config: Config) -> Self {
        let max_time = Duration::from_secs(86_400 * 365);
        let seed = sim.seed;
        let mut network = Network::new(dsys_sim::Config { max_time, ..sim });
        network.set_size(Wire::size);
        let keys: Vec<Arc<SecretKey>> =
            (0..nodes).map(|byte| Arc::new(SecretKey::from_bytes([byte + 1; 32]))).collect();
        let ids: Vec<NodeId> = keys.iter().map(|key| key.public()).collect();
        let config = Arc::new(config);
        let store = MemoryStore::with_budget(16 << 20);
        for key in &keys {
            let router = Router::new(key.clone(), key.public(), store.clone(), epoch(), config.clone());
            network.add_named(key.public(), router).unwrap();
        }
        let all = keys.clone();
        // A small one, so that a test of its bounds need not fill a large one.
        let small = MemoryStore::with_budget(1 << 20).messages(if nodes == 1 { 50 } else { 10_000 });
        network.set_spawn(move |id, _| {
            let key = all.iter().find(|key| key.public() == id).unwrap();
            Router::new(key.clone(), id, small.clone(), epoch(), config.clone())
        });
        World { network, ids, keys, store, rng: Rng::from_seed(seed), ticket: 0 }
    }

    pub(crate) fn command(&mut self, node: NodeId, command: Command) {
        self.network.command(node, command);
    }

    pub(crate) fn join(&mut self, topic: &str, node: NodeId, by: NodeId) {
        self.command(node, Command::Join { topic: name(topic), contacts: vec![NodeAddr::new(by)] });
    }

    /// Each through a random earlier one.
    pub(crate) fn join_all(&mut self, topic: &str, nodes: &[NodeId]) {
        for (at, node) in nodes.iter().enumerate() {
            match self.rng.choose(&nodes[..at]).copied() {
                Some(by) => self.join(topic, *node, by),
                None => self.command(*node, Command::Join { topic: name(topic), contacts: vec![] }),
            }
            self.network.run_for(Duration::from_millis(50));
        }
    }

    pub(crate) fn publish(&mut self, topic: &str, from: NodeId, text: &str) {
        self.ticket += 1;
        let payload = text.to_owned().into();
        self.command(from, Command::Publish { topic: name(topic), ticket: self.ticket, payload });
    }

    pub(crate) fn machine(&self, node: NodeId) -> &Router {
        self.network.machine(node).unwrap()
    }

    /// `None` before it has joined.
    pub(crate) fn stats_of(&self, topic: &str, node: NodeId) -> Option<Stats> {
        self.machine(node).stats(&name(topic))
    }

    pub(crate) fn stats(&self, topic: &str, node: NodeId) -> Stats {
        self.machine(node).stats(&name(topic)).unwrap()
    }

    /// What the node has in its log of the topic, in order.
    pub(crate) fn log(&mut self, topic: &str, node: NodeId) -> Vec<String> {
        self.network.take_events();
        let read = Command::Read { topic: name(topic), ticket: 0, from: Cursor::Oldest, most: 100_000 };
        self.command(node, read);
        let page = loop {
            assert!(self.network.step());
            let page = self.network.take_events().into_iter().find_map(|emitted| match emitted.event {
                Event::Page { ticket: 0, messages, .. } => Some(messages),
                _ => None,
            });
            if page.is_some() {
                break page;
            }
        };
        let texts = page.unwrap();
        texts.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
    }
}
