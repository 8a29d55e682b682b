//! What is written to a store: one change of a log after the other.

use bytes::Bytes;
use dsys_core::{Context, Machine, NodeId, Token, Write};
use serde::{Deserialize, Serialize};

use crate::envelope::{Timestamp, TopicId};

/// One change of a log. As bytes: a version, then postcard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// This message is at this place. A signed way is not kept: nobody is told of it after a restart.
    Keep {
        topic: TopicId,
        place: u64,
        from: NodeId,
        hops: u32,
        /// When it ends, and when it came here.
        end: Timestamp,
        at: Timestamp,
        envelope: Bytes,
    },
    /// What was at this place has gone.
    Gone { topic: TopicId, place: u64 },
    /// The number of the log, the place of the next message, and the last number of our own messages.
    Log { topic: TopicId, number: u64, next: u64, seq: u64 },
    /// A neighbour that is fed has what lies before this place, and names its own log so.
    Fed { topic: TopicId, peer: NodeId, log: u16, next: u64 },
    /// Of this neighbour's log, by its number, we have what lies before this place.
    Reached { topic: TopicId, peer: NodeId, upto: (u64, u64) },
    /// That is of no use any more.
    Forgot { topic: TopicId, peer: NodeId },
}

/// What was written cannot be read: the store is damaged, or of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {0} of the store is damaged or of a later version; move the file away and start without it")]
pub struct DamagedRecord(pub usize);

const VERSION: u8 = 1;

impl Change {
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Fails only for types that postcard does not know, of which there are none here.
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_allocvec(self).unwrap_or_default());
        bytes
    }

    /// `None` if these bytes are no change.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Change> {
        let bytes = bytes.strip_prefix(&[VERSION])?;
        let (change, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(change)
    }

    pub(crate) fn write<M: Machine>(&self, cx: &mut Context<'_, M>) {
        cx.store(Token(0), Write::Append(self.encode()));
    }

    /// Where it lies in a store: by topic: who is fed, the log, its messages in order, places in the logs of others.
    #[cfg(feature = "net")]
    pub(crate) fn key(&self) -> Vec<u8> {
        let (topic, kind, rest) = match self {
            Change::Fed { topic, peer, .. } => (topic, b'f', peer.as_bytes().to_vec()),
            Change::Reached { topic, peer, .. } | Change::Forgot { topic, peer } => {
                (topic, b'p', peer.as_bytes().to_vec())
            }
            Change::Log { topic, .. } => (topic, b'l', Vec::new()),
            Change::Keep { topic, place, .. } | Change::Gone { topic, place } => {
                (topic, b'm', place.to_be_bytes().to_vec())
            }
        };
        [&topic.0[..], &[kind], &rest].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_these_bytes() {
        let (topic, time) = (TopicId([9; 8]), Timestamp::from_millis(300));
        let from = NodeId::from_bytes([1; 32]);
        let keep =
            Change::Keep { topic, place: 300, from, hops: 2, end: time, at: time, envelope: "hi".into() };
        let cases = [
            (keep, format!("0100{}ac02{}02ac02ac02026869", "09".repeat(8), "01".repeat(32))),
            (Change::Gone { topic, place: 300 }, format!("0101{}ac02", "09".repeat(8))),
            (Change::Log { topic, number: 7, next: 300, seq: 5 }, format!("0102{}07ac0205", "09".repeat(8))),
            (
                Change::Fed { topic, peer: from, log: 300, next: 5 },
                format!("0103{}{}ac0205", "09".repeat(8), "01".repeat(32)),
            ),
            (
                Change::Reached { topic, peer: from, upto: (300, 5) },
                format!("0104{}{}ac0205", "09".repeat(8), "01".repeat(32)),
            ),
            (Change::Forgot { topic, peer: from }, format!("0105{}{}", "09".repeat(8), "01".repeat(32))),
        ];
        for (change, hex) in cases {
            let bytes = change.encode();
            assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex);
            assert_eq!(Change::decode(&bytes), Some(change));
            let (longer, newer) = ([&bytes[..], &[0]].concat(), [&[2], &bytes[1..]].concat());
            assert_eq!((Change::decode(&longer), Change::decode(&newer)), (None, None));
            (0..bytes.len()).for_each(|cut| assert_eq!(Change::decode(&bytes[..cut]), None));
        }
    }
}
