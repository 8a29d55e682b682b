//! One node of a broadcast tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId, Time};

use super::missing::Missing;
use super::neighbour::Neighbour;
use super::{Config, Message};
use crate::MessageId;
use crate::broadcast::{Command, Event};
use crate::estimate::Estimate;
use crate::kept::{Bounds, Kept};
use crate::seen::Seen;

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The message of this name should have come.
    Missing(MessageId),
    /// The names that wait go out.
    Announce,
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages sent with their payload.
    pub payloads: u64,
    /// Messages received that were seen before.
    pub duplicates: u64,
    /// Grafts sent because a message did not come.
    pub grafts: u64,
    /// Better links that replaced the parent.
    pub optimized: u64,
    /// Messages that were too long.
    pub refused: u64,
    /// Grafts received for messages that are not kept any more, never were here, or were given to this peer
    /// or to `max_neighbours` before.
    pub unknown: u64,
    /// Announced names ignored because the neighbour had `max_missing` of them outstanding.
    pub missing_refused: u64,
    /// Messages that broke a bound or that only a neighbour may send. The former cost the peer its place as a
    /// neighbour.
    pub violations: u64,
    /// Neighbours not taken because there were `max_neighbours`.
    pub neighbours_refused: u64,
    /// Names forgotten before `max_seen_age`, because there were `max_seen`.
    pub forgotten_early: u64,
}

/// One node of a broadcast tree. Its neighbours are those given and those that are up ([`Input::PeerUp`]); a driver
/// tells of connections, a membership of neighbours. Links must be known to both sides.
#[derive(Clone, Debug)]
pub struct Plumtree {
    me: NodeId,
    config: Arc<Config>,
    /// In order.
    neighbours: Vec<Neighbour>,
    seen: Seen,
    kept: Kept,
    missing: BTreeMap<MessageId, Missing>,
    /// Names that wait to be announced, and who is known to have their messages.
    waiting: Vec<(MessageId, Vec<NodeId>)>,
    /// How much later than their names messages come.
    lag: Estimate,
    stats: Stats,
}

impl Plumtree {
    /// A node that has seen nothing.
    pub fn new(
        me: NodeId,
        neighbours: impl IntoIterator<Item = NodeId>,
        config: impl Into<Arc<Config>>,
    ) -> Self {
        let config = config.into();
        let mut node = Plumtree {
            me,
            neighbours: Vec::new(),
            seen: Seen::new(config.max_seen, config.max_seen_age),
            kept: Kept::default(),
            missing: BTreeMap::new(),
            waiting: Vec::new(),
            lag: Estimate::default(),
            stats: Stats::default(),
            config,
        };
        for peer in neighbours {
            node.add(peer);
        }
        node
    }

    /// The neighbours in order, and whether messages cross their links eagerly.
    pub fn neighbours(&self) -> impl ExactSizeIterator<Item = (NodeId, bool)> + '_ {
        self.neighbours.iter().map(|neighbour| (neighbour.id, neighbour.eager))
    }

    /// When each neighbour last said anything, in order; the beginning of time for one that has not yet.
    pub fn heard(&self) -> impl ExactSizeIterator<Item = (NodeId, Time)> + '_ {
        self.neighbours.iter().map(|neighbour| (neighbour.id, neighbour.heard))
    }

    /// Whether a message of this name has come, as far as is remembered.
    pub fn has_seen(&self, id: MessageId) -> bool {
        self.seen.when(id).is_some()
    }

    /// How many names are known whose messages have not come.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        Stats { forgotten_early: self.seen.early(), ..self.stats }
    }

    /// `false` if it was one before, is ourselves, or is one too many.
    fn add(&mut self, peer: NodeId) -> bool {
        let Err(at) = self.neighbours.binary_search_by(|one| one.id.cmp(&peer)) else { return false };
        if peer == self.me {
            return false;
        }
        if self.neighbours.len() >= self.config.max_neighbours {
            self.stats.neighbours_refused += 1;
            return false;
        }
        self.neighbours.reserve_exact(1);
        self.neighbours.insert(at, Neighbour::new(peer));
        true
    }

    fn neighbour(&mut self, peer: NodeId) -> Option<&mut Neighbour> {
        let at = self.neighbours.binary_search_by(|one| one.id.cmp(&peer)).ok()?;
        self.neighbours.get_mut(at)
    }

    fn set_eager(&mut self, peer: NodeId, eager: bool) {
        if let Some(neighbour) = self.neighbour(peer) {
            neighbour.eager = eager;
            neighbour.wins = 0;
        }
    }

    fn ping(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        if let Some(neighbour) = self.neighbour(peer) {
            neighbour.round_trip.ping(now);
            cx.send(peer, Message::Ping);
        }
    }

    /// The link is gone. What was asked of this peer is asked of the next.
    fn drop_neighbour(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        self.neighbours.retain(|neighbour| neighbour.id != peer);
        let mut asked = Vec::new();
        for (id, missing) in &mut self.missing {
            missing.announced.retain(|(one, _)| *one != peer);
            if missing.asked.is_some_and(|(one, _)| one == peer) {
                asked.push(*id);
            }
        }
        for id in asked {
            if let Some(missing) = self.missing.get_mut(&id) {
                missing.asked = None;
            }
            self.graft(id, cx);
        }
    }

    /// Takes in a message that is not too long and was not seen before, and passes it on. The holders have it already, the
    /// first of them gave it to us.
    fn spread(
        &mut self,
        id: MessageId,
        hops: u32,
        payload: Bytes,
        holders: Vec<NodeId>,
        cx: &mut Context<'_, Self>,
    ) {
        self.seen.insert(id, cx.now());
        let config = &self.config;
        let bounds = Bounds { most: config.max_kept, bytes: config.max_kept_bytes, age: config.max_kept_age };
        self.kept.insert(id, payload.clone(), hops, cx.now(), bounds);
        let further = hops.saturating_add(1);
        for neighbour in &self.neighbours {
            if neighbour.eager && !holders.contains(&neighbour.id) {
                self.stats.payloads += 1;
                cx.send(neighbour.id, Message::Gossip { id, hops: further, payload: payload.clone() });
            }
        }
        let from = holders.first().copied().unwrap_or(self.me);
        self.waiting.push((id, holders));
        if config.announce_after.is_zero() || self.waiting.len() >= config.max_announced {
            self.announce(cx);
        } else if self.waiting.len() == 1 {
            cx.set_timer(Timer::Announce, config.announce_after);
        }
        cx.emit(Event::Delivered { id, payload, hops, from });
    }

    fn announce(&mut self, cx: &mut Context<'_, Self>) {
        let waiting = std::mem::take(&mut self.waiting);
        for neighbour in self.neighbours.iter().filter(|neighbour| !neighbour.eager) {
            let lacks = |(_, holders): &&(MessageId, Vec<NodeId>)| !holders.contains(&neighbour.id);
            let names: Vec<MessageId> = waiting.iter().filter(lacks).map(|(id, _)| *id).collect();
            if !names.is_empty() {
                cx.send(neighbour.id, Message::IHave(names));
            }
        }
    }

    fn gossip(&mut self, id: MessageId, hops: u32, payload: Bytes, from: NodeId, cx: &mut Context<'_, Self>) {
        if payload.len() > self.config.max_payload {
            self.stats.refused += 1;
            cx.send(from, Message::Prune);
        } else if self.seen.when(id).is_some() {
            // §3.4: a message that was seen before means a link too many.
            self.stats.duplicates += 1;
            self.set_eager(from, false);
            cx.send(from, Message::Prune);
        } else {
            self.set_eager(from, true);
            let missing = self.found(id, cx);
            let announced = missing.iter().flat_map(Missing::holders).filter(|holder| *holder != from);
            let holders = std::iter::once(from).chain(announced).collect();
            self.spread(id, hops, payload, holders, cx);
            if let Some(missing) = missing {
                self.learn(&missing, from, cx);
            }
        }
    }

    /// The message has come: nothing of it is missing any more.
    fn found(&mut self, id: MessageId, cx: &mut Context<'_, Self>) -> Option<Missing> {
        let missing = self.missing.remove(&id)?;
        cx.cancel_timer(Timer::Missing(id));
        for peer in missing.holders() {
            if let Some(neighbour) = self.neighbour(peer) {
                neighbour.missing = neighbour.missing.saturating_sub(1);
            }
        }
        Some(missing)
    }

    /// A message came after its name: how long after, and is the link of the name the better one?
    fn learn(&mut self, missing: &Missing, from: NodeId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        if let Some((peer, then)) = missing.asked
            && peer == from
        {
            if let Some(neighbour) = self.neighbour(peer) {
                neighbour.round_trip.estimate.sample(now - then);
            }
            return;
        }
        // By the tree, so this is how long to wait for it, whether we did or not.
        self.lag.sample(now - missing.since);
        let Some((first, _)) = missing.announced.first().copied() else { return };
        for (peer, then) in &missing.announced {
            if let Some(neighbour) = self.neighbour(*peer) {
                let hop = neighbour.round_trip.estimate.mean().map_or(Duration::MAX, |trip| trip / 2);
                neighbour.won(now - *then > hop);
            }
        }
        // §3.8: take the better link into the tree, and the worse one out.
        let needed = self.config.optimize_after;
        let wins = self.neighbour(first).filter(|neighbour| !neighbour.eager).map(|neighbour| neighbour.wins);
        if first != from && wins.zip(needed).is_some_and(|(wins, needed)| wins >= needed.max(1)) {
            self.stats.optimized += 1;
            self.set_eager(first, true);
            self.set_eager(from, false);
            cx.send(first, Message::Graft(None));
            cx.send(from, Message::Prune);
        }
    }

    fn ihave(&mut self, ids: &[MessageId], from: NodeId, cx: &mut Context<'_, Self>) {
        let (most, now) = (self.config.max_missing, cx.now());
        // Names from strangers would cost memory that no bound of theirs limits.
        let Ok(at) = self.neighbours.binary_search_by(|one| one.id.cmp(&from)) else {
            self.stats.violations += 1;
            return;
        };
        for &id in ids {
            let Some(neighbour) = self.neighbours.get_mut(at) else { return };
            if self.seen.when(id).is_some() {
                neighbour.won(false);
                if let Some((_, holders)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == id) {
                    holders.push(from);
                }
                continue;
            }
            if self.missing.get(&id).is_some_and(|missing| missing.announced_by(from)) {
                continue;
            }
            if neighbour.missing as usize >= most {
                self.stats.missing_refused += 1;
                continue;
            }
            neighbour.missing += 1;
            match self.missing.get_mut(&id) {
                Some(missing) => missing.announced.push((from, now)),
                None => {
                    self.missing.insert(id, Missing::new(from, now));
                    // Never sooner than a round trip, the least that a graft can take.
                    let trip = self.round_trip(from, Estimate::mean);
                    let wait = self.lag.timeout().map_or(trip, |lag| lag.max(trip));
                    cx.set_timer(Timer::Missing(id), wait.min(self.config.max_wait));
                }
            }
        }
    }

    /// The message has not come in time: asks the next who announced it (§3.7).
    fn graft(&mut self, id: MessageId, cx: &mut Context<'_, Self>) {
        let Some(mut missing) = self.missing.remove(&id) else { return };
        if let Some((silent, _)) = missing.asked.take()
            && let Some(neighbour) = self.neighbour(silent)
        {
            // Announced and not sent: such a link carries nothing, so it does not belong in the tree.
            neighbour.missing = neighbour.missing.saturating_sub(1);
            neighbour.eager = false;
        }
        if missing.announced.is_empty() {
            cx.cancel_timer(Timer::Missing(id));
            cx.emit(Event::Lost(id));
            return;
        }
        let (peer, _) = missing.announced.remove(0);
        missing.asked = Some((peer, cx.now()));
        self.missing.insert(id, missing);
        self.stats.grafts += 1;
        self.set_eager(peer, true);
        cx.send(peer, Message::Graft(Some(id)));
        let wait = self.round_trip(peer, Estimate::timeout);
        cx.set_timer(Timer::Missing(id), wait.min(self.config.max_wait));
    }

    fn grafted(&mut self, id: Option<MessageId>, from: NodeId, cx: &mut Context<'_, Self>) {
        if self.neighbour(from).is_none() {
            self.stats.violations += 1;
            return;
        }
        self.set_eager(from, true);
        let Some(id) = id else { return };
        match self.kept.give(id, from, self.config.max_neighbours) {
            Some((payload, hops)) => {
                self.stats.payloads += 1;
                let message = Message::Gossip { id, hops: hops.saturating_add(1), payload };
                cx.send(from, message);
            }
            None => self.stats.unknown += 1,
        }
    }

    fn ponged(&mut self, from: NodeId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        self.neighbour(from).into_iter().for_each(|neighbour| neighbour.round_trip.pong(now));
    }

    fn round_trip(&mut self, peer: NodeId, of: fn(Estimate) -> Option<Duration>) -> Duration {
        let measured = self.neighbour(peer).and_then(|neighbour| of(neighbour.round_trip.estimate));
        measured.unwrap_or(self.config.first_round_trip)
    }
}

impl Machine for Plumtree {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        if let Input::Message(from, _) = &input {
            self.neighbour(*from).into_iter().for_each(|neighbour| neighbour.heard = cx.now());
        }
        match input {
            Input::Start => {
                let peers: Vec<NodeId> = self.neighbours.iter().map(|neighbour| neighbour.id).collect();
                peers.into_iter().for_each(|peer| self.ping(peer, cx));
            }
            Input::Command(Command::Broadcast { id, payload }) => {
                if payload.len() > self.config.max_payload || self.seen.when(id).is_some() {
                    cx.emit(Event::Refused(id));
                } else {
                    self.found(id, cx);
                    self.spread(id, 0, payload, vec![self.me], cx);
                }
            }
            Input::Command(Command::Know(id)) => {
                self.found(id, cx);
                self.seen.insert(id, cx.now());
            }
            Input::Command(Command::Forget(id)) => {
                self.found(id, cx);
                self.seen.insert(id, cx.now());
                self.kept.remove(id);
                self.waiting.retain(|(waiting, _)| *waiting != id);
            }
            Input::Message(from, Message::Gossip { id, hops, payload }) => {
                self.gossip(id, hops, payload, from, cx);
            }
            Input::Message(from, Message::IHave(ids)) if ids.len() > self.config.max_announced => {
                self.stats.violations += 1;
                if self.neighbour(from).is_some() {
                    self.drop_neighbour(from, cx);
                    cx.emit(Event::Violated(from));
                }
            }
            Input::Message(from, Message::IHave(ids)) => self.ihave(&ids, from, cx),
            Input::Message(from, Message::Graft(id)) => self.grafted(id, from, cx),
            Input::Message(from, Message::Prune) => self.set_eager(from, false),
            Input::Message(from, Message::Ping) => cx.send(from, Message::Pong),
            Input::Message(from, Message::Pong) => self.ponged(from, cx),
            Input::Timer(Timer::Missing(id)) => self.graft(id, cx),
            Input::Timer(Timer::Announce) => self.announce(cx),
            Input::PeerUp(peer) => {
                if self.add(peer) {
                    self.ping(peer, cx);
                }
            }
            Input::PeerDown(peer) => self.drop_neighbour(peer, cx),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
