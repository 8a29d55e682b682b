//! What nodes send each other: the overlay's messages, and letters about records that ride beside them.

use serde::{Deserialize, Serialize};

use super::record::{Invalid, Kind, Record, RecordId};
use crate::{Bounded, Key};

/// No letter names more records than this.
pub(super) const MAX_OFFERED: usize = 64;
/// No answer has more records than this.
pub(super) const MAX_FOUND: usize = 32;

/// One message. A letter to a node that the overlay has something to say to costs no message of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message<M> {
    /// What the overlays say to each other.
    pub overlay: Option<M>,
    /// What is said about records.
    pub letter: Option<Letter>,
}

/// A question or an answer about records.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Letter {
    /// A question.
    Ask {
        /// The asker's number for it, returned in the answer.
        call: u32,
        /// What is asked.
        ask: Ask,
    },
    /// The answer to the question of this number.
    Tell {
        /// The asker's number.
        call: u32,
        /// The answer.
        tell: Tell,
    },
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ask {
    /// What lies there?
    Get {
        /// Under which key.
        key: Key,
        /// What kind.
        kind: Kind,
    },
    /// Keep this.
    Store {
        /// What.
        record: Record,
        /// For so many seconds, if it does not say so itself.
        ttl: u32,
        /// Only as long as nobody has a higher sequence number than this.
        after: Option<u64>,
        /// It is a copy to shorten the way of others, which may be dropped first.
        cached: bool,
    },
    /// Which of these are not known, or only in an older version?
    Offer(Bounded<Offered, MAX_OFFERED>),
    /// Offer me what I should keep: I have just joined.
    Pull,
}

/// A record that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offered {
    /// Which.
    pub id: RecordId,
    /// Its sequence number, or the expiry of a provider record; 0 for other kinds.
    pub version: u64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tell {
    /// What lies there, and for how many seconds yet; nothing if it is not known.
    Found(Bounded<(Record, u32), MAX_FOUND>),
    /// It is kept, and if there is a disk it is on it.
    Stored,
    /// It is not kept.
    Refused(Refused),
    /// These of the offered ones, by their place in the offer.
    Wanted(Bounded<u8, MAX_OFFERED>),
}

/// Why a node does not keep a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refused {
    /// It does not hold.
    Invalid(Invalid),
    /// There is no room.
    Full,
    /// The asker stores more than it may.
    TooFast,
    /// This one is newer: the proof that the refusal is honest.
    Newer(Box<Record>),
}

impl<M> Message<M> {
    /// About how many bytes it takes on the wire, for the simulator's counters.
    pub fn size(&self, overlay: impl Fn(&M) -> usize) -> usize {
        let letter = match &self.letter {
            None => 0,
            Some(Letter::Ask { ask: Ask::Get { .. }, .. }) => 36,
            Some(Letter::Ask { ask: Ask::Store { record, .. }, .. }) => 12 + record.size(),
            Some(Letter::Ask { ask: Ask::Offer(offered), .. }) => 4 + offered.len() * 70,
            Some(Letter::Ask { ask: Ask::Pull, .. }) => 3,
            Some(Letter::Tell { tell: Tell::Found(found), .. }) => {
                4 + found.iter().map(|(record, _)| 4 + record.size()).sum::<usize>()
            }
            Some(Letter::Tell { tell: Tell::Refused(Refused::Newer(record)), .. }) => 4 + record.size(),
            Some(Letter::Tell { tell: Tell::Wanted(wanted), .. }) => 4 + wanted.len(),
            Some(Letter::Tell { .. }) => 4,
        };
        2 + self.overlay.as_ref().map_or(0, overlay) + letter
    }
}
