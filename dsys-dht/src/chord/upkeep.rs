//! What a node does by itself: it joins, stabilizes, rectifies, fixes its fingers, and joins again when it is alone.

use std::time::Duration;

use dsys_core::{Context, NodeAddr};

use super::machine::{Chord, Timer};
use super::message::{Ask, Message};
use super::place::Place;
use super::ring::between;
use super::virtual_node::{About, Purpose, VirtualNode};
use crate::Key;

/// Where it stands with that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Upkeep {
    bootstrap: Vec<NodeAddr>,
    /// Those of an earlier life.
    restored: Vec<NodeAddr>,
    member: bool,
    joining: bool,
    tries: u32,
    /// Whether it has ever been on a ring with another.
    told: bool,
    /// The finger that was fixed last; those below it are next.
    finger: u16,
    /// Whether all fingers are fixed one after the other, as after a join.
    all_fingers: bool,
    /// Who would take the place of our predecessor if it is gone.
    notified: Option<Place>,
    /// Whether it may begin a ring of its own. Further virtual nodes join by the first.
    is_first: bool,
}

/// Whoever has never been on a ring begins one of its own when it has tried to join another so often.
const FOUND_AFTER: u32 = 5;
/// Above all fingers.
const TOP: u16 = Key::BITS as u16;

impl Upkeep {
    pub(super) fn new(bootstrap: Vec<NodeAddr>, is_first: bool) -> Self {
        Upkeep {
            bootstrap,
            restored: Vec::new(),
            member: false,
            joining: false,
            tries: 0,
            told: false,
            finger: TOP,
            all_fingers: false,
            notified: None,
            is_first,
        }
    }

    pub(super) fn on_ring(&mut self) {
        self.member = true;
        self.told = true;
    }

    pub(super) fn is_member(&self) -> bool {
        self.member
    }

    /// Whether it answers for the ring. While it looks for the place of its own in another one it does not: whoever
    /// joined by it then would be on a ring beside that one.
    pub(super) fn serves(&self) -> bool {
        self.member && !self.joining
    }

    /// By whom it joins its first ring, for others who come by it meanwhile.
    pub(super) fn joins_by(&self, most: usize) -> Option<Vec<NodeAddr>> {
        (self.joining && !self.told).then(|| self.bootstrap(most))
    }

    pub(super) fn restore(&mut self, contacts: Vec<NodeAddr>) {
        self.restored = contacts;
    }

    /// Nodes to begin with, at most so many.
    pub(super) fn bootstrap(&self, most: usize) -> Vec<NodeAddr> {
        self.bootstrap.iter().chain(&self.restored).take(most).cloned().collect()
    }

    /// Off the ring; whom it begins with stays.
    pub(super) fn leave(&mut self) {
        let first = Upkeep::new(std::mem::take(&mut self.bootstrap), self.is_first);
        let restored = std::mem::take(&mut self.restored);
        *self = Upkeep { restored, told: self.told, ..first };
    }

    pub(super) fn alone_by_choice(&self) -> bool {
        self.bootstrap.is_empty() && self.restored.is_empty()
    }
}

impl VirtualNode {
    pub(super) fn start(&mut self, cx: &mut Context<'_, Chord>) {
        // A small wait, so that nodes that begin together do not stay together.
        let wait = part(self.config.stabilize, cx);
        cx.set_timer(Timer::Stabilize(self.number), wait);
        if !self.upkeep.member {
            self.rejoin(cx);
        }
    }

    pub(super) fn set_bootstrap(&mut self, mut nodes: Vec<NodeAddr>, cx: &mut Context<'_, Chord>) {
        nodes.retain(|node| node.id != self.me);
        self.upkeep.bootstrap = nodes;
        self.upkeep.tries = 0;
        if self.ring.successors.is_empty() {
            self.upkeep.joining = false;
            // No longer a ring of its own: whoever joined by it now would be on a ring beside that of the others.
            self.upkeep.member &= self.upkeep.alone_by_choice();
            self.rejoin(cx);
        }
    }

    /// Looks up our own place. Whoever has nobody to begin with is a ring of its own.
    pub(super) fn rejoin(&mut self, cx: &mut Context<'_, Chord>) {
        if self.upkeep.joining || !self.ring.successors.is_empty() {
            return;
        }
        if self.upkeep.alone_by_choice() {
            self.upkeep.member = self.config.server;
            return;
        }
        if !self.config.server {
            return;
        }
        self.upkeep.joining = true;
        self.walk(self.ring.me, Purpose::Join, cx);
    }

    /// Zave 2017, join: the new node takes the list of the node before it as its own.
    pub(super) fn joined(
        &mut self,
        predecessor: Option<Place>,
        successors: Vec<Place>,
        cx: &mut Context<'_, Chord>,
    ) {
        self.upkeep.joining = false;
        if !self.ring.successors.is_empty() {
            return;
        }
        let (Some(predecessor), Some((first, rest))) = (predecessor, successors.split_first()) else {
            self.rejoin_later(cx);
            // Those that begin with each other would wait for each other for ever.
            self.upkeep.member |=
                self.upkeep.is_first && self.upkeep.tries >= FOUND_AFTER && !self.upkeep.told;
            return;
        };
        self.ring.follow(first.clone(), rest);
        self.ring.predecessor = Some(predecessor);
        self.upkeep.member = true;
        self.upkeep.told = true;
        self.stabilize(cx);
        self.upkeep.all_fingers = true;
        self.fix_finger(cx);
    }

    /// After a while that doubles with each try since a successor answered last.
    fn rejoin_later(&mut self, cx: &mut Context<'_, Chord>) {
        let (least, most) = self.config.rejoin;
        let wait = least.saturating_mul(1_u32 << self.upkeep.tries.min(16)).min(most);
        self.upkeep.tries = self.upkeep.tries.saturating_add(1);
        let wait = wait + part(wait, cx);
        cx.set_timer(Timer::Rejoin(self.number), wait);
    }

    /// One round: the successor list, and one finger (SIGCOMM'01 fig. 6).
    pub(super) fn stabilize_round(&mut self, cx: &mut Context<'_, Chord>) {
        let wait = self.config.stabilize / 2 + part(self.config.stabilize, cx);
        cx.set_timer(Timer::Stabilize(self.number), wait);
        match (self.ring.successors.is_empty(), self.upkeep.is_first) {
            (true, true) => return self.rejoin(cx),
            // It waits for its turn.
            (true, false) => return,
            (false, _) => {}
        }
        self.stabilize(cx);
        if !self.upkeep.all_fingers {
            self.fix_finger(cx);
        }
    }

    /// Asks our successor for its neighbours.
    pub(super) fn stabilize(&mut self, cx: &mut Context<'_, Chord>) {
        let Some(first) = self.ring.successors.first().cloned() else { return };
        if self.upkeep.member && !self.is_asking(About::Stabilize) {
            self.ask(first, Ask::Neighbours, About::Stabilize, cx);
        }
    }

    /// A node that is, or should be, our successor has told its neighbours (Zave 2017, stabilize from successor and from
    /// predecessor).
    pub(super) fn stabilized(
        &mut self,
        peer: Place,
        predecessor: Option<Place>,
        successors: &[Place],
        cx: &mut Context<'_, Chord>,
    ) {
        let is_first = self.ring.successors.first().is_some_and(|first| first.key() == peer.key());
        if !is_first && !self.ring.improves(&peer) {
            return;
        }
        self.upkeep.tries = 0;
        self.ring.follow(peer.clone(), successors);
        let nearer = predecessor.filter(|nearer| self.ring.improves(nearer));
        if let Some(nearer) = nearer {
            // It is our successor once it has answered.
            self.ask(nearer, Ask::Neighbours, About::Stabilize, cx);
        }
        let notify = Message::Notify { at: peer.number(), by: self.place() };
        self.send(peer.id(), notify, cx);
    }

    /// The one that we asked is gone. If it is our successor, the next one takes its place.
    pub(super) fn stabilize_failed(&mut self, peer: &Place, cx: &mut Context<'_, Chord>) {
        if self.ring.successors.first().is_some_and(|first| first.key() == peer.key()) {
            self.ring.successors.remove(0);
            if self.ring.successors.is_empty() {
                // Not a ring of one, unless it was begun as one: that would claim every key.
                self.ring.predecessor = None;
                self.upkeep.member = false;
                // A virtual node would be given the same dead ones by the others of this node, until they too know better.
                match self.upkeep.is_first {
                    true => self.rejoin(cx),
                    false => self.rejoin_later(cx),
                }
            } else {
                self.stabilize(cx);
            }
        }
    }

    /// Zave 2017, rectify: somebody believes to be our predecessor.
    pub(super) fn notified(&mut self, by: Place, cx: &mut Context<'_, Chord>) {
        if !self.upkeep.serves() || by.key() == self.ring.me {
            return;
        }
        if !by.node().direct().is_empty() && by.id() != self.me {
            cx.learn(by.node().clone());
        }
        if self.ring.successors.is_empty() {
            // A ring of one: whoever comes is both.
            self.ring.follow(by.clone(), &[]);
            self.upkeep.told = true;
        }
        match self.ring.predecessor.clone() {
            None => self.ring.predecessor = Some(by),
            Some(known) if known.key() == by.key() => self.ring.predecessor = Some(by),
            Some(known) if between(known.key(), by.key(), self.ring.me) => {
                self.ring.predecessor = Some(by);
            }
            // It does not know our predecessor: is that still there?
            Some(known) => {
                self.upkeep.notified = Some(by);
                if !self.is_asking(About::Predecessor) {
                    self.ask(known, Ask::Ping, About::Predecessor, cx);
                }
            }
        }
    }

    pub(super) fn predecessor_failed(&mut self, peer: &Place) {
        if self.ring.predecessor.as_ref().is_some_and(|known| known.key() == peer.key()) {
            self.ring.predecessor = self.upkeep.notified.take();
        }
    }

    /// Fixes the next finger, from the farthest to the nearest, and again.
    fn fix_finger(&mut self, cx: &mut Context<'_, Chord>) {
        let next = self.ring.finger_below(self.upkeep.finger);
        self.upkeep.finger = next.unwrap_or(TOP);
        match next {
            Some(finger) => self.walk(self.ring.finger_key(finger), Purpose::Finger(finger), cx),
            None => self.upkeep.all_fingers = false,
        }
    }

    /// A finger is known.
    pub(super) fn fixed(&mut self, finger: u16, owner: Option<Place>, cx: &mut Context<'_, Chord>) {
        if let Some(owner) = owner {
            self.ring.set_finger(finger, owner);
        }
        if self.upkeep.all_fingers {
            self.fix_finger(cx);
        }
    }
}

/// A random part of a period, in steps of a microsecond.
fn part(period: Duration, cx: &mut Context<'_, Chord>) -> Duration {
    Duration::from_micros(cx.rng().below(u64::try_from(period.as_micros()).unwrap_or(u64::MAX)))
}
