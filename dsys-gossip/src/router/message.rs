//! What nodes send each other about topics: wire version 1. On the network it is wrapped once more, as `agent` says.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::MessageId;
use crate::envelope::TopicId;
use crate::path::Hops;
use crate::reconcile::Cell;
use crate::{plumtree, topic};

/// One message on the wire: for one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// Which.
    pub topic: TopicId,
    /// What.
    pub body: Body,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Of the topic's membership or tree. The payloads of the tree are envelopes.
    Topic(topic::Message),
    /// An envelope of the tree, with the way it came.
    Signed {
        /// The tree's.
        message: plumtree::Message,
        /// The way, signed up to the sender and for the receiver.
        hops: Hops,
    },
    /// "Which messages have come to your log, since I asked last?"
    Ask {
        /// The log and the place in it up to which the answers reached; `None` if there was none.
        after: Option<(u64, u64)>,
        /// Whether cells of the whole log may be the answer.
        compare: Option<Compare>,
    },
    /// "These": the answer.
    Names {
        /// The number of the sender's log, and the place up to which this answer reaches.
        upto: (u64, u64),
        /// Whether there is more behind it.
        more: bool,
        /// The names; without those that the receiver itself has sent, if it named a place.
        ids: Vec<MessageId>,
    },
    /// "Send me these."
    Want(Vec<MessageId>),
    /// One of them.
    Give {
        /// Its name.
        id: MessageId,
        /// How many links it has crossed, this one included.
        hops: u32,
        /// Its envelope.
        envelope: Bytes,
        /// The way, if it was signed.
        path: Option<Hops>,
    },
    /// "That was all I could send now; and these I do not have any more."
    Gone(Vec<MessageId>),
    /// "I have caught up: ask me."
    News,
    /// "These cells are the sum of all that I have": the other answer. It reaches to the end of the log, and every message of
    /// the log may be wanted.
    Cells {
        /// The number of the sender's log, and the place of its end.
        upto: (u64, u64),
        /// The key of the cells.
        key: (u64, u64),
        /// The first cells of its [sketch](crate::reconcile::Sketch).
        cells: Vec<Cell>,
    },
    /// "These wait for you, in this order." See [`feed`](super::feed).
    Offer {
        /// The sender's number for it.
        batch: u16,
        /// A part of the number of the sender's log: with another one it has forgotten what it had.
        log: u16,
        /// Their names. None: "I am in the topic."
        ids: Vec<MessageId>,
    },
    /// "Of that batch I lack these, and have so much of the first of them": the answer to an offer, or to a part.
    Need {
        /// The number.
        batch: u16,
        /// A bit for each, the lowest for the first.
        missing: u16,
        /// Bytes.
        have: u32,
    },
    /// A part of an envelope.
    Part {
        /// The number of the batch.
        batch: u16,
        /// Which of its messages.
        which: u8,
        /// How many bytes come before this part.
        offset: u32,
        /// Whether it is the last part.
        last: bool,
        /// Whether an answer is wanted.
        answer: bool,
        /// The bytes.
        bytes: Bytes,
    },
}

impl Body {
    /// The most that an offer takes beside the names, the topic included.
    pub(super) const OFFER: usize = 9 + 7;
    /// The most that a part takes beside its bytes, the topic included.
    pub(super) const PART: usize = 9 + 13;
}

/// What the one who lacks says of its own log, so that the other can tell which answer is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// How many messages it has.
    pub held: u64,
    /// How many differences it expects, if cells for fewer were not enough.
    pub expected: Option<u64>,
}

impl Wire {
    /// About how many bytes the message takes on the wire.
    pub fn size(&self) -> usize {
        let way = |hops: &Hops| 33 + 96 * hops.signed.len();
        9 + match &self.body {
            Body::Topic(message) => message.size(),
            Body::Signed { message, hops } => message.size() + way(hops),
            Body::Ask { after, compare } => 2 + after.map_or(0, |_| 12) + compare.map_or(0, |_| 4),
            // A count of one or two bytes, a hash of ten, the names.
            Body::Cells { cells, .. } => 35 + 28 * cells.len(),
            Body::Names { ids, .. } => 15 + 16 * ids.len(),
            Body::Want(ids) | Body::Gone(ids) => 1 + 16 * ids.len(),
            Body::Give { envelope, path, .. } => 20 + envelope.len() + path.as_ref().map_or(0, way),
            Body::News => 0,
            Body::Offer { ids, .. } => Body::OFFER - 9 + 16 * ids.len(),
            Body::Need { .. } => 11,
            Body::Part { bytes, .. } => Body::PART - 9 + bytes.len(),
        }
    }
}
