//! What nodes send each other: wire version 1.

use dsys_core::{NodeAddr, NodeId};
use serde::{Deserialize, Serialize};

use super::Meta;
use super::member;

/// One message of the protocol. Every one carries updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// "Are you there?"
    Ping {
        /// Comes back with the answer.
        seq: u32,
        /// News.
        updates: Vec<Update>,
    },
    /// "I am", or, of a relay, "it is".
    Ack {
        /// That of the ping.
        seq: u32,
        /// News.
        updates: Vec<Update>,
    },
    /// "Ping this node for me."
    PingReq {
        /// Comes back with the answer.
        seq: u32,
        /// Whom.
        target: NodeId,
        /// News.
        updates: Vec<Update>,
    },
    /// "It did not answer me either" (Lifeguard §IV.A): at least the relay is there.
    Nack {
        /// That of the request.
        seq: u32,
        /// News.
        updates: Vec<Update>,
    },
    /// "I am new; who is there?" Answered by as many `Members` as it takes.
    Join {
        /// The sender itself.
        updates: Vec<Update>,
    },
    /// Who is there.
    Members {
        /// They.
        updates: Vec<Update>,
    },
}

/// What a node says of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Of whom.
    pub id: NodeId,
    /// The incarnation of which it is said.
    pub incarnation: u64,
    /// What.
    pub claim: Claim,
}

/// What is said of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// It is there.
    Alive {
        /// Where it is reached.
        addr: NodeAddr,
        /// What it says of itself.
        meta: Meta,
    },
    /// This node had no answer from it.
    Suspect(NodeId),
    /// It has been declared down, or has left.
    Down,
}

impl Message {
    /// The updates.
    pub fn updates(&self) -> &[Update] {
        match self {
            Message::Ping { updates, .. }
            | Message::Ack { updates, .. }
            | Message::PingReq { updates, .. }
            | Message::Nack { updates, .. }
            | Message::Join { updates }
            | Message::Members { updates } => updates,
        }
    }

    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        let head = match self {
            Message::PingReq { .. } => 36,
            Message::Join { .. } | Message::Members { .. } => 2,
            _ => 4,
        };
        let one = |update: &Update| {
            34 + match &update.claim {
                Claim::Alive { addr, meta } => {
                    let direct = addr.direct().iter();
                    35 + direct.map(|one| if one.is_ipv4() { 7 } else { 19 }).sum::<usize>()
                        + member::size(meta)
                }
                Claim::Suspect(_) => 33,
                Claim::Down => 1,
            }
        };
        head + self.updates().iter().map(one).sum::<usize>()
    }
}
