//! What nodes send each other; tag `dsys/kad/2`.

use std::net::SocketAddr;

use dsys_core::NodeAddr;
use serde::{Deserialize, Serialize};

use crate::{Bounded, Key};

/// No answer names more nodes than this.
pub(super) const MAX_NODES: usize = 32;

/// Nodes in an answer: at most 32.
pub type Nodes = Bounded<NodeAddr, MAX_NODES>;
/// The addresses of a node: at most 16.
pub type Addresses = Bounded<SocketAddr, { NodeAddr::MAX_DIRECT }>;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A question.
    Request {
        /// The asker's number for it, returned in the answer.
        call: u32,
        /// The asker's addresses, if it answers questions itself and wants to be in tables; `None` of a client.
        server: Option<Addresses>,
        /// What is asked.
        ask: Ask,
    },
    /// The answer to the question of this number.
    Answer {
        /// The asker's number.
        call: u32,
        /// The nodes nearest to the key that was asked for; none for a ping.
        nodes: Nodes,
    },
    /// Can you reach me by a fresh connection, at these of my addresses?
    DialBack {
        /// The asker's name for it, returned in the answer.
        call: u32,
        /// Where; without any, where the asker has connected from.
        addrs: Addresses,
    },
    /// Whether the node that asked could be reached.
    DialledBack {
        /// The asker's name for it.
        call: u32,
        /// `None`: that was not tried, because too many ask.
        reached: Option<bool>,
    },
}

/// A question (§2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ask {
    /// Whether the node is there.
    Ping,
    /// The `k` nodes nearest to a key that it knows.
    FindNode(Key),
}

impl Message {
    /// Its bytes on the wire, for the simulator's counters.
    pub fn size(&self) -> usize {
        // postcard: one byte for a variant, an option or a length below 128, and numbers in groups of seven bits.
        let number = |number: u32| (32 - number.leading_zeros()).div_ceil(7).max(1) as usize;
        let address =
            |addr: &SocketAddr| 1 + if addr.is_ipv4() { 4 } else { 16 } + number(addr.port().into());
        let addresses = |addrs: &[SocketAddr]| 1 + addrs.iter().map(address).sum::<usize>();
        match self {
            Message::Request { call, server, ask } => {
                let server = server.as_ref().map_or(1, |addrs| 1 + addresses(addrs));
                1 + number(*call) + server + if matches!(ask, Ask::Ping) { 1 } else { 33 }
            }
            Message::Answer { call, nodes } => {
                let nodes = nodes.iter().map(|node| 32 + addresses(node.direct())).sum::<usize>();
                2 + number(*call) + nodes
            }
            Message::DialBack { call, addrs } => 1 + number(*call) + addresses(addrs),
            Message::DialledBack { call, reached } => 2 + number(*call) + usize::from(reached.is_some()),
        }
    }
}
