//! What outlives the process: the logs, their numbers, and the last numbers of our own messages.
//!
//! Each change is one record, written before anything that was said of it goes out. So a message that was published, or
//! given to a neighbour, is there after a crash; and so are the places in our log that neighbours remember.

use std::collections::BTreeMap;

use dsys_core::{Context, NodeId};

use super::Router;
use crate::MessageId;
use crate::envelope::{Envelope, TopicId};
use crate::store::{Change, DamagedRecord, Kept, MemoryStore};
use crate::topic::Topic;

/// What was written of a topic beside its messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The number of the log.
    pub(super) number: u64,
    /// The place of its next message, if it is empty.
    next: u64,
    /// The number of our last message.
    pub(super) seq: u64,
    /// How far we had come in the logs of neighbours.
    pub(super) reached: BTreeMap<NodeId, (u64, u64)>,
}

impl Router {
    /// Begins with what an earlier life has written, in the order of writing or in that of the store's keys, and writes down
    /// what changes from now on. Topics that were joined then must be joined again; their messages are there.
    ///
    /// # Errors
    /// [`DamagedRecord`]: a record says nothing, or what cannot be.
    pub fn restore<'a>(mut self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DamagedRecord> {
        for (number, record) in records.into_iter().enumerate() {
            let change = Change::decode(record).ok_or(DamagedRecord(number))?;
            if !self.replay(change) {
                return Err(DamagedRecord(number));
            }
        }
        for (topic, Written { next, .. }) in &self.written {
            let (first, end) = self.store.range(*topic);
            if first == end && *next > end {
                self.store.resume(*topic, *next);
            }
        }
        // What went in the earlier life was written then.
        self.store.record();
        self.durable = true;
        Ok(self)
    }

    fn replay(&mut self, change: Change) -> bool {
        match change {
            Change::Keep { topic, place, from, hops, end, at, envelope: bytes } => {
                let envelope = Envelope::decode(&bytes).filter(|envelope| envelope.topic.id() == topic);
                envelope.is_some_and(|envelope| {
                    let id = envelope.digest().id();
                    let kept = Kept { at, ..Kept::new(id, envelope, bytes, None, from, hops, end) };
                    self.store.restore(topic, place, kept)
                })
            }
            Change::Gone { topic, place } => {
                self.store.take(topic, place);
                true
            }
            Change::Fed { topic, peer, log, next } => {
                self.feeds.restore(topic, peer, log, next);
                true
            }
            Change::Log { topic, number, next, seq } => {
                let written = self.written.entry(topic).or_default();
                (written.number, written.next, written.seq) = (number, next, seq);
                true
            }
            Change::Reached { topic, peer, upto } => {
                self.written.entry(topic).or_default().reached.insert(peer, upto);
                true
            }
            Change::Forgot { topic, peer } => {
                self.written.entry(topic).or_default().reached.remove(&peer);
                true
            }
        }
    }

    /// Where the logs of all topics end.
    #[cfg(feature = "net")]
    pub(crate) fn ends(&self) -> BTreeMap<TopicId, u64> {
        self.store.ends()
    }

    pub(super) fn write_kept(&self, topic: TopicId, kept: &Kept, cx: &mut Context<'_, Self>) {
        if !self.durable {
            return;
        }
        let (_, place) = self.store.range(topic);
        let (from, hops, end, at) = (kept.from, kept.hops, kept.end, self.wall(cx.now()));
        Change::Keep { topic, place, from, hops, end, at, envelope: kept.bytes.clone() }.write(cx);
    }

    pub(super) fn write_gone(&mut self, cx: &mut Context<'_, Self>) {
        for (topic, place) in self.store.gone() {
            Change::Gone { topic, place }.write(cx);
        }
    }

    /// Of a topic's log and our own messages in it.
    pub(super) fn write_log(&mut self, topic: TopicId, cx: &mut Context<'_, Self>) {
        let Some(joined) = self.topics.get(&topic).filter(|_| self.durable) else { return };
        let (number, seq) = (joined.catch_up.log, joined.last_seq);
        let next = self.store.range(topic).1;
        let written = self.written.entry(topic).or_default();
        (written.number, written.next, written.seq) = (number, next, seq);
        Change::Log { topic, number, next, seq }.write(cx);
    }
}

/// Whether a message is known: the tree may have forgotten the name of one that is kept, and never heard it in this life.
pub(super) fn known<'a>(
    topic: &'a Topic,
    store: &'a MemoryStore,
    id: TopicId,
) -> impl Fn(MessageId) -> bool + 'a {
    move |name| topic.broadcast().has_seen(name) || store.place(id, name).is_some()
}
