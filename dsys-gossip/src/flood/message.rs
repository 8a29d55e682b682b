//! What nodes send each other: wire version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::MessageId;

/// One message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Tell your neighbours.
    Gossip {
        /// Its name.
        id: MessageId,
        /// How many links it has crossed, this one included.
        hops: u32,
        /// What it says.
        payload: Bytes,
    },
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        let Message::Gossip { payload, .. } = self;
        19 + payload.len()
    }
}
