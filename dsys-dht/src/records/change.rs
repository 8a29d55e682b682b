//! What is written to a disk: one change after the other.

use std::time::Duration;

use dsys_core::{Context, Machine, NodeAddr, Token, Write};
use serde::{Deserialize, Serialize};

use super::clock::UnixTime;
use super::record::{Record, RecordId};

/// One change of what a node keeps. As bytes: a version, then postcard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// This is kept.
    Keep {
        /// What.
        record: Record,
        /// Until when.
        expires: UnixTime,
        /// Whether it was published here.
        own: bool,
    },
    /// This is kept no longer.
    Remove(RecordId),
    /// The nodes that were known, and how long ago each was heard of, in place of those written before.
    Contacts(Vec<(NodeAddr, Duration)>),
}

/// What was written cannot be read: the store is damaged, or of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {0} of the store is damaged or of a later version; move the file away and start without it")]
pub struct DamagedRecord(pub usize);

const VERSION: u8 = 1;

impl Change {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Fails only for types that postcard does not know, of which there are none here.
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_allocvec(self).unwrap_or_default());
        bytes
    }

    /// From bytes; `None` if they are no change.
    pub fn decode(bytes: &[u8]) -> Option<Change> {
        let bytes = bytes.strip_prefix(&[VERSION])?;
        let (change, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(change)
    }

    pub(super) fn write<M: Machine>(&self, cx: &mut Context<'_, M>) {
        cx.store(Token(0), Write::Append(self.encode()));
    }
}
