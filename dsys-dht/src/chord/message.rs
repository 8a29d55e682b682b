//! What nodes send each other.

use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::{Bounded, Key};

/// No answer names more nodes than this.
pub(super) const MAX_NODES: usize = 32;

/// Places in an answer: at most 32.
pub type Places = Bounded<Place, MAX_NODES>;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A question.
    Request {
        /// The asker's number for it, returned in the answer.
        call: u32,
        /// Which of the receiver's virtual nodes is asked.
        at: u8,
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
    /// A virtual node of the sender believes to be the predecessor of one of the receiver's (SIGCOMM'01 §4.4, `notify`).
    Notify {
        /// The receiver's.
        at: u8,
        /// The sender's, and where that one is reached.
        by: Place,
    },
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ask {
    /// Whether it is there.
    Ping,
    /// Who owns this key, or who is nearer to it?
    Way(Key),
    /// Who comes before and after it?
    Neighbours,
    /// Does it own this key? It is there if it does; if it knows who does, it names that one
    /// ([`Tell::Owners`]).
    Owns(Key),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tell {
    /// It is there.
    Pong,
    /// The key lies between the answerer and the first of these, its successors: that one owns it.
    Owners(Places),
    /// These come before the key, and are nearer to it: the nearest first.
    Nearer(Places),
    /// The predecessor and the successors of the answerer.
    Neighbours {
        /// Who comes before it, as far as it knows.
        predecessor: Option<Place>,
        /// Who comes after it, the nearest first.
        successors: Places,
    },
}

impl Tell {
    /// No place is named that a node of so many virtual nodes does not have.
    pub(super) fn within(self, virtual_nodes: u8) -> Self {
        let within = |places: Places| {
            let mut places = places.into_vec();
            places.retain(|place| place.number() < virtual_nodes);
            Places::from(places)
        };
        match self {
            Tell::Pong => Tell::Pong,
            Tell::Owners(owners) => Tell::Owners(within(owners)),
            Tell::Nearer(nearer) => Tell::Nearer(within(nearer)),
            Tell::Neighbours { predecessor, successors } => Tell::Neighbours {
                predecessor: predecessor.filter(|place| place.number() < virtual_nodes),
                successors: within(successors),
            },
        }
    }
}
