//! A node of Chord as a state machine: its virtual nodes, which share its connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Rng, Time};

use super::Config;
use super::message::Message;
use super::place::Place;
use super::virtual_node::VirtualNode;
use crate::overlay::{Command, Event, FindError, Mode, Overlay, QueryId, QueryReport};
use crate::{Distance, Key};

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The question of this number has failed.
    Call(u32),
    /// The virtual node of this number stabilizes.
    Stabilize(u8),
    /// The virtual node of this number tries to join again.
    Rejoin(u8),
}

/// A node of Chord. It joins by itself once it was given nodes to begin with; without any it is a ring of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    me: NodeId,
    config: Arc<Config>,
    nodes: Vec<VirtualNode>,
    /// So many of them have begun to join: each when the one before it is on the ring.
    started: usize,
    /// Whether others were known once.
    told: bool,
}

impl Chord {
    /// A node that knows nobody. `bootstrap`: nodes to begin with; may be given later by [`Command::Bootstrap`].
    pub fn new(me: NodeId, bootstrap: Vec<NodeAddr>, config: impl Into<Arc<Config>>) -> Self {
        let config = Arc::new(Arc::unwrap_or_clone(config.into()).clamped());
        let first = VirtualNode::new(me, 0, bootstrap, config.clone());
        let others =
            (1..config.virtual_nodes).map(|n| VirtualNode::new(me, n, vec![me.into()], config.clone()));
        let nodes = std::iter::once(first).chain(others).collect();
        Chord { me, config, nodes, started: 0, told: false }
    }

    /// A node of which this virtual node is on the ring already: its predecessor, its successors, the nearest first, and
    /// others that it knows. To be called for each of its virtual nodes.
    #[must_use]
    pub fn on_ring(
        mut self,
        number: u8,
        predecessor: Option<Place>,
        successors: &[Place],
        others: &[Place],
    ) -> Self {
        if let Some(node) = self.nodes.get_mut(usize::from(number)) {
            node.place_on_ring(predecessor, successors, others);
            self.told = true;
        }
        self
    }

    /// Its virtual nodes; the first stands at its id.
    pub fn virtual_nodes(&self) -> &[VirtualNode] {
        &self.nodes
    }

    /// The node before the first of its virtual nodes, as far as that one knows.
    pub fn predecessor(&self) -> Option<NodeId> {
        self.nodes.first()?.predecessor().map(Place::id)
    }

    /// The nodes behind the first of its virtual nodes, the nearest first.
    pub fn successors(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.first().map(VirtualNode::successors).unwrap_or_default().iter().map(Place::id)
    }

    /// Whether it is a part of the ring: it has joined, or it began it.
    pub fn is_member(&self) -> bool {
        self.nodes.first().is_some_and(VirtualNode::is_member)
    }

    /// So many questions were asked.
    pub fn questions(&self) -> u32 {
        self.nodes.iter().map(VirtualNode::questions).fold(0, u32::saturating_add)
    }

    fn others(&self) -> BTreeMap<NodeId, &NodeAddr> {
        self.places().map(|place| (place.id(), place.node())).collect()
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.nodes.iter().flat_map(|node| node.ring.known())
    }

    fn find(&mut self, query: QueryId, key: Key, steps: bool, cx: &mut Context<'_, Self>) {
        let refused = if self.nodes.iter().any(|node| node.is_walking(query)) {
            Some(FindError::NameTaken)
        } else {
            let walks: usize = self.nodes.iter().map(VirtualNode::walks).sum();
            (walks >= self.config.max_walks).then_some(FindError::Busy)
        };
        if let Some(error) = refused {
            return cx.emit(Event::Done { query, found: Err(error), report: QueryReport::default() });
        }
        // Whoever stands nearest before the key has the shortest way.
        let members = self.nodes.iter_mut().filter(|node| node.is_member() || node.number == 0);
        if let Some(node) = members.min_by_key(|node| node.key().clockwise(key)) {
            node.look_up(query, key, steps, cx);
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_, Self>) {
        match command {
            Command::Find { query, key, steps } => self.find(query, key, steps, cx),
            Command::Cancel(query) => self.nodes.iter_mut().for_each(|node| node.cancel(query)),
            Command::Bootstrap(nodes) => {
                if self.is_alone() {
                    self.leave_ring();
                }
                self.nodes.iter_mut().take(1).for_each(|node| node.set_bootstrap(nodes.clone(), cx));
            }
            Command::Advertise(addrs) => self.nodes.iter_mut().for_each(|node| node.addrs = addrs.clone()),
            Command::Serve(mode) => self.serve(mode != Mode::Client, cx),
            Command::Check(peer) => self.nodes.iter_mut().for_each(|node| node.check(peer, cx)),
        }
    }

    /// Takes part in the ring, or no longer.
    fn serve(&mut self, server: bool, cx: &mut Context<'_, Self>) {
        if server == self.config.server {
            return;
        }
        let config = Arc::new(Config { server, ..(*self.config).clone() });
        self.config = config.clone();
        self.nodes.iter_mut().for_each(|node| node.config = config.clone());
        if !server {
            self.leave_ring();
        } else if self.started > 0 {
            self.nodes.iter_mut().take(1).for_each(|node| node.rejoin(cx));
        }
    }

    fn message(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Self>) {
        match message {
            Message::Request { call, at, ask } => {
                if let Some(node) = self.nodes.get_mut(usize::from(at)) {
                    node.asked(from, call, ask, cx);
                }
            }
            Message::Answer { call, tell } => {
                if let Some(node) = self.asker(call) {
                    node.answered(from, call, tell, cx);
                }
            }
            // Only for itself.
            Message::Notify { at, by } if by.id() == from && by.number() < self.config.virtual_nodes => {
                if let Some(node) = self.nodes.get_mut(usize::from(at)) {
                    node.notified(by, cx);
                }
            }
            Message::Notify { .. } => {}
        }
    }

    /// Whose question has this number.
    fn asker(&mut self, call: u32) -> Option<&mut VirtualNode> {
        let number = call % u32::from(self.config.virtual_nodes);
        self.nodes.get_mut(usize::try_from(number).ok()?)
    }

    /// Whether it stands on a ring of nobody but its own virtual nodes.
    fn is_alone(&self) -> bool {
        let mut neighbours =
            self.nodes.iter().flat_map(|node| node.ring.successors.iter().chain(node.predecessor()));
        self.nodes.len() > 1 && self.started > 0 && neighbours.all(|place| place.id() == self.me)
    }

    /// To join that of others: with its own places for neighbours it would hold every key for its own.
    fn leave_ring(&mut self) {
        self.nodes.iter_mut().for_each(VirtualNode::leave_ring);
        self.started = self.started.min(1);
    }

    fn stabilize(&mut self, number: u8, cx: &mut Context<'_, Self>) {
        let by_choice = self.nodes.first().is_some_and(|first| first.upkeep.alone_by_choice());
        if number == 0 && self.is_member() && !by_choice && self.is_alone() {
            self.leave_ring();
        }
        // Those that wait for the first to join have no round of their own.
        let node = self.nodes.get_mut(usize::from(number)).filter(|_| usize::from(number) < self.started);
        if let Some(node) = node {
            node.stabilize_round(cx);
        }
    }

    /// Carries what its virtual nodes say to each other, and lets the next one join.
    fn settle(&mut self, cx: &mut Context<'_, Self>) {
        loop {
            let mail: Vec<Message> = self.nodes.iter_mut().flat_map(VirtualNode::take_mail).collect();
            let waits = mail.is_empty();
            mail.into_iter().for_each(|message| self.message(self.me, message, cx));
            let follows =
                self.started > 0 && self.nodes.get(self.started - 1).is_some_and(VirtualNode::is_member);
            match self.nodes.get_mut(self.started).filter(|_| follows) {
                Some(next) => {
                    self.started += 1;
                    next.start(cx);
                }
                None if waits => break,
                None => {}
            }
        }
        if !self.told && self.is_member() && self.places().next().is_some() {
            self.told = true;
            cx.emit(Event::Joined(self.others().len()));
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
            Input::Start => {
                self.started = 1;
                self.nodes.iter_mut().take(1).for_each(|node| node.start(cx));
            }
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, message) => self.message(from, message, cx),
            Input::Timer(Timer::Call(call)) => {
                if let Some(node) = self.asker(call) {
                    node.failed(call, cx);
                }
            }
            Input::Timer(Timer::Stabilize(number)) => self.stabilize(number, cx),
            Input::Timer(Timer::Rejoin(number)) => {
                if let Some(node) = self.nodes.get_mut(usize::from(number)) {
                    node.rejoin(cx);
                }
            }
            Input::PeerDown(peer) => self.nodes.iter_mut().for_each(|node| node.peer_down(peer, cx)),
            Input::PeerUp(_) | Input::Stored(_) | Input::Probed(..) => {}
        }
        self.settle(cx);
    }
}

impl Overlay for Chord {
    fn me(&self) -> NodeId {
        self.me
    }

    fn nearest(&self, key: Key, most: usize) -> Vec<NodeAddr> {
        let mut known: Vec<(Distance, &Place)> =
            self.places().map(|place| (key.clockwise(place.key()), place)).collect();
        known.sort_unstable_by_key(|(distance, _)| *distance);
        let mut nearest: Vec<NodeAddr> = Vec::with_capacity(most);
        for (_, place) in known {
            if nearest.len() >= most {
                break;
            }
            if nearest.iter().all(|other| other.id != place.id()) {
                nearest.push(place.node().clone());
            }
        }
        nearest
    }

    fn known(&self) -> usize {
        self.others().len()
    }

    fn serves(&self) -> bool {
        self.is_member()
    }

    fn copies(&self) -> usize {
        self.config.successors
    }

    fn distance(&self, node: NodeId, key: Key) -> Distance {
        let places = (0..self.config.virtual_nodes).map(|number| key.clockwise(Place::key_of(node, number)));
        places.min().unwrap_or(Distance::MAX)
    }

    /// The median over its virtual nodes.
    fn reach(&self) -> Distance {
        let mut reaches: Vec<Distance> =
            self.nodes.iter().map(|node| node.ring.reach().unwrap_or(Distance::MAX)).collect();
        reaches.sort_unstable();
        reaches.get(reaches.len() / 2).copied().unwrap_or(Distance::MAX)
    }

    fn around(&self, _: Key, _: &mut Rng) -> Vec<Key> {
        Vec::new()
    }

    /// They have the same owner, and so the same successors.
    fn alike(&self, key: Key, found: &[NodeId], other: Key) -> bool {
        found.first().is_some_and(|owner| key.clockwise(other) <= self.distance(*owner, key))
    }

    fn contacts(&self, _: Time) -> Vec<(NodeAddr, Duration)> {
        self.others().into_values().map(|node| (node.clone(), Duration::ZERO)).collect()
    }

    fn restore(&mut self, contacts: Vec<(NodeAddr, Duration)>) {
        let contacts: Vec<NodeAddr> = contacts.into_iter().map(|(node, _)| node).collect();
        self.nodes.iter_mut().take(1).for_each(|node| node.upkeep.restore(contacts.clone()));
    }

    fn named(&self, me: NodeAddr) -> Self {
        let mut named = Chord::new(me.id, Vec::new(), self.config.clone());
        named.nodes.iter_mut().for_each(|node| node.addrs = me.direct().to_vec());
        named
    }

    const TAG: &'static str = "dsys/dht/chord/2";
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
