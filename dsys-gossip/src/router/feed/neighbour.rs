//! What is known of one neighbour that is fed, and where both directions stand.

use std::collections::BTreeMap;

use dsys_core::Time;

use crate::MessageId;
use crate::envelope::TopicId;

/// So many names has a batch at most: the bits of a mask.
pub(super) const MOST_IDS: usize = 16;

/// A place in our log: a neighbour has what lies behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) next: u64,
    /// The neighbour's log, as it names it: with another one it has forgotten what it had.
    pub(super) log: Option<u16>,
    /// Whether it knows that we are in the topic.
    pub(super) known: bool,
}

/// What is offered to a neighbour and being sent.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) number: u16,
    pub(super) topic: TopicId,
    /// The place behind the last of it.
    pub(super) upto: u64,
    pub(super) ids: Vec<MessageId>,
    /// How many it lacks, and how much of the first of these it has, once it has said so.
    pub(super) reached: Option<(u32, u32)>,
    /// What is still to be sent, and from which byte on the first of it.
    pub(super) todo: u16,
    pub(super) offset: usize,
    /// How many parts may be sent before the next answer.
    pub(super) window: u16,
    /// Whether something was sent since the last answer.
    pub(super) unconfirmed: bool,
    /// Whether the offer was sent, in this contact.
    pub(super) offered: bool,
}

/// What a neighbour offers.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) number: u16,
    pub(super) topic: TopicId,
    pub(super) ids: Vec<MessageId>,
    /// What we do not take.
    pub(super) refused: u16,
}

/// One neighbour.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbour {
    pub(super) topics: BTreeMap<TopicId, Place>,
    /// Whether it is there, as far as we know.
    pub(super) present: bool,
    /// It has lied, and is not listened to.
    pub(super) barred: bool,
    pub(super) sending: Option<Batch>,
    /// We wait for an answer, and not for the pace.
    pub(super) waits: bool,
    /// Answers that did not come, or brought us no further, in a row.
    pub(super) tries: u8,
    /// When it was tried last while it was away.
    pub(super) probed: Option<Time>,
    pub(super) batches: u16,
    /// The topic that was served last.
    pub(super) last: Option<TopicId>,
    pub(super) incoming: Option<Incoming>,
    /// The message of which parts have come.
    pub(super) assembly: Option<(MessageId, Vec<u8>)>,
}

impl Neighbour {
    pub(super) fn assembling(&self) -> usize {
        self.assembly.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    /// What was under way is offered anew.
    pub(super) fn offer_again(&mut self) {
        self.tries = 0;
        self.waits = false;
        if let Some(batch) = &mut self.sending {
            (batch.offered, batch.reached, batch.unconfirmed) = (false, None, false);
        }
    }

    pub(super) fn leave(&mut self, topic: TopicId) -> Option<Place> {
        self.sending = self.sending.take().filter(|batch| batch.topic != topic);
        self.incoming = self.incoming.take().filter(|incoming| incoming.topic != topic);
        self.topics.remove(&topic)
    }

    /// The topics, beginning behind the one that was served last.
    pub(super) fn turns(&self) -> Vec<TopicId> {
        let mut topics: Vec<TopicId> = self.topics.keys().copied().collect();
        let behind = topics.partition_point(|topic| Some(*topic) <= self.last);
        topics.rotate_left(behind);
        topics
    }

    /// Which of the names that it offers we lack, and how many bytes of the first of them are here.
    pub(super) fn lacks(&self, known: impl Fn(MessageId) -> bool) -> Option<(u16, usize)> {
        let incoming = self.incoming.as_ref()?;
        let mut missing = 0;
        for (at, id) in incoming.ids.iter().enumerate() {
            missing |= u16::from(incoming.refused & 1 << at == 0 && !known(*id)) << at;
        }
        let first = incoming.ids.get(missing.trailing_zeros() as usize);
        let here = self.assembly.as_ref().filter(|(id, _)| Some(id) == first);
        Some((missing, here.map_or(0, |(_, bytes)| bytes.len())))
    }
}

impl Batch {
    /// A bit for each name.
    pub(super) fn all(&self) -> u16 {
        1u16.checked_shl(self.ids.len() as u32).map_or(u16::MAX, |above| above - 1)
    }
}
