//! One site with its items and certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId, Time};

use super::entry::Age;
use super::{Config, Entry, Message, Seen, Stamp, What};
use crate::Timestamp;

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Write an item.
    Put(Bytes, Bytes),
    /// Delete it, whether we have it or not.
    Delete(Bytes),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The item of this key is this now.
    Changed(Bytes, Bytes),
    /// There is none any more.
    Deleted(Bytes),
    /// A write was not done: it is too large, or there are too many entries. Nothing changed.
    Refused(Bytes),
}

/// The only timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Compare with a peer, and drop what is over.
    Compare,
}

/// What a site counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Comparisons begun.
    pub compared: u64,
    /// Dormant certificates that met an item and awoke.
    pub awakened: u64,
    /// Certificates dropped after their time.
    pub dropped: u64,
    /// Entries not taken because there were `max_entries`, or they were too large, or named too many sites.
    pub refused: u64,
    /// Messages that broke a bound.
    pub violations: u64,
}

/// One site with its items and certificates. It compares with the peers it was given.
#[derive(Clone, Debug)]
pub struct Replica {
    me: NodeId,
    config: Arc<Config>,
    /// The wall clock at the driver's beginning.
    began: Timestamp,
    peers: Vec<NodeId>,
    entries: BTreeMap<Bytes, Entry>,
    /// Where the next comparison goes on.
    next: Bytes,
    last: Timestamp,
    stats: Stats,
}

impl Replica {
    /// An empty site. `began` is the driver's [`Time::ZERO`] by the wall clock.
    pub fn new(
        me: NodeId,
        peers: impl IntoIterator<Item = NodeId>,
        began: Timestamp,
        config: impl Into<Arc<Config>>,
    ) -> Self {
        let config = config.into();
        let peers = peers.into_iter().filter(|peer| *peer != me).take(config.max_peers).collect();
        Replica {
            me,
            config,
            began,
            peers,
            entries: BTreeMap::new(),
            next: Bytes::new(),
            last: Timestamp::default(),
            stats: Stats::default(),
        }
    }

    /// The item of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.entries.get(key)?.value()
    }

    /// All that is known, certificates included, in the order of the keys.
    pub fn entries(&self) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.entries.iter()
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn wall(&self, now: Time) -> Timestamp {
        self.began.plus(now - Time::ZERO)
    }

    /// A stamp later than all of ours.
    fn stamp(&mut self, now: Timestamp) -> Stamp {
        self.last = now.max(self.last.plus(Duration::from_millis(1)));
        Stamp { time: self.last, by: self.me }
    }

    fn write(&mut self, key: Bytes, what: Option<Bytes>, cx: &mut Context<'_, Self>) {
        let now = self.wall(cx.now());
        // Nothing of ours is older than what it shall replace, even if its writer's clock is ahead.
        if let Some(old) = self.entries.get(&key) {
            self.last = self.last.max(old.stamp.time);
        }
        let stamp = self.stamp(now);
        let what = match what {
            Some(value) => What::Item(value),
            None => {
                let mut all: Vec<NodeId> = self.peers.iter().copied().chain([self.me]).collect();
                cx.rng().shuffle(&mut all);
                let sites = all.into_iter().take(self.config.sites).collect();
                What::Dead { activated: stamp.time, sites, held: BTreeSet::new() }
            }
        };
        if !self.take(key.clone(), Entry { stamp, what }, cx) {
            cx.emit(Event::Refused(key));
        }
    }

    /// Takes an entry in. `false` if it breaks a bound.
    fn take(&mut self, key: Bytes, mut entry: Entry, cx: &mut Context<'_, Self>) -> bool {
        let config = self.config.clone();
        let fits = match &entry.what {
            What::Item(value) => value.len() <= config.max_size,
            What::Dead { sites, held, .. } => sites.len() <= 64 && held.is_subset(sites),
        };
        let room = self.entries.contains_key(&key) || self.entries.len() < config.max_entries;
        if !fits || !room || key.len() > config.max_size {
            self.stats.refused += 1;
            return false;
        }
        if let What::Dead { sites, held, .. } = &mut entry.what
            && sites.contains(&self.me)
        {
            held.insert(self.me);
        }
        let now = self.wall(cx.now());
        let (before, changed) = match self.entries.get_mut(&key) {
            Some(own) => {
                let before = own.stamp;
                if entry.stamp < before && own.awake(self.me, now, &config) {
                    self.stats.awakened += 1;
                }
                (Some(before), own.merge(entry))
            }
            None => {
                // Of what is over already there is nothing to keep.
                if entry.age(self.me, now, &config) == Age::Over {
                    return true;
                }
                self.entries.insert(key.clone(), entry);
                (None, true)
            }
        };
        if let Some(own) = self.entries.get(&key).filter(|own| changed && before != Some(own.stamp)) {
            match &own.what {
                What::Item(value) => cx.emit(Event::Changed(key, value.clone())),
                What::Dead { .. } => cx.emit(Event::Deleted(key)),
            }
        }
        true
    }

    fn compare(&mut self, cx: &mut Context<'_, Self>) {
        let (now, config) = (self.wall(cx.now()), self.config.clone());
        let more = u64::try_from(config.period.as_nanos() / 2).unwrap_or(u64::MAX);
        let wait = config.period + Duration::from_nanos(cx.rng().below(more));
        cx.set_timer(Timer::Compare, wait);
        let (me, before) = (self.me, self.entries.len());
        self.entries.retain(|_, entry| entry.age(me, now, &config) != Age::Over);
        self.stats.dropped += (before - self.entries.len()) as u64;
        let Some(peer) = cx.rng().choose(&self.peers).copied() else { return };
        self.stats.compared += 1;
        let from = self.next.clone();
        let mut page = self.entries.range(from.clone()..);
        let mut have = Vec::new();
        let mut to = None;
        for (key, entry) in page.by_ref() {
            if have.len() >= config.max_compared {
                to = Some(key.clone());
                break;
            }
            if entry.age(me, now, &config) == Age::Active {
                have.push(seen(key, entry));
            }
        }
        self.next = to.clone().unwrap_or_default();
        cx.send(peer, Message::Compare { from, to, have });
    }

    /// What we have otherwise than the one who asks.
    fn compared(
        &mut self,
        peer: NodeId,
        (from, to, have): (Bytes, Option<Bytes>, &[Seen]),
        cx: &mut Context<'_, Self>,
    ) {
        let (now, config) = (self.wall(cx.now()), self.config.clone());
        let (mut entries, mut want) = (Vec::new(), Vec::new());
        for theirs in have {
            let Some(own) = self.entries.get_mut(&theirs.key) else {
                want.push(theirs.key.clone());
                continue;
            };
            let age = own.age(self.me, now, &config);
            if theirs.stamp < own.stamp {
                self.stats.awakened += u64::from(own.awake(self.me, now, &config));
                entries.push((theirs.key.clone(), own.clone()));
            } else {
                let (stamp, activated, held) = own.version();
                if stamp != theirs.stamp || activated < theirs.activated || (held as u32) < theirs.held {
                    want.push(theirs.key.clone());
                } else if (activated, held as u32) != (theirs.activated, theirs.held) && age == Age::Active {
                    entries.push((theirs.key.clone(), own.clone()));
                }
            }
        }
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        let valid = !matches!(&end, Bound::Excluded(end) if *end <= from);
        if valid {
            let known: BTreeSet<&Bytes> = have.iter().map(|theirs| &theirs.key).collect();
            let ours = self.entries.range((Bound::Included(from), end));
            let lacking = ours.filter(|(key, entry)| {
                !known.contains(key) && entry.age(self.me, now, &config) == Age::Active
            });
            entries.extend(lacking.map(|(key, entry)| (key.clone(), entry.clone())));
        }
        entries.truncate(config.max_compared);
        if !entries.is_empty() || !want.is_empty() {
            cx.send(peer, Message::Differ { entries, want });
        }
    }
}

fn seen(key: &Bytes, entry: &Entry) -> Seen {
    let (stamp, activated, held) = entry.version();
    Seen { key: key.clone(), stamp, activated, held: held as u32 }
}

impl Machine for Replica {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        let most = self.config.max_compared;
        match input {
            Input::Start => {
                let nanos = u64::try_from(self.config.period.as_nanos()).unwrap_or(u64::MAX);
                let wait = Duration::from_nanos(cx.rng().below(nanos));
                cx.set_timer(Timer::Compare, wait);
            }
            Input::Command(Command::Put(key, value)) => self.write(key, Some(value), cx),
            Input::Command(Command::Delete(key)) => self.write(key, None, cx),
            Input::Message(_, Message::Compare { have, .. }) if have.len() > most => {
                self.stats.violations += 1
            }
            Input::Message(_, Message::Differ { entries, want }) if entries.len().max(want.len()) > most => {
                self.stats.violations += 1;
            }
            Input::Message(from, Message::Compare { from: begin, to, have }) => {
                self.compared(from, (begin, to, &have), cx);
            }
            Input::Message(from, Message::Differ { entries, want }) => {
                for (key, entry) in entries {
                    self.take(key, entry, cx);
                }
                let have =
                    want.into_iter().filter_map(|key| Some((key.clone(), self.entries.get(&key)?.clone())));
                let entries: Vec<(Bytes, Entry)> = have.collect();
                if !entries.is_empty() {
                    cx.send(from, Message::Differ { entries, want: Vec::new() });
                }
            }
            Input::Timer(Timer::Compare) => self.compare(cx),
            Input::PeerUp(_) | Input::PeerDown(_) | Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
