//! What nodes send each other: wire version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::MessageId;

/// One message of the protocol. A node disconnects whoever sends more than
/// [`Config::max_exchange`](super::Config::max_exchange) updates or verdicts in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Begins a conversation: what the sender is spreading.
    Push(Vec<Update>),
    /// Begins a conversation: asks for what the other is spreading.
    Pull {
        /// The sender wants to push too, once it has heard what the other has.
        offers: bool,
    },
    /// Answers a pull: what the sender is spreading.
    Give(Vec<Update>),
    /// What was thought of updates just sent, and what the sender is spreading besides.
    Judge {
        /// One for each update, with feedback.
        verdicts: Vec<Verdict>,
        /// Only from whoever has pulled and has offered them.
        updates: Vec<Update>,
    },
    /// "I have taken as many contacts in this cycle as I may." Nothing of the contact was looked at.
    Busy,
}

/// A rumour on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Its name.
    pub id: MessageId,
    /// How many nodes it has passed, the one that gets this included.
    pub hops: u32,
    /// What it says.
    pub payload: Bytes,
}

/// What a node thought of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which.
    pub id: MessageId,
    /// The node did not know it when its cycle began.
    pub news: bool,
}

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        let all = |updates: &[Update]| updates.iter().map(|update| 18 + update.payload.len()).sum::<usize>();
        match self {
            Message::Push(updates) | Message::Give(updates) => 2 + all(updates),
            Message::Pull { .. } => 2,
            Message::Judge { verdicts, updates } => 3 + 17 * verdicts.len() + all(updates),
            Message::Busy => 1,
        }
    }
}
