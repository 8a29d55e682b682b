//! What a payload says.

use dsys_core::NodeAddr;
use dsys_gossip::MessageId;
use serde::{Deserialize, Serialize};

/// What a payload says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// A line of the room.
    Line {
        /// What its writer wants to be called.
        nick: String,
        /// The text.
        text: String,
    },
    /// Lines that the writer has on its screen.
    Seen {
        /// What it wants to be called.
        nick: String,
        /// Which.
        lines: Vec<MessageId>,
    },
    /// In the lobby: the writer is in this room too, so that whoever goes there knows whom to ask.
    Here {
        /// Which.
        room: String,
        /// Where the writer is reached.
        addr: NodeAddr,
    },
}

impl Said {
    pub(crate) fn encode(&self) -> Vec<u8> {
        // What cannot be encoded is not said.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

/// Others' text on our terminal: no control characters, and no more than a line should have.
pub(crate) fn clean(text: &str, most: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(most).collect()
}
