//! Real nodes: each with a key and a UDP socket of its own, in this process.

use std::time::Duration;

use dsys_core::{NodeId, Rng, SecretKey, Ticket};
use dsys_dht::records::Kind;
use dsys_dht::{Dht, Kademlia, Key, Progress};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::world::{Geometry, Pending, Trace, ring};

#[derive(Debug)]
pub(crate) struct Real {
    geometry: Geometry,
    nodes: Vec<(Node, Dht)>,
}

impl Real {
    pub(crate) async fn new(nodes: usize, geometry: Geometry) -> Result<Self, String> {
        let mut real = Real { geometry, nodes: Vec::new() };
        let mut rng = Rng::from_seed(1);
        for _ in 0..nodes {
            real.add(&mut rng).await?;
        }
        for (_, dht) in &real.nodes {
            let joined = timeout(Duration::from_secs(60), dht.joined()).await;
            joined.map_err(|_| "a node has not joined after a minute: is 127.0.0.1 blocked?")?;
        }
        Ok(real)
    }

    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|(node, _)| node.id()).collect()
    }

    pub(crate) async fn add(&mut self, rng: &mut Rng) -> Result<NodeId, String> {
        let text = |error: &dyn std::fmt::Display| format!("a node cannot start: {error}");
        let secret = SecretKey::generate().map_err(|error| text(&error))?;
        let quic = Quic::bind(&secret, &[([127, 0, 0, 1], 0).into()], QuicConfig::wan());
        let node = Node::new(quic.map_err(|error| text(&error))?, NodeConfig::default());
        let first: Option<Ticket> = rng.choose(&self.nodes).map(|(node, _)| node.ticket());
        let builder = Dht::builder(&node).bootstrap(first);
        let started = match self.geometry {
            Geometry::Kademlia => builder.overlay(Kademlia::default()).start().await,
            Geometry::Chord => builder.overlay(ring()).start().await,
        };
        let dht = started.map_err(|error| text(&error))?;
        let id = node.id();
        self.nodes.push((node, dht));
        Ok(id)
    }

    pub(crate) fn kill(&mut self, id: NodeId) {
        if let Some(at) = self.nodes.iter().position(|(node, _)| node.id() == id) {
            let (node, dht) = self.nodes.swap_remove(at);
            drop(dht);
            tokio::spawn(async move { node.shutdown(Duration::ZERO).await });
        }
    }

    /// A get of what nobody has asks all who might have it: a full lookup, step by step.
    pub(crate) fn look_up(&self, from: NodeId, key: Key) -> Option<Pending> {
        let (_, dht) = self.nodes.iter().find(|(node, _)| node.id() == from)?;
        let mut watch = dht.watch_get(key, Kind::Immutable, 1);
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let mut trace = Trace { from, key, steps: Vec::new() };
            while let Some(progress) = watch.next().await {
                if let Progress::Step(peer, step) = progress {
                    trace.steps.push((peer, step));
                }
            }
            // Nobody may be watching any more.
            let _ = sender.send(trace);
        });
        Some(Pending::Running(receiver))
    }

    pub(crate) async fn end(self) {
        for (node, dht) in self.nodes {
            drop(dht);
            node.shutdown(Duration::ZERO).await;
        }
    }
}
