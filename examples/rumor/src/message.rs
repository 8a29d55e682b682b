//! What nodes send each other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The name of a rumour: 16 random bytes, drawn by whoever publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RumorId(pub [u8; 16]);

/// One message of the protocol, wire version 1. Bounded by `Config::max_payload` and `Config::max_rumors`: a node
/// ignores what is longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// "Have you heard?" Answered by `Feedback`.
    Push {
        /// Which rumour.
        id: RumorId,
        /// How many nodes it has passed, the one that gets this included.
        hops: u32,
        /// What it says.
        payload: Bytes,
    },
    /// Whether the push was news.
    Feedback {
        /// Which rumour.
        id: RumorId,
        /// It was known already.
        knew: bool,
    },
    /// Anti-entropy: all that the sender knows, in the order of names. Answered by what it lacks, and by `Want`.
    Digest(Vec<RumorId>),
    /// Anti-entropy: please push these.
    Want(Vec<RumorId>),
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        match self {
            Message::Push { payload, .. } => 20 + payload.len(),
            Message::Feedback { .. } => 18,
            Message::Digest(ids) | Message::Want(ids) => 2 + 16 * ids.len(),
        }
    }
}
