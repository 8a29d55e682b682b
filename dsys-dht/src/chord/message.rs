//! What nodes send each other.

use dsys_core::NodeAddr;
use serde::{Deserialize, Serialize};

use crate::{Bounded, Key};

/// No answer names more nodes than this.
pub(super) const MAX_NODES: usize = 32;

/// Nodes in an answer: at most 32.
pub type Nodes = Bounded<NodeAddr, MAX_NODES>;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A question.
    Request {
        /// The asker's number for it, returned in the answer.
        call: u32,
        /// What is asked.
        ask: Ask,
    },
    /// The answer to the question of this number.
    Answer {
        /// The asker's number.
        call: u32,
        /// The answer.
        tell: Tell,
    },
    /// The sender believes to be the receiver's predecessor, and is reached there (SIGCOMM'01 §4.4, `notify`).
    Notify(NodeAddr),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ask {
    /// Whether the node is there.
    Ping,
    /// Who owns this key, or who is nearer to it?
    Way(Key),
    /// Who comes before and after the node?
    Neighbours,
    /// Does the node own this key? It is there if it does; if it knows who does, it names that one
    /// ([`Tell::Owners`]).
    Owns(Key),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tell {
    /// It is there.
    Pong,
    /// The key lies between the answerer and the first of these, its successors: that one owns it.
    Owners(Nodes),
    /// These come before the key, and are nearer to it: the nearest first.
    Nearer(Nodes),
    /// The predecessor and the successors of the answerer.
    Neighbours {
        /// Who comes before it, as far as it knows.
        predecessor: Option<NodeAddr>,
        /// Who comes after it, the nearest first.
        successors: Nodes,
    },
}
