//! A virtual node: one place on the ring, its questions and walks. A node is one or several of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::Config;
use super::machine::{Chord, Timer};
use super::message::{Ask, Message, Places, Tell};
use super::place::Place;
use super::ring::{Ring, between};
use super::upkeep::Upkeep;
use super::walk::Walk;
use crate::Key;
use crate::overlay::{Event, FindError, QueryId, Step};

/// One place on the ring and what is known there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VirtualNode {
    pub(super) me: NodeId,
    pub(super) number: u8,
    pub(super) config: Arc<Config>,
    pub(super) addrs: Vec<SocketAddr>,
    pub(super) ring: Ring,
    pub(super) upkeep: Upkeep,
    calls: BTreeMap<u32, Call>,
    next_call: u32,
    walks: BTreeMap<u32, Walk>,
    next_walk: u32,
    /// Messages to other virtual nodes of this node, or to itself.
    mail: Vec<Message>,
}

/// A question on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    peer: Place,
    about: About,
    sent: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum About {
    /// The way of a walk, or whether one of the owners at its end is there.
    Walk { walk: u32, owner: bool, hop: u32 },
    /// Our successor's neighbours, or those of the node before it.
    Stabilize,
    /// Whether our predecessor is there.
    Predecessor,
    /// Whether a node is there of which others had no answer.
    Check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// The app's; told step by step if it wants.
    App {
        query: QueryId,
        steps: bool,
    },
    Join,
    Finger(u16),
}

/// Nodes named as nearer: enough to get around many that are gone.
const NEARER: usize = 8;

impl VirtualNode {
    pub(super) fn new(me: NodeId, number: u8, bootstrap: Vec<NodeAddr>, config: Arc<Config>) -> Self {
        VirtualNode {
            me,
            number,
            addrs: Vec::new(),
            ring: Ring::new(&Place::new(me, number), config.successors),
            upkeep: Upkeep::new(bootstrap, number == 0),
            calls: BTreeMap::new(),
            next_call: 0,
            walks: BTreeMap::new(),
            next_walk: 0,
            mail: Vec::new(),
            config,
        }
    }

    pub(super) fn place_on_ring(
        &mut self,
        predecessor: Option<Place>,
        successors: &[Place],
        others: &[Place],
    ) {
        if let Some((first, rest)) = successors.split_first() {
            self.ring.follow(first.clone(), rest);
        }
        self.ring.predecessor = predecessor;
        let mut i = Key::BITS as u16;
        while let Some(finger) = self.ring.finger_below(i) {
            let key = self.ring.finger_key(finger);
            let owner = others.iter().min_by_key(|place| key.clockwise(place.key()));
            owner.into_iter().for_each(|owner| self.ring.set_finger(finger, owner.clone()));
            i = finger;
        }
        self.upkeep.on_ring();
    }

    /// Where it stands on the ring.
    pub fn key(&self) -> Key {
        self.ring.me
    }

    /// The place before this one, as far as it knows.
    pub fn predecessor(&self) -> Option<&Place> {
        self.ring.predecessor.as_ref()
    }

    /// The places behind this one, the nearest first.
    pub fn successors(&self) -> &[Place] {
        &self.ring.successors
    }

    /// Whether it is a part of the ring: it has joined, or it began it.
    pub fn is_member(&self) -> bool {
        self.upkeep.is_member()
    }

    /// So many questions were asked.
    pub fn questions(&self) -> u32 {
        self.next_call
    }

    /// Where it stands and is reached.
    pub(super) fn place(&self) -> Place {
        Place::new(
            self.addrs.iter().fold(NodeAddr::new(self.me), |addr, direct| addr.with(*direct)),
            self.number,
        )
    }

    pub(super) fn send(&mut self, to: NodeId, message: Message, cx: &mut Context<'_, Chord>) {
        if to == self.me { self.mail.push(message) } else { cx.send(to, message) }
    }

    pub(super) fn take_mail(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.mail)
    }

    pub(super) fn ask(&mut self, peer: Place, ask: Ask, about: About, cx: &mut Context<'_, Chord>) {
        let (id, at) = (peer.id(), peer.number());
        if !peer.node().direct().is_empty() && id != self.me {
            cx.learn(peer.node().clone());
        }
        let virtual_nodes = u32::from(self.config.virtual_nodes);
        // The remainder says whose question it is, so that an answer finds its way.
        let call = loop {
            let call = (self.next_call % (u32::MAX / virtual_nodes)) * virtual_nodes + u32::from(self.number);
            self.next_call = self.next_call.wrapping_add(1);
            if !self.calls.contains_key(&call) {
                break call;
            }
        };
        self.calls.insert(call, Call { peer, about, sent: cx.now() });
        self.send(id, Message::Request { call, at, ask }, cx);
        cx.set_timer(Timer::Call(call), self.config.timeout);
    }

    /// Whether a question of this kind is on its way.
    pub(super) fn is_asking(&self, about: About) -> bool {
        self.calls.values().any(|call| call.about == about)
    }

    pub(super) fn look_up(&mut self, query: QueryId, key: Key, steps: bool, cx: &mut Context<'_, Chord>) {
        self.walk(key, Purpose::App { query, steps }, cx);
    }

    /// Begins a walk.
    pub(super) fn walk(&mut self, key: Key, purpose: Purpose, cx: &mut Context<'_, Chord>) {
        let mut walk = Walk::new(key, purpose, cx.now());
        let joins = purpose == Purpose::Join;
        if self.is_member() && !joins && (self.ring.owns(key) || self.ring.leads_to_owner(key)) {
            walk.lead(self.ring.successors.clone(), 1);
        } else {
            walk.add(self.ring.preceding(key, NEARER.max(self.config.successors)), 1);
            // If all of them are gone we come right before the key.
            walk.set_behind(if joins { Vec::new() } else { self.ring.behind(self.ring.me, key) });
            if joins || self.ring.known().next().is_none() {
                walk.add(self.upkeep.bootstrap(NEARER).into_iter().map(Place::from).collect(), 1);
            }
        }
        while self.walks.contains_key(&self.next_walk) {
            self.next_walk = self.next_walk.wrapping_add(1);
        }
        let number = self.next_walk;
        self.next_walk = self.next_walk.wrapping_add(1);
        self.walks.insert(number, walk);
        self.go_on(number, cx);
    }

    fn go_on(&mut self, number: u32, cx: &mut Context<'_, Chord>) {
        while let Some(walk) = self.walks.get_mut(&number)
            && let Some((peer, ask, owner, hop)) = walk.next()
        {
            let purpose = walk.purpose;
            walk.report.requests += u32::from(peer.id() != self.me);
            self.step(purpose, peer.id(), Step::Asked { path: 0, hop }, cx);
            self.ask(peer, ask, About::Walk { walk: number, owner, hop }, cx);
        }
        if self.walks.get(&number).is_some_and(Walk::is_done)
            && let Some(walk) = self.walks.remove(&number)
        {
            self.end(walk, cx);
        }
    }

    fn end(&mut self, walk: Walk, cx: &mut Context<'_, Chord>) {
        match walk.purpose {
            Purpose::App { query, .. } => {
                let led = walk.has_led();
                let (found, report) = walk.finish(self.me, cx.now());
                let found = match (found.is_empty(), report.requests, led) {
                    (false, ..) => Ok(found),
                    (true, 0, _) => Err(FindError::NoPeers),
                    (true, ..) => Err(FindError::NobodyAnswered),
                };
                cx.emit(Event::Done { query, found, report });
            }
            Purpose::Join => self.joined(walk.last.clone(), walk.owners(), cx),
            Purpose::Finger(i) => self.fixed(i, walk.owners().into_iter().next(), cx),
        }
    }

    fn step(&self, purpose: Purpose, peer: NodeId, step: Step, cx: &mut Context<'_, Chord>) {
        if let Purpose::App { query, steps: true } = purpose
            && peer != self.me
        {
            cx.emit(Event::Step { query, peer, step });
        }
    }

    pub(super) fn asked(&mut self, from: NodeId, call: u32, ask: Ask, cx: &mut Context<'_, Chord>) {
        // Who has not joined knows nothing that others could use, and is no owner.
        if !self.upkeep.serves() {
            if let (Ask::Way(_), Some(first)) = (ask, self.upkeep.joins_by(NEARER)) {
                let first: Vec<Place> = first.into_iter().map(Place::from).collect();
                self.send(from, Message::Answer { call, tell: Tell::Nearer(first.into()) }, cx);
            }
            return;
        }
        let tell = match ask {
            Ask::Ping => Tell::Pong,
            Ask::Owns(key) => match &self.ring.predecessor {
                Some(predecessor) if !self.ring.owns(key) => Tell::Owners(vec![predecessor.clone()].into()),
                _ => Tell::Pong,
            },
            Ask::Neighbours => Tell::Neighbours {
                predecessor: self.ring.predecessor.clone(),
                successors: self.ring.successors.clone().into(),
            },
            Ask::Way(_) if self.ring.successors.is_empty() => Tell::Owners(vec![self.place()].into()),
            Ask::Way(key) if self.ring.leads_to_owner(key) => {
                Tell::Owners(self.ring.successors.clone().into())
            }
            Ask::Way(key) => Tell::Nearer(Places::from(self.ring.preceding(key, NEARER))),
        };
        self.send(from, Message::Answer { call, tell }, cx);
    }

    pub(super) fn answered(&mut self, from: NodeId, number: u32, tell: Tell, cx: &mut Context<'_, Chord>) {
        // Only who was asked can answer.
        if self.calls.get(&number).is_none_or(|call| call.peer.id() != from) {
            return;
        }
        let Some(call) = self.calls.remove(&number) else { return };
        cx.cancel_timer(Timer::Call(number));
        match (call.about, tell.within(self.config.virtual_nodes)) {
            (About::Walk { walk, owner, hop }, tell) => {
                self.walk_told(walk, call.peer, call.sent, owner, hop, tell, cx);
            }
            (About::Stabilize, Tell::Neighbours { predecessor, successors }) => {
                self.stabilized(call.peer, predecessor, &successors, cx);
            }
            (About::Stabilize | About::Predecessor | About::Check, _) => {}
        }
    }

    #[allow(clippy::too_many_arguments)] // One answer of a walk, taken apart.
    fn walk_told(
        &mut self,
        number: u32,
        peer: Place,
        sent: Time,
        owner: bool,
        hop: u32,
        tell: Tell,
        cx: &mut Context<'_, Chord>,
    ) {
        let (me, node) = (self.ring.me, self.me);
        let Some(walk) = self.walks.get_mut(&number) else { return };
        // Who owns the key if somebody believes that we do, and we know better.
        let before = self.ring.predecessor.clone().filter(|_| !self.ring.owns(walk.key));
        walk.waiting -= 1;
        walk.report.answers += u32::from(peer.id() != node);
        let mut new = 0;
        match (owner, tell) {
            (true, tell) => {
                walk.confirmed(peer.clone());
                if let Tell::Owners(named) = tell
                    && let Some(other) =
                        named.into_vec().into_iter().next().filter(|other| other.id() != node)
                {
                    new += u32::from(walk.redirect(&peer, other));
                }
            }
            (false, Tell::Owners(owners)) => {
                let mut owners = owners.into_vec();
                if let (Some(first), Some(before)) = (owners.first_mut(), before)
                    && first.key() == me
                {
                    *first = before;
                }
                owners.retain(|owner| owner.key() != me);
                new = owners.len() as u32;
                walk.last = Some(peer.clone());
                walk.lead(owners, hop + 1);
            }
            (false, Tell::Nearer(nodes)) => {
                // Only those that are nearer, or liars could lead us around in circles.
                let here = peer.key().clockwise(walk.key);
                let nodes = nodes.into_vec().into_iter().filter(|place| place.key() != me);
                let (nearer, others): (Vec<Place>, Vec<Place>) =
                    nodes.partition(|place| place.key().clockwise(walk.key) < here);
                // It is still joining, and says by whom. Each is asked once, so that leads around in no circle.
                let joins = walk.purpose == Purpose::Join && nearer.is_empty();
                if !joins {
                    walk.passed(&peer, hop);
                }
                new = walk.add(if joins { others } else { nearer }, hop + 1);
            }
            (false, Tell::Neighbours { successors, .. }) => {
                let here = peer.key();
                let (nearer, behind): (Vec<Place>, Vec<Place>) = successors
                    .into_vec()
                    .into_iter()
                    .filter(|place| place.key() != me)
                    .partition(|place| between(here, place.key(), walk.key));
                new = walk.add(nearer, hop + 1);
                walk.set_behind(behind);
            }
            (false, _) => {}
        }
        let purpose = walk.purpose;
        self.step(purpose, peer.id(), Step::Answered { new, after: cx.now() - sent }, cx);
        self.go_on(number, cx);
    }

    pub(super) fn failed(&mut self, number: u32, cx: &mut Context<'_, Chord>) {
        let Some(call) = self.calls.remove(&number) else { return };
        cx.cancel_timer(Timer::Call(number));
        self.ring.forget_finger(&call.peer);
        match call.about {
            About::Walk { walk: number, .. } => {
                let Some(walk) = self.walks.get_mut(&number) else { return };
                walk.waiting -= 1;
                walk.report.failures += u32::from(call.peer.id() != self.me);
                let purpose = walk.purpose;
                self.step(purpose, call.peer.id(), Step::Failed, cx);
                self.go_on(number, cx);
            }
            About::Stabilize => self.stabilize_failed(&call.peer, cx),
            About::Predecessor => self.predecessor_failed(&call.peer),
            About::Check => {}
        }
    }

    /// Forgets the ring, to join it again.
    pub(super) fn leave_ring(&mut self) {
        self.ring = Ring::new(&self.place(), self.config.successors);
        self.upkeep.leave();
    }

    pub(super) fn peer_down(&mut self, peer: NodeId, cx: &mut Context<'_, Chord>) {
        let lost: Vec<u32> =
            self.calls.iter().filter(|(_, call)| call.peer.id() == peer).map(|(at, _)| *at).collect();
        lost.into_iter().for_each(|number| self.failed(number, cx));
    }

    pub(super) fn check(&mut self, node: NodeId, cx: &mut Context<'_, Chord>) {
        let known = self.ring.known().find(|place| place.id() == node).cloned();
        if let Some(place) = known.filter(|_| !self.is_asking(About::Check)) {
            self.ask(place, Ask::Ping, About::Check, cx);
        }
    }

    /// Whether this walk is on its way here.
    pub(super) fn is_walking(&self, query: QueryId) -> bool {
        self.walks.values().any(|walk| walk.is_for(query))
    }

    pub(super) fn cancel(&mut self, query: QueryId) {
        self.walks.retain(|_, walk| !walk.is_for(query));
    }

    pub(super) fn walks(&self) -> usize {
        self.walks.len()
    }
}
