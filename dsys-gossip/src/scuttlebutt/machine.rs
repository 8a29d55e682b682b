//! One participant.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId};

use super::message::HEAD;
use super::state::Participant;
use super::{Config, Known, Message, Order, Version, Write, Writes};
use crate::Timestamp;
use crate::peers::Peers;
use crate::rumor::Sites;

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Write to our own map; `None` deletes.
    Write(Bytes, Option<Bytes>),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A participant's map has changed, our own included.
    Changed {
        /// Whose.
        of: NodeId,
        /// Where.
        key: Bytes,
        /// To what; `None`: it was deleted.
        value: Option<Bytes>,
    },
    /// A write was not done: it is too large, or there are too many keys. Nothing changed.
    Refused(Bytes),
}

/// The only timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Compare with a peer.
    Compare,
}

/// What a participant counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Comparisons begun.
    pub compared: u64,
    /// Writes sent.
    pub sent: u64,
    /// Writes of others taken in.
    pub taken: u64,
    /// Writes that were known, or did not follow on what is known.
    pub useless: u64,
    /// Participants and writes not taken because of a bound, our own writes included.
    pub refused: u64,
    /// Messages that broke a bound.
    pub violations: u64,
    /// Peers not remembered because there were `max_peers`.
    pub peers_refused: u64,
}

/// A participant of whom there is more to say: which, its life, after which number, and the writes.
type Pending<'a> = (NodeId, u64, u64, Box<dyn Iterator<Item = Write> + 'a>);

/// A life that nobody gets to by living.
const HIGHEST: u64 = 1 << 62;

/// So many new lives that have written nothing are told in one message.
const MOST_NEW: usize = 4;

/// One participant, with what it knows of all. Its peers are those given and those that are up.
#[derive(Clone, Debug)]
pub struct Scuttlebutt {
    me: NodeId,
    config: Arc<Config>,
    peers: Peers,
    participants: BTreeMap<NodeId, Participant>,
    /// Where the next digest goes on.
    next: NodeId,
    stats: Stats,
}

impl Scuttlebutt {
    /// A participant that has written nothing. `life` is the wall clock now: later than in each earlier life.
    pub fn new(me: NodeId, peers: impl Into<Sites>, life: Timestamp, config: impl Into<Arc<Config>>) -> Self {
        let config = config.into();
        Scuttlebutt {
            me,
            peers: Peers::new(me, peers.into(), config.max_peers),
            participants: BTreeMap::from([(me, Participant::new(life.as_millis()))]),
            next: NodeId::from_bytes([0; 32]),
            config,
            stats: Stats::default(),
        }
    }

    /// What a participant has written at a key.
    pub fn get(&self, of: NodeId, key: &[u8]) -> Option<&Bytes> {
        self.participants.get(&of)?.get(key)
    }

    /// How much is known of a participant.
    pub fn version(&self, of: NodeId) -> Option<Version> {
        self.participants.get(&of).map(|one| one.version)
    }

    /// The map of a participant: keys, the numbers of their writes, values.
    pub fn entries(&self, of: NodeId) -> impl Iterator<Item = (&Bytes, u64, &Bytes)> {
        self.participants.get(&of).into_iter().flat_map(Participant::entries)
    }

    /// Those of whom something is known, in order, ourselves included.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.participants.keys().copied()
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn write(&mut self, key: Bytes, value: Option<Bytes>, cx: &mut Context<'_, Self>) {
        let Some(own) = self.participants.get_mut(&self.me) else { return };
        let number = own.version.number + 1;
        let write = Write { number, key: key.clone(), value: value.clone() };
        let room = own.has(&key) || own.len() < self.config.max_keys;
        if !room || size(&write) > self.config.max_size {
            self.stats.refused += 1;
            cx.emit(Event::Refused(key));
            return;
        }
        own.write(write);
        cx.emit(Event::Changed { of: self.me, key, value });
    }

    fn compare(&mut self, cx: &mut Context<'_, Self>) {
        let period = self.config.period.max(Duration::from_millis(1));
        let more = u64::try_from(period.as_nanos() / 2).unwrap_or(u64::MAX);
        let wait = period + Duration::from_nanos(cx.rng().below(more));
        cx.set_timer(Timer::Compare, wait);
        let Some(peer) = self.peers.pick(cx.rng()) else { return };
        self.stats.compared += 1;
        let mut behind = self.participants.range(self.next..);
        let versions: Vec<(NodeId, Version)> =
            behind.by_ref().take(self.config.max_digest.max(1)).map(|(id, one)| (*id, one.version)).collect();
        let to = behind.next().map(|(id, _)| *id);
        let from = std::mem::replace(&mut self.next, to.unwrap_or(NodeId::from_bytes([0; 32])));
        cx.send(peer, Message::Digest(Known { from, to, versions }));
    }

    /// What the one who says so lacks, as much as one message has room for.
    fn lacking(&mut self, known: &Known, cx: &mut Context<'_, Self>) -> Vec<Writes> {
        let end = known.to.map_or(Bound::Unbounded, Bound::Excluded);
        if matches!(known.to, Some(to) if to <= known.from) {
            return Vec::new();
        }
        let theirs: BTreeMap<NodeId, Version> = known.versions.iter().copied().collect();
        // Those of whom there is more to say, after which number, and how much.
        let mut behind: Vec<(NodeId, u64, usize)> = Vec::new();
        let mut lacking: Vec<Writes> = Vec::new();
        for (id, one) in self.participants.range((Bound::Included(known.from), end)) {
            let version = theirs.get(id).copied().unwrap_or_default();
            let after = if version.life == one.version.life { version.number } else { 0 };
            let count = one.count_after(after);
            if version < one.version && count > 0 {
                behind.push((*id, after, count));
            } else if version.life < one.version.life && theirs.contains_key(id) && lacking.len() < MOST_NEW {
                // A new life that has said nothing: what the earlier one said is over.
                lacking.push(Writes { of: *id, life: one.version.life, after: 0, writes: Vec::new() });
            }
        }
        cx.rng().shuffle(&mut behind);
        let mut room = self.config.mtu.saturating_sub(HEAD * lacking.len());
        let mut take = |id: NodeId, life: u64, after: u64, write: Write| {
            let at = lacking.iter().position(|one| one.of == id);
            let cost = write.size() + if at.is_some() { 0 } else { HEAD };
            // One write always fits, or a large one would never be sent.
            let fits = cost <= room || lacking.is_empty();
            if fits {
                room = room.saturating_sub(cost);
                match at.and_then(|at| lacking.get_mut(at)) {
                    Some(one) => one.writes.push(write),
                    None => lacking.push(Writes { of: id, life, after, writes: vec![write] }),
                }
            }
            fits
        };
        let mut all: Vec<Pending<'_>> = Vec::new();
        if self.config.order == Order::Depth {
            behind.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        }
        for (id, after, _) in behind {
            let Some(one) = self.participants.get(&id) else { continue };
            all.push((id, one.version.life, after, Box::new(one.after(after))));
        }
        match self.config.order {
            // A participant of whom a write does not fit is left: what follows may not overtake it.
            Order::Depth => {
                for (id, life, after, writes) in all {
                    for write in writes {
                        if !take(id, life, after, write) {
                            break;
                        }
                    }
                }
            }
            Order::Breadth => {
                while !all.is_empty() {
                    all.retain_mut(|(id, life, after, writes)| {
                        writes.next().is_some_and(|write| take(*id, *life, *after, write))
                    });
                }
            }
        }
        self.stats.sent += lacking.iter().map(|one| one.writes.len() as u64).sum::<u64>();
        lacking
    }

    /// Somebody knows more of us than we have said: an earlier life, by a clock that was ahead. Ours goes on above it, so
    /// that we are listened to.
    fn outlive(&mut self, known: &Known) {
        let theirs = known.versions.iter().find(|(id, _)| *id == self.me).map(|(_, version)| *version);
        if let (Some(theirs), Some(own)) = (theirs, self.participants.get_mut(&self.me))
            && theirs > own.version
            && theirs.life < HIGHEST
        {
            own.version.life = theirs.life + 1;
        }
    }

    /// What we know of the range that another has asked about.
    fn known(&self, from: NodeId, to: Option<NodeId>) -> Known {
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        let valid = to.is_none_or(|to| from < to);
        let range = valid.then(|| self.participants.range((Bound::Included(from), end)));
        let mut versions: Vec<(NodeId, Version)> =
            range.into_iter().flatten().map(|(id, one)| (*id, one.version)).collect();
        // What has no room is left for another time, and nothing is said of it.
        let to = versions.get(self.config.max_digest.max(1)).map(|(id, _)| *id).or(to);
        versions.truncate(self.config.max_digest.max(1));
        Known { from, to, versions }
    }

    fn take(&mut self, said: Writes, cx: &mut Context<'_, Self>) {
        let Writes { of, life, after, writes } = said;
        let count = writes.len() as u64;
        if of == self.me {
            // Nobody tells us what we say; an earlier life of ours is over.
            self.stats.useless += count;
            return;
        }
        if !self.participants.contains_key(&of) && self.participants.len() >= self.config.max_participants {
            self.stats.refused += 1;
            return;
        }
        let one = self.participants.entry(of).or_default();
        if life > one.version.life && after == 0 {
            // A new life has forgotten what the earlier one wrote.
            let old = std::mem::replace(one, Participant::new(life));
            for (key, ..) in old.entries().filter(|(key, ..)| writes.iter().all(|write| write.key != **key)) {
                cx.emit(Event::Changed { of, key: key.clone(), value: None });
            }
        }
        if life != one.version.life || after > one.version.number {
            self.stats.useless += count;
            return;
        }
        for write in writes {
            if write.number <= one.version.number {
                self.stats.useless += 1;
                continue;
            }
            // What cannot be kept ends what is known: nothing after it may be taken.
            let room = one.has(&write.key) || one.len() < self.config.max_keys;
            if !room || size(&write) > self.config.max_size {
                self.stats.refused += 1;
                return;
            }
            self.stats.taken += 1;
            cx.emit(Event::Changed { of, key: write.key.clone(), value: write.value.clone() });
            one.write(write);
        }
    }

    /// Whether a message keeps the bounds that ours keep. Those of the sizes are checked as it is taken in.
    fn fits(&self, message: &Message) -> bool {
        let (writes, known) = match message {
            Message::Digest(known) => (None, Some(known)),
            Message::Differ { writes, known } => (Some(writes), Some(known)),
            Message::Writes(writes) => (Some(writes), None),
        };
        let bytes = writes.into_iter().flatten().flat_map(|one| &one.writes).map(Write::size).sum::<usize>();
        let most = self.config.mtu.saturating_add(self.config.max_size).saturating_add(HEAD);
        bytes <= most && known.is_none_or(|known| known.versions.len() <= self.config.max_digest.max(1))
    }
}

fn size(write: &Write) -> usize {
    write.key.len() + write.value.as_ref().map_or(0, Bytes::len)
}

impl Machine for Scuttlebutt {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                let nanos = u64::try_from(self.config.period.as_nanos()).unwrap_or(u64::MAX);
                let wait = Duration::from_nanos(cx.rng().below(nanos));
                cx.set_timer(Timer::Compare, wait);
            }
            Input::Command(Command::Write(key, value)) => self.write(key, value, cx),
            Input::Message(_, message) if !self.fits(&message) => self.stats.violations += 1,
            Input::Message(from, Message::Digest(theirs)) => {
                self.outlive(&theirs);
                let (writes, known) = (self.lacking(&theirs, cx), self.known(theirs.from, theirs.to));
                cx.send(from, Message::Differ { writes, known });
            }
            Input::Message(from, Message::Differ { writes, known }) => {
                self.outlive(&known);
                writes.into_iter().for_each(|one| self.take(one, cx));
                let lacking = self.lacking(&known, cx);
                if !lacking.is_empty() {
                    cx.send(from, Message::Writes(lacking));
                }
            }
            Input::Message(_, Message::Writes(writes)) => {
                writes.into_iter().for_each(|one| self.take(one, cx));
            }
            Input::Timer(Timer::Compare) => self.compare(cx),
            Input::PeerUp(peer) => {
                if !self.peers.up(peer) {
                    self.stats.peers_refused += 1;
                }
            }
            Input::PeerDown(peer) => self.peers.down(peer),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
