//! One node with its two views.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Time};

use super::nearer::Search;
use super::views::Views;
use super::{Config, Message};

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Join the overlay of these nodes; they are remembered as contacts.
    Join(Vec<NodeAddr>),
    /// Tell the neighbours that they no longer are, and look for no others until the next `Join`.
    Leave,
    /// This node broke a rule, here or in what stands above: it is no neighbour any more and will not become one.
    Bar(NodeId),
}

/// What the app, or the broadcast above, is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This node is a neighbour now.
    Up(NodeId),
    /// And now it is not.
    Down(NodeId),
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Exchange a part of the views.
    Shuffle,
    /// See who is silent.
    Probe,
    /// Look for nearer neighbours.
    Search,
    /// This node was asked and should have answered.
    Asked(NodeId),
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Nodes asked to be neighbours.
    pub asked: u64,
    /// Neighbours lost because the connection ended or they were silent.
    pub lost: u64,
    /// Neighbours given up for others.
    pub evicted: u64,
    /// Neighbours given up for nearer ones.
    pub swapped: u64,
    /// Joins, swaps and shuffles dropped because there were `max_taken`, and wishes to be a neighbour because there were
    /// `max_asked` of one node.
    pub dropped: u64,
    /// Messages that broke a bound, named another as their sender, or were not asked for. The first two bar the peer.
    pub violations: u64,
    /// Messages of barred peers, not looked at.
    pub barred: u64,
}

/// So many shuffles come sooner, the first after a sixteenth of the period.
const FIRST_SHUFFLES: u8 = 4;

/// Whom a node looks for sooner than it looks around otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    Nobody,
    /// It has no neighbour.
    Neighbour,
    /// It has not met a contact.
    Contact,
}

/// One node with its two views.
#[derive(Clone, Debug)]
pub struct Partial {
    pub(super) me: NodeAddr,
    pub(super) config: Arc<Config>,
    pub(super) views: Views,
    pub(super) contacts: Vec<NodeAddr>,
    /// Those of them that have not answered yet. To be content with whoever came by them meanwhile would leave two islands.
    pub(super) unmet: Vec<NodeId>,
    /// Nodes asked to be neighbours, without an answer yet, and whether we had nobody.
    pub(super) asked: Vec<(NodeAddr, bool)>,
    /// Nodes that refused since the last shuffle, and whether they did although we had nobody.
    pub(super) refused: Vec<(NodeId, bool)>,
    /// What the last shuffle sent, until its reply.
    pub(super) shuffled: Option<Vec<NodeId>>,
    /// Joins and shuffles taken since the last shuffle of ours.
    pub(super) joins: u32,
    pub(super) shuffles: u32,
    /// Who has asked to be a neighbour since then, and how often.
    pub(super) asking: BTreeMap<NodeId, u32>,
    /// So many times the period of the shuffles is still to double.
    pub(super) soon: u8,
    pub(super) away: bool,
    /// What it lacks, and how often it has looked around for that.
    pub(super) lack: (Lack, u32),
    pub(super) search: Search,
    /// Neighbours that fell silent or could not be reached, to be tried again now and then: the one to try next first.
    pub(super) lost: VecDeque<NodeAddr>,
    /// Those that broke a rule, the oldest first.
    pub(super) barred: VecDeque<NodeId>,
    pub(super) stats: Stats,
}

impl Partial {
    /// A node without neighbours. `me` is what others are told of us.
    pub fn new(me: impl Into<NodeAddr>, config: impl Into<Arc<Config>>) -> Self {
        let (me, config) = (me.into(), config.into());
        Partial {
            views: Views::new(me.id, config.passive),
            me,
            config,
            contacts: Vec::new(),
            unmet: Vec::new(),
            asked: Vec::new(),
            refused: Vec::new(),
            shuffled: None,
            joins: 0,
            shuffles: 0,
            asking: BTreeMap::new(),
            soon: FIRST_SHUFFLES,
            away: false,
            lack: (Lack::Nobody, 0),
            search: Search::default(),
            lost: VecDeque::new(),
            barred: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// The active view.
    pub fn neighbours(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.views.active.iter().map(|neighbour| neighbour.addr.id)
    }

    /// The passive view.
    pub fn passive(&self) -> &[NodeAddr] {
        &self.views.passive
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// This peer said something then, here or to what stands above: a neighbour that speaks need not be probed.
    pub fn heard(&mut self, peer: NodeId, then: Time) {
        if let Some(neighbour) = self.views.neighbour(peer) {
            neighbour.heard = neighbour.heard.max(then);
        }
    }

    fn begin(&mut self, cx: &mut Context<'_, Self>) {
        self.plan_shuffle(cx);
        self.plan_search(cx);
        self.plan_probe(cx);
    }

    fn join(&mut self, contacts: Vec<NodeAddr>, cx: &mut Context<'_, Self>) {
        self.away = false;
        for contact in contacts {
            if contact.id != self.me.id
                && self.contacts.len() < self.config.max_contacts
                && self.contacts.iter().all(|known| known.id != contact.id)
            {
                if !self.views.is_active(contact.id) {
                    self.unmet.push(contact.id);
                }
                self.contacts.reserve_exact(1);
                self.contacts.push(contact);
            }
        }
        self.turn_to_a_contact(cx);
        self.plan_probe(cx);
    }

    pub(super) fn turn_to_a_contact(&mut self, cx: &mut Context<'_, Self>) {
        // Whoever was cut off from all may have no contact but those it lost.
        let contacts = self.contacts.len();
        let at = cx.rng().index(contacts + self.lost.len());
        let contact = self.contacts.get(at).or_else(|| self.lost.get(at.saturating_sub(contacts)));
        if let Some(contact) = contact.cloned() {
            self.ask(contact, Message::Join(self.me.clone()), cx);
        }
    }

    fn joined(&mut self, joiner: NodeAddr, cx: &mut Context<'_, Self>) {
        if self.away {
            cx.send(joiner.id, Message::Refuse);
            return;
        }
        self.begin_anew(joiner.id, cx);
        // §4.2: everybody the contact knows hears of the new node.
        for id in self.neighbours().filter(|id| *id != joiner.id) {
            cx.send(id, Message::ForwardJoin { joiner: joiner.clone(), ttl: self.config.join_walk });
        }
        cx.send(joiner.id, Message::Accept);
        self.accept(joiner, cx);
    }

    fn forward_join(&mut self, from: NodeId, joiner: NodeAddr, ttl: u8, cx: &mut Context<'_, Self>) {
        let ttl = ttl.min(self.config.join_walk);
        let next = if ttl == 0 { None } else { self.views.pick(cx.rng(), &[from, joiner.id]) };
        let Some(next) = next else {
            if joiner.id != self.me.id && !self.away {
                self.ask(joiner, Message::Neighbour { addr: self.me.clone(), high: true }, cx);
            }
            return;
        };
        if ttl == self.config.passive_walk {
            self.views.add_passive(joiner.clone(), &[], cx.rng());
        }
        cx.send(next, Message::ForwardJoin { joiner, ttl: ttl - 1 });
    }

    fn leave(&mut self, cx: &mut Context<'_, Self>) {
        self.away = true;
        for id in self.neighbours().collect::<Vec<_>>() {
            cx.send(id, Message::Disconnect);
            self.lose(id, true, cx);
        }
    }

    /// Whether a message keeps our bounds and names its sender rightly.
    fn fits(&self, from: NodeId, message: &Message) -> bool {
        match message {
            Message::Join(addr) | Message::Neighbour { addr, .. } | Message::Swap { addr, .. } => {
                addr.id == from
            }
            Message::Shuffle { nodes, .. } | Message::ShuffleReply(nodes) => {
                nodes.len() <= self.config.max_shuffle
            }
            _ => true,
        }
    }

    /// Whether one more of these is taken before our next shuffle.
    fn within(count: &mut u32, most: u32, dropped: &mut u64) -> bool {
        *count = count.saturating_add(1);
        *dropped += u64::from(*count > most);
        *count <= most
    }

    /// Whether this node may become a neighbour by asking, once more before our next shuffle.
    fn may_ask(&mut self, from: NodeId) -> bool {
        let room = self.asking.len() < self.config.max_taken as usize || self.asking.contains_key(&from);
        let mut asked = self.config.max_asked;
        if room {
            let count = self.asking.entry(from).or_default();
            asked = std::mem::replace(count, count.saturating_add(1));
        }
        let may = asked < self.config.max_asked;
        self.stats.dropped += u64::from(!may);
        may
    }

    fn hear(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Self>) {
        self.heard(from, cx.now());
        let most = self.config.max_taken;
        match message {
            Message::Join(addr) => {
                if self.may_ask(from) && Self::within(&mut self.joins, most, &mut self.stats.dropped) {
                    self.joined(addr, cx);
                }
            }
            Message::ForwardJoin { joiner, ttl } => {
                if Self::within(&mut self.joins, most, &mut self.stats.dropped) {
                    self.forward_join(from, joiner, ttl, cx);
                }
            }
            Message::Neighbour { addr, high } => {
                let room = self.views.active.len() < self.config.active || self.views.is_active(from);
                if (high || room) && !self.away && self.may_ask(from) {
                    self.begin_anew(from, cx);
                    self.answered(from, cx);
                    cx.send(from, Message::Accept);
                    self.accept(addr, cx);
                } else {
                    cx.send(from, Message::Refuse);
                }
            }
            Message::Accept => match self.answered(from, cx) {
                Some((addr, _)) if !self.away => self.accept(addr, cx),
                // They count us as a neighbour, and we are none.
                _ if !self.views.is_active(from) => cx.send(from, Message::Disconnect),
                _ => {}
            },
            Message::Refuse => {
                let swap = self.search.over(from).is_some();
                self.lost.retain(|lost| lost.id != from);
                if let Some((addr, alone)) = self.answered(from, cx) {
                    self.views.add_passive(addr, &[], cx.rng());
                    if swap {
                        return;
                    }
                    self.refused.retain(|(refused, _)| *refused != from);
                    // After so many refusals the next shuffle brings others.
                    if self.refused.len() < self.config.passive {
                        self.refused.push((from, alone));
                        self.fill(cx);
                    }
                }
            }
            Message::Disconnect => {
                self.measured(from, cx);
                self.lose(from, true, cx);
                self.fill(cx);
            }
            Message::Shuffle { origin, ttl, nodes } => {
                if Self::within(&mut self.shuffles, most, &mut self.stats.dropped) {
                    self.shuffled(from, origin, ttl, nodes, cx);
                }
            }
            Message::ShuffleReply(nodes) => match self.shuffled.take() {
                Some(sent) => self.integrate(nodes, &sent, cx),
                None => self.stats.violations += 1,
            },
            // Their acceptance may come behind their first ping.
            Message::Ping
                if self.views.is_active(from) || self.asked.iter().any(|(asked, _)| asked.id == from) =>
            {
                cx.send(from, Message::Pong);
            }
            Message::Ping => cx.send(from, Message::Disconnect),
            Message::Pong => self.measured(from, cx),
            Message::Swap { addr, round_trip, old } => {
                if Self::within(&mut self.joins, most, &mut self.stats.dropped) {
                    self.swap(addr, Duration::from_micros(round_trip.into()), *old, cx);
                }
            }
            Message::Swapped(given_up) => self.swapped(from, given_up, cx),
            Message::Instead { addr, ask } => self.instead(from, addr, ask, cx),
        }
    }
}

impl Machine for Partial {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => self.begin(cx),
            Input::Command(Command::Join(contacts)) => self.join(contacts, cx),
            Input::Command(Command::Leave) => self.leave(cx),
            Input::Command(Command::Bar(peer)) => self.bar(peer, cx),
            Input::Message(from, _) if self.barred.contains(&from) => self.stats.barred += 1,
            Input::Message(from, message) if !self.fits(from, &message) => {
                self.stats.violations += 1;
                self.bar(from, cx);
            }
            Input::Message(from, message) => self.hear(from, message, cx),
            Input::Timer(Timer::Shuffle) => self.shuffle(cx),
            Input::Timer(Timer::Probe) => self.probe(cx),
            Input::Timer(Timer::Search) => self.search(cx),
            Input::Timer(Timer::Asked(id)) => {
                self.search.over(id);
                self.answered(id, cx);
                self.fill(cx);
            }
            Input::PeerUp(peer) => self.peer_up(peer, cx),
            Input::PeerDown(peer) => self.peer_down(peer, cx),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
