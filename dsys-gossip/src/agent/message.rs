//! What nodes send each other: wire version 1, tag `dsys/gossip/1`.

use serde::{Deserialize, Serialize};

use crate::links;
use crate::router::Wire;

/// One message on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// For one topic.
    Topic(Wire),
    /// For all.
    Link(links::Message),
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        1 + match self {
            Message::Topic(wire) => wire.size(),
            Message::Link(message) => message.size(),
        }
    }
}
