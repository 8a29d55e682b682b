//! One topic that was joined.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use dsys_core::NodeId;

use super::catch_up::CatchUp;
use super::meter::{Meter, Meters};
use super::quality::{Gauge, Quality};
use super::{Config, FeedStats, Stats};
use crate::MessageId;
use crate::envelope::{Door, Envelope, Timestamp, TopicName};
use crate::membership::full::Full;
use crate::membership::partial::Partial;
use crate::path::Path;
use crate::store::MemoryStore;
use crate::topic::Topic;

/// A message that has passed the door, on its way through the tree.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) id: MessageId,
    pub(super) envelope: Envelope,
    pub(super) bytes: Bytes,
    pub(super) path: Option<Arc<Path>>,
    pub(super) from: NodeId,
}

/// What we have to say.
#[derive(Clone, Debug)]
pub(super) enum Saying {
    Message(Bytes),
    /// That this one of ours is deleted.
    Delete(MessageId),
}

/// One topic that was joined.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) name: TopicName,
    pub(super) topic: Topic,
    pub(super) door: Door,
    pub(super) catch_up: CatchUp,
    pub(super) meters: Meters,
    pub(super) opened: Option<Opened>,
    /// Our own, which wait to go out.
    pub(super) pending: VecDeque<(u64, Saying)>,
    pub(super) pace: Meter,
    pub(super) last_seq: u64,
    pub(super) since: Timestamp,
    /// Whoever gave us what we have fetched and not yet told others of; `None` inside if they were several.
    pub(super) news: Option<Option<NodeId>>,
    pub(super) gauge: Gauge,
    /// Names that the tree had forgotten for want of room, when we looked last.
    pub(super) forgotten: u64,
    /// The counters that no part keeps.
    pub(super) stats: Stats,
    /// Something has happened since the last report.
    pub(super) changed: bool,
}

impl Joined {
    /// `topic` is its membership and its tree.
    pub(super) fn new(topic: Topic, name: TopicName, log: u64, now: Timestamp, config: &Config) -> Self {
        let id = name.id();
        Joined {
            topic,
            door: Door::new(name.clone(), config.door.clone()),
            catch_up: CatchUp::new(id, log),
            name,
            meters: Meters::default(),
            opened: None,
            pending: VecDeque::new(),
            pace: Meter::default(),
            last_seq: 0,
            since: now,
            news: None,
            gauge: Gauge::default(),
            forgotten: 0,
            stats: Stats::default(),
            changed: true,
        }
    }

    /// The number of our next message: one more than the last, or the time in microseconds when we start, so that a node
    /// that forgot its last number does not use it again.
    pub(super) fn next_seq(&mut self, now: Timestamp) -> u64 {
        self.last_seq = match self.last_seq {
            0 => now.as_millis().saturating_mul(1_000),
            last => last.saturating_add(1),
        };
        self.last_seq
    }

    pub(super) fn quality(&self) -> Quality {
        self.gauge.quality(self.stats.published, self.topic.broadcast().stats())
    }

    pub(super) fn stats(&self, store: &MemoryStore, feed: FeedStats) -> Stats {
        Stats {
            feed,
            neighbours: self.topic.neighbours().len(),
            pending: self.pending.len(),
            kept: store.len(),
            kept_bytes: store.bytes(),
            dropped: store.dropped(),
            door: self.door.stats(),
            catch_up: self.catch_up.stats,
            membership: self.topic.membership().map(Partial::stats).unwrap_or_default(),
            members: self.topic.members().map(Full::stats).unwrap_or_default(),
            broadcast: self.topic.broadcast().stats(),
            ..self.stats
        }
    }
}
