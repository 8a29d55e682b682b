//! A place on the ring.

use std::fmt;

use dsys_core::{NodeAddr, NodeId};
use serde::{Deserialize, Serialize, Serializer};

use crate::Key;

/// Where a node stands on the ring: at its id, and with virtual nodes (SIGCOMM'01 §6.2) also at hashes of its id and
/// their numbers, so that whoever hears of a place checks for himself whose it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "(u8, NodeAddr)")]
pub struct Place {
    key: Key,
    number: u8,
    node: NodeAddr,
}

impl Place {
    /// That of a node's virtual node with this number; number 0 stands at the id.
    pub fn new(node: impl Into<NodeAddr>, number: u8) -> Self {
        let node = node.into();
        Place { key: Self::key_of(node.id, number), number, node }
    }

    /// As [`key`](Self::key) of [`new`](Self::new).
    pub fn key_of(node: NodeId, number: u8) -> Key {
        match number {
            0 => Key::of_node(node),
            _ => Key::from_bytes(
                blake3::Hasher::new().update(node.as_bytes()).update(&[number]).finalize().into(),
            ),
        }
    }

    /// Where on the ring.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Which of the node's virtual nodes.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Whose.
    pub const fn id(&self) -> NodeId {
        self.node.id
    }

    /// Whose, and where that one is reached.
    pub const fn node(&self) -> &NodeAddr {
        &self.node
    }
}

impl From<NodeId> for Place {
    fn from(node: NodeId) -> Self {
        Place::new(node, 0)
    }
}

impl From<NodeAddr> for Place {
    fn from(node: NodeAddr) -> Self {
        Place::new(node, 0)
    }
}

impl From<(u8, NodeAddr)> for Place {
    fn from((number, node): (u8, NodeAddr)) -> Self {
        Place::new(node, number)
    }
}

/// Number and node; the key follows from both.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.number, &self.node).serialize(to)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}", self.node, self.number)
    }
}
