//! A node of Kademlia as a state machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Rng, Time};

use super::calls::Calls;
use super::lookup::Lookup;
use super::message::{Addresses, Ask, Message, Nodes};
use super::reach::{Reach, Standing};
use super::round_trips::RoundTrips;
use super::table::{Heard, Table};
use super::{Config, upkeep::Upkeep};
use crate::overlay::{Command, Event, FindError, Overlay, QueryId, QueryReport, Step};
use crate::{Distance, Key};

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The question of this number takes long, or too long.
    Call(u32),
    /// Look whether a bucket wants a refresh.
    Refresh,
    /// Try to join again.
    Rejoin,
    /// Whether others can dial this node is known, or to be asked again.
    Reach,
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Questions sent: for lookups and for probes.
    pub requests: u64,
    /// Of these, probes: whether a node is there.
    pub probes: u64,
    /// Questions answered for others.
    pub served: u64,
    /// Answers that nobody had asked for, or that came too late.
    pub unsolicited: u64,
    /// Lookups refused because of `max_lookups`.
    pub lookups_refused: u64,
    /// Probes left out because of `max_calls`.
    pub probes_refused: u64,
    /// Nodes kept out by the limits on network prefixes.
    pub prefix_refused: u64,
    /// Nodes dialled back at their request.
    pub dial_backs: u64,
    /// Requests to dial back refused because of `max_dial_backs`.
    pub dial_backs_refused: u64,
    /// New contacts dropped because they were not where they said.
    pub refuted: u64,
}

/// A node of Kademlia. It joins by itself once it was given nodes to begin with.
#[derive(Clone, Debug)]
pub struct Kademlia {
    pub(super) me: NodeId,
    pub(super) config: Arc<Config>,
    pub(super) addrs: Vec<SocketAddr>,
    pub(super) reach: Reach,
    pub(super) table: Table,
    pub(super) calls: Calls,
    round_trips: RoundTrips,
    lookups: BTreeMap<u32, Running>,
    next_lookup: u32,
    /// The lookups that could not ask because of `max_calls`.
    starved: BTreeSet<u32>,
    pub(super) upkeep: Upkeep,
    pub(super) stats: Stats,
}

/// A lookup and whose it is.
#[derive(Clone, Debug)]
struct Running {
    lookup: Lookup,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The app's; told step by step if it wants.
    App { query: QueryId, steps: bool },
    /// For our own place, to join.
    Join,
    /// For a place in this bucket, to fill it.
    Refresh(usize),
}

impl Kademlia {
    /// A node that knows nobody. `bootstrap`: nodes to begin with; may be given later by [`Command::Bootstrap`].
    pub fn new(me: NodeId, bootstrap: Vec<NodeAddr>, config: impl Into<Arc<Config>>) -> Self {
        let config = Arc::new(Arc::unwrap_or_clone(config.into()).clamped());
        Self::with_config(me, bootstrap, config)
    }

    fn with_config(me: NodeId, bootstrap: Vec<NodeAddr>, config: Arc<Config>) -> Self {
        Kademlia {
            me,
            addrs: Vec::new(),
            reach: Reach::new(config.mode),
            table: Table::new(me, &config),
            calls: Calls::default(),
            round_trips: RoundTrips::default(),
            lookups: BTreeMap::new(),
            next_lookup: 0,
            starved: BTreeSet::new(),
            upkeep: Upkeep::new(bootstrap),
            stats: Stats::default(),
            config,
        }
    }

    /// Where others reach this node, as far as it knows; may be told later by [`Command::Advertise`].
    #[must_use]
    pub fn at(mut self, addrs: &[SocketAddr]) -> Self {
        self.addrs = Addresses::from(addrs.to_vec()).into_vec();
        self.reach.choose(self.reach.mode(), &self.addrs);
        self
    }

    /// Takes in contacts from an earlier life, so that a restart needs no other node to begin with. They count as if
    /// they had just answered; those that are gone will be found out. As many are taken as the table has room for.
    #[must_use]
    pub fn with_contacts(mut self, contacts: impl IntoIterator<Item = NodeAddr>) -> Self {
        for contact in contacts {
            self.table.answered(&contact, Time::ZERO);
        }
        self
    }

    /// The contacts, the farthest bucket first.
    pub fn contacts(&self) -> impl Iterator<Item = NodeAddr> + '_ {
        self.table.contacts().map(|contact| contact.addr())
    }

    /// How many contacts each bucket has. Bucket `i` has the nodes that share exactly the first `i` bits with us,
    /// the last one all nearer ones.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.table.buckets()).map(|at| self.table.bucket_len(at))
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn find(&mut self, query: QueryId, key: Key, steps: bool, cx: &mut Context<'_, Self>) {
        let taken = self.lookups.values().any(|running| running.purpose.query() == Some(query));
        let refused = if taken {
            Some(FindError::NameTaken)
        } else if self.lookups.len() >= self.config.max_lookups {
            self.stats.lookups_refused += 1;
            Some(FindError::Busy)
        } else {
            None
        };
        match refused {
            Some(error) => {
                cx.emit(Event::Done { query, found: Err(error), report: QueryReport::default() });
            }
            None => self.look_up(key, Purpose::App { query, steps }, cx),
        }
    }

    /// Begins a lookup, and ends it at once if nobody is known.
    pub(super) fn look_up(&mut self, key: Key, purpose: Purpose, cx: &mut Context<'_, Self>) {
        // A join that takes its time meets more others, and all later lookups are shorter for it.
        let urgent = purpose.query().is_some();
        let mut lookup = Lookup::new(self.me, key, &self.config, urgent, cx.now());
        let mut seeds = self.table.nearest(key, self.config.k);
        // With few others known, the nodes to begin with are asked again: after a partition they may be the only way to
        // those that were on the other side.
        if seeds.is_empty() || purpose == Purpose::Join {
            seeds.extend(self.upkeep.bootstrap(self.config.k));
        }
        self.table.touch(key, cx.now());
        lookup.begin(seeds);
        while self.lookups.contains_key(&self.next_lookup) {
            self.next_lookup = self.next_lookup.wrapping_add(1);
        }
        let number = self.next_lookup;
        self.next_lookup = self.next_lookup.wrapping_add(1);
        self.lookups.insert(number, Running { lookup, purpose });
        self.go_on(number, cx);
    }

    /// Asks whom the lookup wants to ask next, and ends it when there is nobody left.
    fn go_on(&mut self, number: u32, cx: &mut Context<'_, Self>) {
        loop {
            let full = self.calls.len() >= self.config.max_calls;
            let Some(running) = self.lookups.get_mut(&number) else { return };
            if full {
                self.starved.insert(number);
                return;
            }
            let Some(next) = running.lookup.next() else {
                // All we began with are gone: there are others.
                let key = running.lookup.key();
                if running.lookup.is_lost() && running.lookup.begin(self.table.nearest(key, self.config.k)) {
                    continue;
                }
                break;
            };
            if let Purpose::App { query, steps: true } = running.purpose {
                let step = Step::Asked { path: next.path, hop: next.hop };
                cx.emit(Event::Step { query, peer: next.peer.id, step });
            }
            let key = running.lookup.key();
            self.ask(next.peer, Ask::FindNode(key), Some(number), cx);
        }
        if self.lookups.get(&number).is_some_and(|running| running.lookup.is_done()) {
            self.end(number, cx);
        }
    }

    /// A question has ended: those that had to wait for room go on.
    fn call_ended(&mut self, lookup: Option<u32>, cx: &mut Context<'_, Self>) {
        if let Some(lookup) = lookup {
            self.go_on(lookup, cx);
        }
        while self.calls.len() < self.config.max_calls
            && let Some(starved) = self.starved.pop_first()
        {
            self.go_on(starved, cx);
        }
    }

    fn end(&mut self, number: u32, cx: &mut Context<'_, Self>) {
        let Some(Running { lookup, purpose }) = self.lookups.remove(&number) else { return };
        let (found, report) = lookup.finish(cx.now());
        match purpose {
            Purpose::App { query, .. } => {
                let found = match (found.is_empty(), report.requests) {
                    (false, _) => Ok(found),
                    (true, 0) => Err(FindError::NoPeers),
                    (true, _) => Err(FindError::NobodyAnswered),
                };
                if found.is_err() {
                    self.rejoin_soon(cx);
                }
                cx.emit(Event::Done { query, found, report });
            }
            Purpose::Join => self.joined(cx),
            Purpose::Refresh(bucket) => self.refreshed(bucket, cx),
        }
    }

    /// Sends a question and sets its timer.
    fn ask(&mut self, peer: NodeAddr, ask: Ask, lookup: Option<u32>, cx: &mut Context<'_, Self>) {
        let id = peer.id;
        if !peer.direct().is_empty() {
            cx.learn(peer.clone());
        }
        let call = self.calls.open(peer, lookup, cx.now());
        let server = self.is_server().then(|| Addresses::from(self.addrs.clone()));
        cx.send(id, Message::Request { call, server, ask });
        // Nobody is asked in place of a probe.
        let wait = match lookup {
            Some(_) => {
                let measured = self.round_trips.patience(self.table.round_trip(id));
                measured.unwrap_or(self.config.patience).min(self.config.timeout)
            }
            None => self.config.timeout,
        };
        cx.set_timer(Timer::Call(call), wait);
        self.stats.requests += 1;
    }

    /// Asks whether a node is there, unless it is being asked already.
    pub(super) fn probe(&mut self, peer: NodeAddr, cx: &mut Context<'_, Self>) {
        if self.calls.is_asking(peer.id) {
            return;
        }
        if self.calls.len() >= self.config.max_calls {
            self.stats.probes_refused += 1;
            return;
        }
        self.stats.probes += 1;
        self.ask(peer, Ask::Ping, None, cx);
    }

    fn request(
        &mut self,
        from: NodeId,
        call: u32,
        server: Option<Addresses>,
        ask: Ask,
        cx: &mut Context<'_, Self>,
    ) {
        if self.reach.standing == Standing::Client {
            return;
        }
        self.stats.served += 1;
        let nodes = match ask {
            Ask::Ping => Nodes::default(),
            Ask::FindNode(key) => {
                let mut nodes = self.table.nearest_in_any_order(key, self.config.k);
                // The asker needs not hear of itself.
                nodes.retain(|node| node.id != from);
                Nodes::from(nodes)
            }
        };
        cx.send(from, Message::Answer { call, nodes });
        if let Some(addrs) = server {
            let addr = addrs.iter().fold(NodeAddr::new(from), |addr, direct| addr.with(*direct));
            self.heard(addr, cx);
        }
    }

    /// A server asked us something. §2.2 would take it in; we ask it first, since nothing proves yet that it answers.
    fn heard(&mut self, addr: NodeAddr, cx: &mut Context<'_, Self>) {
        match self.table.heard(&addr, cx.now(), self.config.stale) {
            Heard::Wanted => self.probe(addr, cx),
            Heard::Spare(Some(oldest)) => {
                let oldest = self.table.contacts().find(|contact| contact.id == oldest);
                if let Some(oldest) = oldest.map(|contact| contact.addr()) {
                    self.probe(oldest, cx);
                }
            }
            Heard::Refused => self.stats.prefix_refused += u64::from(addr.id != self.me),
            Heard::Known | Heard::Spare(None) => {}
        }
    }

    fn answer(&mut self, from: NodeId, number: u32, nodes: Nodes, cx: &mut Context<'_, Self>) {
        let Some(call) = self.calls.answered(number, from) else {
            self.stats.unsolicited += 1;
            return;
        };
        cx.cancel_timer(Timer::Call(number));
        let took = cx.now() - call.sent;
        let own = self.table.round_trip(from);
        self.round_trips.add(took, own);
        self.take_in(&call.peer, cx);
        self.table.set_round_trip(from, Some(self.round_trips.smoothed(own, took)));
        self.met(cx);
        if let Some(running) = call.lookup.and_then(|lookup| self.lookups.get_mut(&lookup)) {
            let new = running.lookup.answered(from, nodes.into_vec());
            if let (Purpose::App { query, steps: true }, Some(new)) = (running.purpose, new) {
                let step = Step::Answered { new, after: took };
                cx.emit(Event::Step { query, peer: from, step });
            }
        }
        self.call_ended(call.lookup, cx);
    }

    /// A question takes long: the lookup goes on without it. Too long: it has failed.
    fn late(&mut self, number: u32, cx: &mut Context<'_, Self>) {
        let timeout = self.config.timeout;
        let Some(call) = self.calls.get_mut(number) else { return };
        let waited = cx.now() - call.sent;
        if waited >= timeout || call.slow {
            return self.failed(number, cx);
        }
        call.slow = true;
        let (peer, lookup) = (call.peer.id, call.lookup);
        cx.set_timer(Timer::Call(number), timeout.saturating_sub(waited));
        let Some(running) = lookup.and_then(|lookup| self.lookups.get_mut(&lookup)) else { return };
        if running.lookup.slow(peer)
            && let Purpose::App { query, steps: true } = running.purpose
        {
            cx.emit(Event::Step { query, peer, step: Step::Slow });
        }
        if let Some(lookup) = lookup {
            self.go_on(lookup, cx);
        }
    }

    fn failed(&mut self, number: u32, cx: &mut Context<'_, Self>) {
        let Some(call) = self.calls.remove(number) else { return };
        cx.cancel_timer(Timer::Call(number));
        if let Some(spare) = self.table.failed(call.peer.id) {
            self.probe(spare, cx);
        }
        if let Some(running) = call.lookup.and_then(|lookup| self.lookups.get_mut(&lookup)) {
            running.lookup.failed(call.peer.id);
            if let Purpose::App { query, steps: true } = running.purpose {
                cx.emit(Event::Step { query, peer: call.peer.id, step: Step::Failed });
            }
        }
        self.call_ended(call.lookup, cx);
        if self.table.len() == 0 {
            self.rejoin_soon(cx);
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_, Self>) {
        match command {
            Command::Find { query, key, steps } => self.find(query, key, steps, cx),
            Command::Cancel(query) => {
                self.lookups.retain(|_, running| running.purpose.query() != Some(query));
            }
            Command::Bootstrap(nodes) => {
                self.upkeep.set_bootstrap(nodes);
                self.rejoin(cx);
            }
            Command::Check(node) => {
                let contact = self.table.contacts().find(|contact| contact.id == node);
                if let Some(contact) = contact.map(|contact| contact.addr()) {
                    self.table.doubt(node);
                    self.probe(contact, cx);
                }
            }
            Command::Advertise(addrs) => {
                self.addrs = Addresses::from(addrs).into_vec();
                self.reach.choose(self.reach.mode(), &self.addrs);
                self.look_who_reaches_us(cx);
            }
            Command::Serve(mode) => {
                self.reach.choose(mode, &self.addrs);
                self.look_who_reaches_us(cx);
            }
        }
    }
}

impl Machine for Kademlia {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => self.start(cx),
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, Message::Request { call, server, ask }) => {
                self.request(from, call, server, ask, cx);
            }
            Input::Message(from, Message::Answer { call, nodes }) => self.answer(from, call, nodes, cx),
            Input::Message(from, Message::DialBack { call, addrs }) => self.dial_back(from, call, addrs, cx),
            Input::Message(from, Message::DialledBack { call, reached }) => {
                self.dialled_back(from, call, reached, cx);
            }
            Input::Timer(Timer::Reach) => self.reach_timer(cx),
            Input::Probed(addr, reached) => self.probed(&addr, reached, cx),
            Input::Timer(Timer::Call(number)) => self.late(number, cx),
            Input::Timer(Timer::Refresh) => self.refresh(cx),
            Input::Timer(Timer::Rejoin) => self.rejoin(cx),
            // Questions that were on their way are lost with the connection; waiting for them would be in vain.
            Input::PeerDown(peer) => {
                self.calls.to(peer).into_iter().for_each(|number| self.failed(number, cx));
            }
            Input::PeerUp(peer) => self.peer_up(peer, cx),
            Input::Stored(_) => {}
        }
    }
}

impl Overlay for Kademlia {
    fn me(&self) -> NodeId {
        self.me
    }

    fn nearest(&self, key: Key, most: usize) -> Vec<NodeAddr> {
        self.table.nearest(key, most)
    }

    fn known(&self) -> usize {
        self.table.len()
    }

    fn serves(&self) -> bool {
        self.is_server()
    }

    fn copies(&self) -> usize {
        self.config.k
    }

    fn distance(&self, node: NodeId, key: Key) -> Distance {
        Key::of_node(node).xor(key)
    }

    /// The last buckets are complete once we have joined, so the `k`-th nearest contact tells how dense nodes lie.
    fn reach(&self) -> Distance {
        self.table.kth_nearest(Key::of_node(self.me)).unwrap_or(Distance::MAX)
    }

    fn around(&self, key: Key, rng: &mut Rng) -> Vec<Key> {
        let bits = self.reach().leading_zeros();
        (bits..bits + 3).map(|bits| key.random_at(bits, rng)).collect()
    }

    /// All nodes nearer than the last that was found are known, so the subtree of that depth is whole. Whoever lies in it
    /// with the key has all of that subtree nearest to it, too.
    fn alike(&self, key: Key, found: &[NodeId], other: Key) -> bool {
        let farthest = found.iter().map(|node| self.distance(*node, key)).max();
        // With so few others all are responsible for everything.
        self.table.len() < self.config.k
            || farthest.is_some_and(|farthest| key.common_prefix(other) > farthest.leading_zeros())
    }

    fn contacts(&self, now: Time) -> Vec<(NodeAddr, Duration)> {
        self.table.contacts().map(|contact| (contact.addr(), now - contact.seen)).collect()
    }

    fn restore(&mut self, mut contacts: Vec<(NodeAddr, Duration)>) {
        // The one heard of last ends up where a bucket has those: at its end.
        contacts.sort_by_key(|(_, ago)| std::cmp::Reverse(*ago));
        for (contact, _) in contacts {
            self.table.answered(&contact, Time::ZERO);
        }
    }

    fn named(&self, me: NodeAddr) -> Self {
        Kademlia::with_config(me.id, Vec::new(), self.config.clone()).at(me.direct())
    }

    const TAG: &'static str = "dsys/dht/kad/2";
}

impl Default for Kademlia {
    /// A node without a name: settings for [`Overlay::named`].
    fn default() -> Self {
        Config::default().into()
    }
}

impl From<Config> for Kademlia {
    fn from(config: Config) -> Self {
        Kademlia::new(NodeId::from_bytes([0; 32]), Vec::new(), config)
    }
}

impl Purpose {
    fn query(self) -> Option<QueryId> {
        match self {
            Purpose::App { query, .. } => Some(query),
            Purpose::Join | Purpose::Refresh(_) => None,
        }
    }
}
