//! A node of Chord as a state machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Rng, Time};

use super::Config;
use super::message::{Ask, Message, Nodes, Tell};
use super::ring::{Ring, between};
use super::upkeep::Upkeep;
use super::walk::Walk;
use crate::overlay::{Command, Event, FindError, Overlay, QueryId, QueryReport, Step};
use crate::{Distance, Key};

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The question of this number has failed.
    Call(u32),
    /// Stabilize.
    Stabilize,
    /// Try to join again.
    Rejoin,
}

/// A node of Chord. It joins by itself once it was given nodes to begin with; without any it is a ring of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    pub(super) me: NodeId,
    pub(super) config: Arc<Config>,
    pub(super) addrs: Vec<SocketAddr>,
    pub(super) ring: Ring,
    pub(super) upkeep: Upkeep,
    calls: BTreeMap<u32, Call>,
    next_call: u32,
    walks: BTreeMap<u32, Walk>,
    next_walk: u32,
}

/// A question on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    peer: NodeAddr,
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
    App { query: QueryId, steps: bool },
    Join,
    Finger(u16),
}

/// Nodes named as nearer: enough to get around many that are gone.
const NEARER: usize = 8;

impl Chord {
    /// A node that knows nobody. `bootstrap`: nodes to begin with; may be given later by [`Command::Bootstrap`].
    pub fn new(me: NodeId, bootstrap: Vec<NodeAddr>, config: impl Into<Arc<Config>>) -> Self {
        let config = Arc::new(Arc::unwrap_or_clone(config.into()).clamped());
        Chord {
            me,
            ring: Ring::new(Key::of_node(me), config.successors),
            config,
            addrs: Vec::new(),
            upkeep: Upkeep::new(bootstrap),
            calls: BTreeMap::new(),
            next_call: 0,
            walks: BTreeMap::new(),
            next_walk: 0,
        }
    }

    /// A node that is on the ring already: its predecessor, its successors, the nearest first, and others that it knows.
    #[must_use]
    pub fn on_ring(
        mut self,
        predecessor: Option<NodeAddr>,
        successors: &[NodeAddr],
        others: &[NodeAddr],
    ) -> Self {
        if let Some((first, rest)) = successors.split_first() {
            self.ring.follow(first.clone(), rest);
        }
        self.ring.predecessor = predecessor;
        let mut i = Key::BITS as u16;
        while let Some(finger) = self.ring.finger_below(i) {
            let key = self.ring.finger_key(finger);
            let owner = others.iter().min_by_key(|node| key.clockwise(Key::of_node(node.id)));
            owner.into_iter().for_each(|owner| self.ring.set_finger(finger, owner.clone()));
            i = finger;
        }
        self.upkeep.on_ring();
        self
    }

    /// The node before this one, as far as it knows.
    pub fn predecessor(&self) -> Option<NodeId> {
        self.ring.predecessor.as_ref().map(|node| node.id)
    }

    /// The nodes behind this one, the nearest first.
    pub fn successors(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ring.successors.iter().map(|node| node.id)
    }

    /// Whether it is a part of the ring: it has joined, or it began it.
    pub fn is_member(&self) -> bool {
        self.upkeep.is_member()
    }

    /// So many questions were asked.
    pub fn questions(&self) -> u32 {
        self.next_call
    }

    /// Where others reach us.
    pub(super) fn addr(&self) -> NodeAddr {
        self.addrs.iter().fold(NodeAddr::new(self.me), |addr, direct| addr.with(*direct))
    }

    pub(super) fn ask(&mut self, peer: NodeAddr, ask: Ask, about: About, cx: &mut Context<'_, Self>) {
        let id = peer.id;
        if !peer.direct().is_empty() {
            cx.learn(peer.clone());
        }
        while self.calls.contains_key(&self.next_call) {
            self.next_call = self.next_call.wrapping_add(1);
        }
        let call = self.next_call;
        self.next_call = self.next_call.wrapping_add(1);
        self.calls.insert(call, Call { peer, about, sent: cx.now() });
        cx.send(id, Message::Request { call, ask });
        cx.set_timer(Timer::Call(call), self.config.timeout);
    }

    /// Whether a question of this kind is on its way.
    pub(super) fn is_asking(&self, about: About) -> bool {
        self.calls.values().any(|call| call.about == about)
    }

    /// Begins a walk.
    pub(super) fn walk(&mut self, key: Key, purpose: Purpose, cx: &mut Context<'_, Self>) {
        let mut walk = Walk::new(key, purpose, cx.now());
        let joins = purpose == Purpose::Join;
        if self.is_member() && !joins && (self.ring.owns(key) || self.ring.leads_to_owner(key)) {
            walk.lead(self.ring.successors.clone(), 1);
        } else {
            walk.add(self.ring.preceding(key, NEARER.max(self.config.successors)), 1);
            // If all of them are gone we come right before the key.
            walk.set_behind(if joins { Vec::new() } else { self.ring.behind(self.ring.me, key) });
            if joins || self.ring.known().is_empty() {
                walk.add(self.upkeep.bootstrap(NEARER), 1);
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

    fn go_on(&mut self, number: u32, cx: &mut Context<'_, Self>) {
        while let Some(walk) = self.walks.get_mut(&number)
            && let Some((peer, ask, owner, hop)) = walk.next()
        {
            let purpose = walk.purpose;
            self.step(purpose, peer.id, Step::Asked { path: 0, hop }, cx);
            self.ask(peer, ask, About::Walk { walk: number, owner, hop }, cx);
        }
        if self.walks.get(&number).is_some_and(Walk::is_done)
            && let Some(walk) = self.walks.remove(&number)
        {
            self.end(walk, cx);
        }
    }

    fn end(&mut self, walk: Walk, cx: &mut Context<'_, Self>) {
        match walk.purpose {
            Purpose::App { query, .. } => {
                let led = walk.has_led();
                let (found, report) = walk.finish(cx.now());
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

    fn step(&self, purpose: Purpose, peer: NodeId, step: Step, cx: &mut Context<'_, Self>) {
        if let Purpose::App { query, steps: true } = purpose {
            cx.emit(Event::Step { query, peer, step });
        }
    }

    fn asked(&mut self, from: NodeId, call: u32, ask: Ask, cx: &mut Context<'_, Self>) {
        // Who has not joined knows nothing that others could use, and is no owner.
        if !self.upkeep.serves() {
            if let (Ask::Way(_), Some(first)) = (ask, self.upkeep.joins_by(NEARER)) {
                cx.send(from, Message::Answer { call, tell: Tell::Nearer(first.into()) });
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
            Ask::Way(_) if self.ring.successors.is_empty() => Tell::Owners(vec![self.addr()].into()),
            Ask::Way(key) if self.ring.leads_to_owner(key) => {
                Tell::Owners(self.ring.successors.clone().into())
            }
            Ask::Way(key) => Tell::Nearer(Nodes::from(self.ring.preceding(key, NEARER))),
        };
        cx.send(from, Message::Answer { call, tell });
    }

    fn answered(&mut self, from: NodeId, number: u32, tell: Tell, cx: &mut Context<'_, Self>) {
        // Only who was asked can answer.
        if self.calls.get(&number).is_none_or(|call| call.peer.id != from) {
            return;
        }
        let Some(call) = self.calls.remove(&number) else { return };
        cx.cancel_timer(Timer::Call(number));
        match (call.about, tell) {
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
        peer: NodeAddr,
        sent: Time,
        owner: bool,
        hop: u32,
        tell: Tell,
        cx: &mut Context<'_, Self>,
    ) {
        let me = self.me;
        let Some(walk) = self.walks.get_mut(&number) else { return };
        // Who owns the key if somebody believes that we do, and we know better.
        let before = self.ring.predecessor.clone().filter(|_| !self.ring.owns(walk.key));
        walk.waiting -= 1;
        walk.report.answers += 1;
        let mut new = 0;
        match (owner, tell) {
            (true, tell) => {
                walk.confirmed(peer.clone());
                if let Tell::Owners(named) = tell
                    && let Some(other) = named.into_vec().into_iter().next().filter(|other| other.id != me)
                {
                    new += u32::from(walk.redirect(peer.id, other));
                }
            }
            (false, Tell::Owners(owners)) => {
                let mut owners = owners.into_vec();
                if let (Some(first), Some(before)) = (owners.first_mut(), before)
                    && first.id == me
                {
                    *first = before;
                }
                owners.retain(|owner| owner.id != me);
                new = owners.len() as u32;
                walk.last = Some(peer.clone());
                walk.lead(owners, hop + 1);
            }
            (false, Tell::Nearer(nodes)) => {
                // Only those that are nearer, or liars could lead us around in circles.
                let here = Key::of_node(peer.id).clockwise(walk.key);
                let nodes = nodes.into_vec().into_iter().filter(|node| node.id != me);
                let (nearer, others): (Vec<NodeAddr>, Vec<NodeAddr>) =
                    nodes.partition(|node| Key::of_node(node.id).clockwise(walk.key) < here);
                // It is still joining, and says by whom. Each is asked once, so that leads around in no circle.
                let joins = walk.purpose == Purpose::Join && nearer.is_empty();
                if !joins {
                    walk.passed(&peer, hop);
                }
                new = walk.add(if joins { others } else { nearer }, hop + 1);
            }
            (false, Tell::Neighbours { successors, .. }) => {
                let here = Key::of_node(peer.id);
                let (nearer, behind): (Vec<NodeAddr>, Vec<NodeAddr>) = successors
                    .into_vec()
                    .into_iter()
                    .filter(|node| node.id != me)
                    .partition(|node| between(here, Key::of_node(node.id), walk.key));
                new = walk.add(nearer, hop + 1);
                walk.set_behind(behind);
            }
            (false, _) => {}
        }
        let purpose = walk.purpose;
        self.step(purpose, peer.id, Step::Answered { new, after: cx.now() - sent }, cx);
        self.go_on(number, cx);
    }

    fn failed(&mut self, number: u32, cx: &mut Context<'_, Self>) {
        let Some(call) = self.calls.remove(&number) else { return };
        cx.cancel_timer(Timer::Call(number));
        self.ring.forget_finger(call.peer.id);
        match call.about {
            About::Walk { walk: number, .. } => {
                let Some(walk) = self.walks.get_mut(&number) else { return };
                walk.waiting -= 1;
                walk.report.failures += 1;
                let purpose = walk.purpose;
                self.step(purpose, call.peer.id, Step::Failed, cx);
                self.go_on(number, cx);
            }
            About::Stabilize => self.stabilize_failed(call.peer.id, cx),
            About::Predecessor => self.predecessor_failed(call.peer.id),
            About::Check => {}
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_, Self>) {
        match command {
            Command::Find { query, key, steps } => {
                let taken =
                    |walk: &Walk| matches!(walk.purpose, Purpose::App { query: other, .. } if other == query);
                let refused = if self.walks.values().any(taken) {
                    Some(FindError::NameTaken)
                } else {
                    (self.walks.len() >= self.config.max_walks).then_some(FindError::Busy)
                };
                match refused {
                    Some(error) => {
                        cx.emit(Event::Done { query, found: Err(error), report: QueryReport::default() });
                    }
                    None => self.walk(key, Purpose::App { query, steps }, cx),
                }
            }
            Command::Cancel(query) => self.walks.retain(
                |_, walk| !matches!(walk.purpose, Purpose::App { query: other, .. } if other == query),
            ),
            Command::Bootstrap(nodes) => self.set_bootstrap(nodes, cx),
            Command::Advertise(addrs) => self.addrs = addrs,
            Command::Check(node) => {
                let known = self.ring.known().get(&node).map(|addr| (*addr).clone());
                if let Some(addr) = known.filter(|_| !self.is_asking(About::Check)) {
                    self.ask(addr, Ask::Ping, About::Check, cx);
                }
            }
        }
    }
}

impl Machine for Chord {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => self.start(cx),
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, Message::Request { call, ask }) => self.asked(from, call, ask, cx),
            Input::Message(from, Message::Answer { call, tell }) => self.answered(from, call, tell, cx),
            // Only for itself.
            Input::Message(from, Message::Notify(addr)) if addr.id == from => self.notified(addr, cx),
            Input::Timer(Timer::Call(number)) => self.failed(number, cx),
            Input::Timer(Timer::Stabilize) => self.stabilize_round(cx),
            Input::Timer(Timer::Rejoin) => self.rejoin(cx),
            Input::PeerDown(peer) => {
                let lost: Vec<u32> =
                    self.calls.iter().filter(|(_, call)| call.peer.id == peer).map(|(at, _)| *at).collect();
                lost.into_iter().for_each(|number| self.failed(number, cx));
            }
            Input::Message(_, Message::Notify(_))
            | Input::PeerUp(_)
            | Input::Stored(_)
            | Input::Probed(..) => {}
        }
    }
}

impl Overlay for Chord {
    fn me(&self) -> NodeId {
        self.me
    }

    fn nearest(&self, key: Key, most: usize) -> Vec<NodeAddr> {
        let mut known: Vec<NodeAddr> = self.ring.known().into_values().cloned().collect();
        known.sort_unstable_by_key(|node| key.clockwise(Key::of_node(node.id)));
        known.truncate(most);
        known
    }

    fn known(&self) -> usize {
        self.ring.known().len()
    }

    fn copies(&self) -> usize {
        self.config.successors
    }

    fn distance(&self, node: NodeId, key: Key) -> Distance {
        key.clockwise(Key::of_node(node))
    }

    fn reach(&self) -> Distance {
        let last = self.ring.successors.get(self.config.successors - 1);
        last.map_or(Distance::MAX, |last| self.ring.me.clockwise(Key::of_node(last.id)))
    }

    fn around(&self, _: Key, _: &mut Rng) -> Vec<Key> {
        Vec::new()
    }

    /// They have the same owner, and so the same successors.
    fn alike(&self, key: Key, found: &[NodeId], other: Key) -> bool {
        found.first().is_some_and(|owner| key.clockwise(other) <= self.distance(*owner, key))
    }

    fn contacts(&self, _: Time) -> Vec<(NodeAddr, Duration)> {
        self.ring.known().into_values().map(|node| (node.clone(), Duration::ZERO)).collect()
    }

    fn restore(&mut self, contacts: Vec<(NodeAddr, Duration)>) {
        self.upkeep.restore(contacts.into_iter().map(|(node, _)| node).collect());
    }

    fn named(&self, me: NodeId) -> Self {
        Chord::new(me, Vec::new(), self.config.clone())
    }

    const TAG: &'static str = "dsys/dht/chord/1";
}

impl Default for Chord {
    /// A node without a name: settings for [`Overlay::named`].
    fn default() -> Self {
        Config::default().into()
    }
}

impl From<Config> for Chord {
    fn from(config: Config) -> Self {
        Chord::new(NodeId::from_bytes([0; 32]), Vec::new(), config)
    }
}
