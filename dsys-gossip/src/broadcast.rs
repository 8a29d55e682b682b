//! What every broadcast is asked and tells, so that a whole can put one in the place of another.

use bytes::Bytes;
use dsys_core::NodeId;

use crate::MessageId;

/// What a broadcast is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Tell everybody.
    Broadcast {
        /// A name that no other message has.
        id: MessageId,
        /// What to tell.
        payload: Bytes,
    },
    /// This message has come by another way: it is neither asked for nor delivered any more.
    Know(MessageId),
    /// The same, and it is not given to anybody any more.
    Forget(MessageId),
}

/// What a broadcast tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message came for the first time; its origin gets it too, with 0 hops.
    Delivered {
        /// Which.
        id: MessageId,
        /// What it says.
        payload: Bytes,
        /// How many links it crossed.
        hops: u32,
        /// Who told us; ourselves for our own.
        from: NodeId,
    },
    /// A message was not sent: it is too long, or its name was seen before. Nothing changed.
    Refused(MessageId),
    /// A name was announced, and none of those who announced it had the message: only anti-entropy can find it now.
    Lost(MessageId),
    /// A neighbour broke a bound of the protocol, and is none any more: whoever keeps the neighbours should take
    /// another.
    Violated(NodeId),
}
