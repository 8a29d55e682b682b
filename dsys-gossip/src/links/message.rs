//! What nodes send each other about links: wire version 1.

use serde::{Deserialize, Serialize};

use crate::membership::full;

/// One message of a detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// "I live": the sender's heartbeat of this number.
    Beat(u64),
    /// The answer of one who does not send us heartbeats, with the number of its last: a link that only we hold for one is no
    /// death.
    Here(u64),
    /// Of SWIM.
    Swim(full::Message),
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        1 + match self {
            Message::Beat(_) | Message::Here(_) => 2,
            Message::Swim(message) => message.size(),
        }
    }
}
