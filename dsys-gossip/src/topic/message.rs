//! What nodes send each other: wire version 1.

use serde::{Deserialize, Serialize};

use crate::membership::{full, partial};
use crate::plumtree;

/// One message of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Of its membership.
    Membership(partial::Message),
    /// Of its broadcast tree.
    Broadcast(plumtree::Message),
    /// Of its membership, where all know all.
    Full(full::Message),
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        1 + match self {
            Message::Membership(message) => message.size(),
            Message::Broadcast(message) => message.size(),
            Message::Full(message) => message.size(),
        }
    }
}
