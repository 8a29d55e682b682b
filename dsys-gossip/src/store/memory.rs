//! What is kept of the messages of all topics, for those who come later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::NodeId;

use crate::MessageId;
use crate::envelope::{Envelope, Timestamp, TopicId};
use crate::path::Path;
use crate::reconcile::{Key, Sketch};

/// A message that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: MessageId,
    pub(crate) envelope: Arc<Envelope>,
    /// As on the wire; the envelope's payload is a part of it.
    pub(crate) bytes: Bytes,
    pub(crate) path: Option<Arc<Path>>,
    /// Who gave it to us.
    pub(crate) from: NodeId,
    pub(crate) hops: u32,
    /// From when on nobody passes it on.
    pub(crate) end: Timestamp,
    /// When it came here.
    pub(crate) at: Timestamp,
}

/// Keeps the messages of all topics in memory, bounded by number, by bytes and by age.
///
/// Each topic has a log in the order of arrival. At a bound the message that has been here longest goes first, of
/// whichever topic; then those who come later do not get it from us, and a subscription that has
/// not read it yet is told how many it missed. What has expired is not given to anybody, and goes when it is the oldest.
/// A deleted message goes at once; the certificate of its death stays as long as a message that came with it would, and with
/// an `age` below [`DoorConfig::max_lifetime`](crate::envelope::DoorConfig::max_lifetime) the message may come back from
/// somebody who has not heard of the deletion.
///
/// ```
/// use std::time::Duration;
/// use dsys_gossip::MemoryStore;
///
/// let store = MemoryStore::with_budget(64 << 20).messages(100_000).age(Duration::from_secs(3_600));
/// # let _ = store;
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    budget: usize,
    most: usize,
    age: Duration,
    logs: BTreeMap<TopicId, Log>,
    bytes: usize,
    count: usize,
    dropped: u64,
    /// The places of what has gone, for those who write it down.
    gone: Option<Vec<(TopicId, u64)>>,
}

#[derive(Clone, Debug, Default)]
struct Log {
    /// The place of the oldest.
    first: u64,
    /// Without what was deleted; the first is never one of these.
    kept: VecDeque<Option<Kept>>,
    places: BTreeMap<MessageId, u64>,
    /// What certificates in the log say, and the places of the latest: these messages of these origins are dead.
    dead: BTreeMap<(MessageId, NodeId), u64>,
    /// Of all names, once a neighbour has asked for it.
    sketch: Option<Sketch>,
}

/// So many messages that were deleted may stand between two that were not: more is a damaged file.
const MOST_GAP: u64 = 1 << 24;

/// About how many bytes a message takes in memory beside its envelope.
const ENTRY: usize = 320;

impl MemoryStore {
    /// At most about so many bytes, at most a million messages, none for longer than it lives.
    pub fn with_budget(bytes: usize) -> Self {
        MemoryStore {
            budget: bytes,
            most: 1_000_000,
            age: Duration::MAX,
            logs: BTreeMap::new(),
            bytes: 0,
            count: 0,
            dropped: 0,
            gone: None,
        }
    }

    /// At most so many messages.
    #[must_use]
    pub fn messages(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// None for longer than this; those whose time is over go when another comes.
    #[must_use]
    pub fn age(mut self, longest: Duration) -> Self {
        self.age = longest;
        self
    }

    /// How many messages are kept.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many went because of the budget or the number, before their age.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds a message at the end of its topic's log; gives its place.
    pub(crate) fn append(&mut self, topic: TopicId, mut kept: Kept, now: Timestamp) -> u64 {
        kept.at = now;
        let place = self.put(topic, kept);
        self.make_room(now);
        place
    }

    /// The same, whatever the bounds.
    fn put(&mut self, topic: TopicId, kept: Kept) -> u64 {
        self.bytes += kept.bytes.len() + ENTRY;
        self.count += 1;
        let log = self.logs.entry(topic).or_default();
        let place = log.first + log.kept.len() as u64;
        log.places.insert(kept.id, place);
        if let Some(deleted) = kept.envelope.deletes() {
            log.dead.insert((deleted, kept.envelope.origin), place);
        }
        if let Some(sketch) = &mut log.sketch {
            sketch.insert(kept.id);
        }
        log.kept.push_back(Some(kept));
        place
    }

    /// From now on [`gone`](Self::gone) says what goes.
    pub(crate) fn record(&mut self) {
        self.gone.get_or_insert_default();
    }

    /// What has gone since this was asked last.
    pub(crate) fn gone(&mut self) -> Vec<(TopicId, u64)> {
        self.gone.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts back what was kept in an earlier life, at a place behind those before. `false` if it is not, or too far behind.
    pub(crate) fn restore(&mut self, topic: TopicId, place: u64, kept: Kept) -> bool {
        if !self.resume(topic, place) {
            return false;
        }
        self.put(topic, kept);
        true
    }

    /// The next message comes to this place at least.
    pub(crate) fn resume(&mut self, topic: TopicId, place: u64) -> bool {
        let log = self.logs.entry(topic).or_default();
        let end = log.first + log.kept.len() as u64;
        let Some(gap) = place.checked_sub(end) else { return false };
        if log.kept.is_empty() {
            log.first = place;
        } else if gap > MOST_GAP {
            return false;
        } else {
            (0..gap).for_each(|_| log.kept.push_back(None));
        }
        true
    }

    /// What was at this place has gone.
    pub(crate) fn take(&mut self, topic: TopicId, place: u64) {
        let Some(log) = self.logs.get_mut(&topic) else { return };
        let at = place.checked_sub(log.first).and_then(|at| usize::try_from(at).ok());
        if let Some(gone) = at.and_then(|at| log.kept.get_mut(at)).and_then(Option::take) {
            (self.bytes, self.count) = (self.bytes - gone.bytes.len() - ENTRY, self.count - 1);
            log.forget(&gone, place);
            log.trim();
            self.gone.iter_mut().for_each(|gone| gone.push((topic, place)));
        }
    }

    /// The topics of which something is kept, and the places of their next messages.
    #[cfg(feature = "net")]
    pub(crate) fn ends(&self) -> BTreeMap<TopicId, u64> {
        self.logs.keys().map(|topic| (*topic, self.range(*topic).1)).collect()
    }

    /// Forgets a topic.
    pub(crate) fn remove(&mut self, topic: TopicId) {
        if let Some(log) = self.logs.remove(&topic) {
            for gone in log.kept.into_iter().flatten() {
                (self.bytes, self.count) = (self.bytes - gone.bytes.len() - ENTRY, self.count - 1);
            }
        }
    }

    pub(crate) fn place(&self, topic: TopicId, id: MessageId) -> Option<u64> {
        self.logs.get(&topic)?.places.get(&id).copied()
    }

    /// How many messages of this topic are kept.
    pub(crate) fn count(&self, topic: TopicId) -> usize {
        self.logs.get(&topic).map_or(0, |log| log.places.len())
    }

    /// The first so many cells of the names that are kept; made when it is first asked for, then kept up. `None` of an
    /// empty log.
    pub(crate) fn sketch(
        &mut self,
        topic: TopicId,
        cells: usize,
        key: impl FnOnce() -> Key,
    ) -> Option<&Sketch> {
        let log = self.logs.get_mut(&topic)?;
        let (names, sketch) = (&log.kept, &mut log.sketch);
        Some(sketch.get_or_insert_with(|| {
            let mut sketch = Sketch::new(key(), cells);
            names.iter().flatten().for_each(|kept| sketch.insert(kept.id));
            sketch
        }))
    }

    pub(crate) fn get(&self, topic: TopicId, id: MessageId) -> Option<&Kept> {
        let log = self.logs.get(&topic)?;
        let at = log.places.get(&id)?.checked_sub(log.first)?;
        log.kept.get(usize::try_from(at).ok()?)?.as_ref()
    }

    /// Whether a certificate says that this message of this origin is dead.
    pub(crate) fn is_dead(&self, topic: TopicId, id: MessageId, origin: NodeId) -> bool {
        self.logs.get(&topic).is_some_and(|log| log.dead.contains_key(&(id, origin)))
    }

    /// Takes a message away, if it is kept and of this origin.
    pub(crate) fn delete(&mut self, topic: TopicId, id: MessageId, origin: NodeId) {
        // Nobody takes a deletion back.
        let stays = |kept: &Kept| kept.envelope.origin != origin || kept.envelope.deletes().is_some();
        if self.get(topic, id).is_none_or(stays) {
            return;
        }
        if let Some(place) = self.place(topic, id) {
            self.take(topic, place);
        }
    }

    /// The places of the oldest that is kept and of the next that will come.
    pub(crate) fn range(&self, topic: TopicId) -> (u64, u64) {
        self.logs.get(&topic).map_or((0, 0), |log| (log.first, log.first + log.kept.len() as u64))
    }

    /// What is kept from this place on, with the places.
    pub(crate) fn from(&self, topic: TopicId, place: u64) -> impl Iterator<Item = (u64, &Kept)> {
        self.logs.get(&topic).into_iter().flat_map(move |log| {
            let skip = usize::try_from(place.saturating_sub(log.first)).unwrap_or(usize::MAX);
            // Where a deque is cut costs nothing.
            let skip = skip.min(log.kept.len());
            let places = (log.first + skip as u64..).zip(log.kept.range(skip..));
            places.filter_map(|(place, kept)| Some((place, kept.as_ref()?)))
        })
    }

    fn make_room(&mut self, now: Timestamp) {
        loop {
            let oldest = self
                .logs
                .iter()
                .filter_map(|(topic, log)| {
                    let front = log.kept.front()?.as_ref()?;
                    Some((front.at, *topic, log.first, front.end))
                })
                .min();
            let Some((then, topic, place, end)) = oldest else { return };
            let over = self.bytes > self.budget || self.count > self.most;
            if !over && end > now && now.since(then) <= self.age {
                return;
            }
            self.dropped += u64::from(over);
            self.take(topic, place);
        }
    }
}

impl Log {
    /// What else is known of one that is gone from its place.
    fn forget(&mut self, gone: &Kept, place: u64) {
        self.places.remove(&gone.id);
        if let Some(sketch) = &mut self.sketch {
            sketch.remove(gone.id);
        }
        let dead = gone.envelope.deletes().map(|deleted| (deleted, gone.envelope.origin));
        if let Some(dead) = dead.filter(|dead| self.dead.get(dead) == Some(&place)) {
            self.dead.remove(&dead);
        }
    }

    /// Nothing that was deleted stands first.
    fn trim(&mut self) {
        while let Some(None) = self.kept.front() {
            self.kept.pop_front();
            self.first += 1;
        }
    }
}

impl Kept {
    /// `bytes` are the envelope's, `end` is when it ends.
    pub(crate) fn new(
        id: MessageId,
        envelope: Envelope,
        bytes: Bytes,
        path: Option<Arc<Path>>,
        from: NodeId,
        hops: u32,
        end: Timestamp,
    ) -> Self {
        Kept { id, envelope: Arc::new(envelope), bytes, path, from, hops, end, at: Timestamp::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::TopicName;

    fn kept(byte: u8, length: usize) -> Kept {
        let key = dsys_core::SecretKey::from_bytes([1; 32]);
        let topic: TopicName = "a".parse().unwrap();
        let time = Timestamp::from_millis(5);
        let envelope = Envelope::sign(&key, topic, 1, time, time, Bytes::from(vec![byte; length]));
        let bytes = Bytes::from(vec![byte; length]);
        let end = Timestamp::from_millis(1_000_000);
        Kept::new(MessageId([byte; 16]), envelope, bytes, None, key.public(), 0, end)
    }

    #[test]
    fn each_bound_drops_what_has_been_there_longest_of_whichever_topic() {
        let (one, other) = (TopicId([1; 8]), TopicId([2; 8]));
        let at = |second: u64| Timestamp::from_millis(second * 1_000);
        let mut store = MemoryStore::with_budget(4 * ENTRY + 101).messages(3).age(Duration::from_secs(5));
        assert_eq!(store.append(one, kept(1, 1), at(0)), 0);
        assert_eq!(store.append(other, kept(2, 1), at(1)), 0);
        assert_eq!(store.append(one, kept(3, 1), at(2)), 1);
        assert_eq!((store.len(), store.dropped()), (3, 0));
        assert_eq!(store.append(one, kept(4, 1), at(3)), 2, "places go on");
        assert_eq!((store.range(one), store.range(other), store.dropped()), ((1, 3), (0, 1), 1), "by number");
        assert!(store.get(one, MessageId([1; 16])).is_none() && store.get(one, MessageId([3; 16])).is_some());
        store.append(one, kept(5, 100 + ENTRY), at(4));
        assert_eq!((store.range(one), store.range(other), store.dropped()), ((2, 4), (1, 1), 3), "by bytes");
        store.append(other, kept(6, 0), at(9));
        assert_eq!((store.range(one), store.range(other), store.dropped()), ((3, 4), (1, 2), 3), "by age");
        let from =
            |place| store.from(one, place).map(|(place, kept)| (place, kept.id.0[0])).collect::<Vec<_>>();
        assert_eq!((from(0), from(3), from(4), from(99)), (vec![(3, 5)], vec![(3, 5)], vec![], vec![]));
        assert_eq!(store.bytes(), 100 + ENTRY + 2 * ENTRY);
        store.remove(one);
        assert_eq!((store.len(), store.bytes()), (1, ENTRY));
        let mut store = MemoryStore::with_budget(1 << 20);
        store.append(one, kept(1, 1), at(0));
        store.append(one, kept(2, 1), at(999));
        assert_eq!(store.range(one), (0, 2), "as long as they live");
        store.append(one, kept(3, 1), at(1_000));
        assert_eq!((store.range(one), store.dropped()), ((3, 3), 0), "and no longer");
    }
}
