//! Nodes over each transport, for tests that must hold over all of them.
// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations, unused_macros)]

pub mod probe;
pub mod raw;

use std::time::Duration;

use dsys_core::{NodeAddr, SecretKey};
use dsys_transport::{MemoryNetwork, Node, NodeConfig, Quic, QuicConfig, Transport};

/// A transport under test.
#[derive(Clone)]
pub enum World {
    Quic,
    Memory(MemoryNetwork),
}

impl World {
    pub fn memory() -> Self {
        World::Memory(MemoryNetwork::new())
    }

    pub fn node(&self) -> Node {
        self.node_with(SecretKey::generate().unwrap(), NodeConfig::default())
    }

    pub fn node_with(&self, secret: SecretKey, config: NodeConfig) -> Node {
        match self {
            World::Quic => Node::new(quic(&secret), config),
            World::Memory(network) => Node::new(network.transport_of(&secret), config),
        }
    }

    /// Two nodes, the one with the smaller id first.
    pub fn pair(&self) -> (Node, Node) {
        let (one, other) = (self.node(), self.node());
        if one.id() < other.id() { (one, other) } else { (other, one) }
    }
}

pub fn quic(secret: &SecretKey) -> Quic {
    Quic::bind(secret, &["127.0.0.1:0".parse().unwrap()], QuicConfig::test()).unwrap()
}

pub fn addr_of(transport: &impl Transport) -> NodeAddr {
    let mut addr = NodeAddr::new(transport.id());
    for local in transport.local_addrs() {
        addr.insert(local);
    }
    addr
}

/// Fails the test, instead of hanging it, when something does not come. Generous: it says nothing about speed.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("still waiting: {what}"),
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// One test per transport out of an `async fn(World)`.
#[macro_export]
macro_rules! over_each_transport {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {
        mod over_quic { $(
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::common::World::Quic).await }
        )* }
        mod over_memory { $(
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::common::World::memory()).await }
        )* }
    };
}
