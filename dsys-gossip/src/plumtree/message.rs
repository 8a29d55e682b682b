//! What nodes send each other: wire version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::MessageId;

/// One message of the protocol. Whoever announces more than
/// [`Config::max_announced`](super::Config::max_announced) at once is no neighbour any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The message itself, over an eager link or in answer to a graft.
    Gossip {
        /// Its name.
        id: MessageId,
        /// How many links it has crossed, this one included.
        hops: u32,
        /// What it says.
        payload: Bytes,
    },
    /// "I have these", over a lazy link.
    IHave(Vec<MessageId>),
    /// "Make this link eager", and send this message if one is named.
    Graft(Option<MessageId>),
    /// "Make this link lazy."
    Prune,
    /// Measures the round trip; answered by `Pong`.
    Ping,
    /// See `Ping`.
    Pong,
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        match self {
            Message::Gossip { payload, .. } => 20 + payload.len(),
            Message::IHave(ids) => 2 + 16 * ids.len(),
            Message::Graft(id) => 2 + id.map_or(0, |_| 16),
            Message::Prune | Message::Ping | Message::Pong => 1,
        }
    }
}
