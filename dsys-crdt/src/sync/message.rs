//! What peers say to each other, under `dsys/crdt/sync/4`.

use serde::{Deserialize, Serialize};

use crate::change::{ChangeId, DocumentId};

/// A message about one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The last changes that the sender has.
    Heads {
        /// The document.
        document: DocumentId,
        /// The changes that no other follows.
        heads: Vec<ChangeId>,
        /// What the sender wants for it.
        wish: Wish,
    },
    /// The sender wants what it lacks of the receiver's, who does not know its last changes; it has these.
    Have {
        /// The document.
        document: DocumentId,
        /// See [`Log::summary`](crate::change::Log::summary).
        have: Vec<ChangeId>,
    },
    /// Changes.
    Changes {
        /// The document.
        document: DocumentId,
        /// Its number among those to this peer.
        piece: u64,
        /// So many changes are to follow.
        left: u64,
        /// As [`encode`](crate::change::encode) gives them.
        #[serde(with = "bytes")]
        changes: Vec<u8>,
    },
    /// A piece was taken in, and is durable.
    Stored {
        /// The document.
        document: DocumentId,
        /// The piece.
        piece: u64,
    },
    /// The sender had it all already: what comes from others is to be announced only.
    Spare {
        /// The document.
        document: DocumentId,
    },
    /// The sender does not share this document, with this peer at least.
    Declined {
        /// The document.
        document: DocumentId,
    },
    /// What the sender's app shows to others, and nobody keeps.
    Presence {
        /// The document.
        document: DocumentId,
        /// The app's.
        #[serde(with = "bytes")]
        state: Vec<u8>,
    },
    /// What the sender has of many documents: for ranges in ascending order, how many it shares with the receiver, and a hash
    /// of their names and last changes.
    Digest {
        /// Range, number, and hash.
        ranges: Vec<(DocumentRange, u32, [u8; 16])>,
    },
    /// The sender has the same of these.
    Same {
        /// As in a digest.
        range: DocumentRange,
    },
    /// The sender has something else of these.
    Differ {
        /// As in a digest.
        range: DocumentRange,
    },
    /// What the receiver has asked for was cut by the sender: others have to give it.
    Trimmed {
        /// The document.
        document: DocumentId,
        /// The last changes that were cut: whoever has them gets what follows. At most
        /// [`Config::max_named`](super::Config::max_named).
        after: Vec<ChangeId>,
    },
    /// What the document says, for who has nothing of it and wishes so, ahead of the changes.
    Preview {
        /// The document.
        document: DocumentId,
        /// The version.
        heads: Vec<ChangeId>,
        /// As [`Preview::encode`](super::Preview::encode) gives it.
        #[serde(with = "bytes")]
        content: Vec<u8>,
    },
}

/// What the sender of its last changes wants to have from the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Nothing: it says what it has.
    Nothing,
    /// The receiver's last changes, even if it has told them before.
    Heads,
    /// The changes that follow its own; or, where there are none or they cannot be told, the receiver's last changes.
    Changes,
    /// The same, and ahead of it what the document says: the sender has nothing of it yet.
    Preview,
}

/// All documents from one name to another that are shared with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRange {
    /// The first of them.
    pub first: DocumentId,
    /// The last of them.
    pub last: DocumentId,
}

/// As one string of bytes, and not as a list of numbers.
mod bytes {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }

        from.deserialize_bytes(Bytes)
    }
}
