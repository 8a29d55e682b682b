//! What nodes send each other: wire version 1.

use dsys_core::NodeAddr;
use serde::{Deserialize, Serialize};

/// One message of the protocol. A node that names itself must name the key it has proven. What is large and rare is boxed:
/// a queue holds all kinds in the room of the largest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// "I am new": makes the receiver a neighbour, and travels on as `ForwardJoin`.
    Join(NodeAddr),
    /// Somebody is new.
    ForwardJoin {
        /// Who.
        joiner: NodeAddr,
        /// How many steps it may still travel.
        ttl: u8,
    },
    /// "Be my neighbour"; answered by `Accept` or `Refuse`.
    Neighbour {
        /// Who asks.
        addr: NodeAddr,
        /// It has no other, or the other has joined through it: not to be refused.
        high: bool,
    },
    /// "You are my neighbour."
    Accept,
    /// "I have no room."
    Refuse,
    /// "You are not my neighbour, or no longer."
    Disconnect,
    /// A random part of the origin's views.
    Shuffle {
        /// Who shuffles, and gets the reply.
        origin: Box<NodeAddr>,
        /// How many steps it may still travel.
        ttl: u8,
        /// Nodes it knows.
        nodes: Vec<NodeAddr>,
    },
    /// As many nodes in return.
    ShuffleReply(Vec<NodeAddr>),
    /// "Are you there, and am I your neighbour?" Answered by `Pong` or `Disconnect`.
    Ping,
    /// "Yes."
    Pong,
    /// "You are near, be my neighbour; I would give up `old`, and you one that is farther." Answered by `Swapped`,
    /// `Accept` or `Refuse`.
    Swap {
        /// Who asks.
        addr: NodeAddr,
        /// Microseconds between the two, measured just now.
        round_trip: u32,
        /// Whom it would give up.
        old: Box<NodeAddr>,
    },
    /// "You are my neighbour, in place of this one, who lacks a neighbour now."
    Swapped(NodeAddr),
    /// "You are not my neighbour any more, and this one has lost a neighbour too."
    Instead {
        /// Who.
        addr: NodeAddr,
        /// Whether the receiver is to ask; otherwise it will be asked.
        ask: bool,
    },
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        // An IPv4 address takes 6 to 8 bytes, an IPv6 address 18 to 20.
        let one = |addr: &NodeAddr| {
            33 + addr.direct().iter().map(|direct| if direct.is_ipv4() { 7 } else { 19 }).sum::<usize>()
        };
        let all = |nodes: &[NodeAddr]| nodes.iter().map(one).sum::<usize>();
        match self {
            Message::Join(addr) => 1 + one(addr),
            Message::ForwardJoin { joiner: addr, .. } | Message::Neighbour { addr, .. } => 2 + one(addr),
            Message::Shuffle { origin, nodes, .. } => 3 + one(origin) + all(nodes),
            Message::ShuffleReply(nodes) => 2 + all(nodes),
            // Round trips of 16 to 2,000 ms take 3 bytes.
            Message::Swap { addr, old, .. } => 4 + one(addr) + one(old),
            Message::Swapped(addr) => 1 + one(addr),
            Message::Instead { addr, .. } => 2 + one(addr),
            _ => 1,
        }
    }
}
