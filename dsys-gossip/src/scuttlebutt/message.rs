//! What nodes send each other: wire version 1.

use bytes::Bytes;
use dsys_core::NodeId;
use serde::{Deserialize, Serialize};

/// How much of a participant's map is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The life: milliseconds since 1970 when it began.
    pub life: u64,
    /// The number of its last write in this life.
    pub number: u64,
}

/// Of the participants in a range of ids, from the first up to but without the second, or to the end: how much is known of
/// each. Of others nothing is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The first that may be among them.
    pub from: NodeId,
    /// The first behind them.
    pub to: Option<NodeId>,
    /// In order.
    pub versions: Vec<(NodeId, Version)>,
}

/// Writes of one participant that follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// Whose.
    pub of: NodeId,
    /// Of which life.
    pub life: u64,
    /// They are all that it has written after this number and not replaced since, up to the last of them.
    pub after: u64,
    /// In the order of their numbers.
    pub writes: Vec<Write>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Its number.
    pub number: u64,
    /// What was written.
    pub key: Bytes,
    /// `None`: it was deleted.
    pub value: Option<Bytes>,
}

/// One message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// "This I know": answered by `Differ`.
    Digest(Known),
    /// "This you lack, and this I know": answered by `Writes`, if the answer is not empty.
    Differ {
        /// What the other lacks.
        writes: Vec<Writes>,
        /// Of the same range.
        known: Known,
    },
    /// "And this you lack."
    Writes(Vec<Writes>),
}

impl Write {
    /// About how many bytes it takes on the wire.
    pub(super) fn size(&self) -> usize {
        5 + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// About how many bytes stand before the writes of a participant.
pub(super) const HEAD: usize = 40;

impl Message {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        let known = |known: &Known| 66 + 40 * known.versions.len();
        let one = |one: &Writes| HEAD + one.writes.iter().map(Write::size).sum::<usize>();
        1 + match self {
            Message::Digest(digest) => known(digest),
            Message::Differ { writes, known: digest } => {
                1 + writes.iter().map(one).sum::<usize>() + known(digest)
            }
            Message::Writes(writes) => 1 + writes.iter().map(one).sum::<usize>(),
        }
    }
}
