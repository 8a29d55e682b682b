//! One node that spreads rumours.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId, Time};

use super::message::{Message, Update, Verdict};
use super::spreading::Spreading;
use super::{Config, Variant};
use crate::MessageId;
use crate::peers::{Peers, Sites};
use crate::seen::Seen;

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Tell everybody.
    Publish {
        /// A name that no other rumour has.
        id: MessageId,
        /// What to tell.
        payload: Bytes,
    },
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A rumour was heard for the first time; its publisher hears it too, with 0 hops.
    Heard {
        /// Which.
        id: MessageId,
        /// What it says.
        payload: Bytes,
        /// How many nodes it passed on its way.
        hops: u32,
        /// Who told us; the publisher itself for its own.
        from: NodeId,
    },
    /// A rumour was not published: it is too long, its name was seen before, or too many are hot. Nothing changed.
    Refused(MessageId),
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next cycle begins.
    Cycle,
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Updates sent: the paper's traffic is their sum over all nodes, per node.
    pub updates: u64,
    /// Rumours that were too long, or one too many.
    pub refused: u64,
    /// Contacts answered with "busy".
    pub busy: u64,
    /// Messages that broke a bound, or that nobody had asked for. The former cost the peer its connection.
    pub violations: u64,
    /// Peers not remembered because there were `max_peers`.
    pub peers_refused: u64,
    /// Names forgotten before `max_seen_age`, because there were `max_seen`.
    pub forgotten_early: u64,
}

/// One node that spreads rumours, as its [`Variant`] says.
///
/// Its peers are those given and those that are up ([`Input::PeerUp`]); a driver tells of connections, a membership of
/// neighbours.
#[derive(Clone, Debug)]
pub struct Rumor {
    config: Arc<Config>,
    peers: Peers,
    seen: Seen,
    me: NodeId,
    /// In the order of hearing.
    hot: Vec<Spreading>,
    /// With whom a conversation is not over. The oldest first.
    partners: VecDeque<Partner>,
    /// How much later than at multiples of the cycle's length our cycles begin, in nanoseconds.
    phase: u64,
    timer_set: bool,
    /// The present cycle as far as contacts go, how many we took, and how often we tried again after a refusal.
    cycle: u64,
    taken: u32,
    hunted: u32,
    stats: Stats,
}

#[derive(Clone, Copy, Debug)]
struct Partner {
    peer: NodeId,
    turn: Turn,
    /// How many updates were sent to them.
    sent: usize,
}

/// What a partner is to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// We have pulled: what they are spreading. Then it is on us to push.
    Give,
    /// They have pulled and have more to say: what they are spreading, and verdicts.
    Push,
    /// Verdicts.
    Judge,
}

impl Rumor {
    /// A node that knows nothing. `peers` may contain `me`: [`Sites`] are best made once for all nodes of a simulation.
    pub fn new(me: NodeId, peers: impl Into<Sites>, config: impl Into<Arc<Config>>) -> Self {
        let config = config.into();
        Rumor {
            me,
            peers: Peers::new(me, peers.into(), config.max_peers),
            seen: Seen::new(config.max_seen.max(config.max_hot), config.max_seen_age),
            hot: Vec::new(),
            partners: VecDeque::new(),
            phase: 0,
            timer_set: false,
            cycle: 0,
            taken: 0,
            hunted: 0,
            stats: Stats::default(),
            config,
        }
    }

    /// Whether this rumour was heard, and not so long ago that its name was forgotten.
    pub fn knows(&self, id: MessageId) -> bool {
        self.seen.when(id).is_some()
    }

    /// The rumours that this node is spreading, in the order of hearing.
    pub fn hot(&self) -> impl ExactSizeIterator<Item = MessageId> + '_ {
        self.hot.iter().map(|rumor| rumor.id)
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        Stats { forgotten_early: self.seen.early(), ..self.stats }
    }

    fn variant(&self) -> Variant {
        self.config.variant
    }

    fn length(&self) -> u64 {
        u64::try_from(self.config.cycle.as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn cycle_of(&self, time: Time) -> u64 {
        time.as_nanos().saturating_add(self.phase) / self.length()
    }

    fn begin(&mut self, cx: &mut Context<'_, Self>) {
        if !self.config.in_step {
            self.phase = cx.rng().below(self.length());
        }
        if self.variant().pulls() {
            self.plan(0, cx);
        }
    }

    /// Plans the beginning of the next cycle that is at least this many nanoseconds away.
    fn plan(&mut self, least: u64, cx: &mut Context<'_, Self>) {
        if !self.timer_set {
            self.timer_set = true;
            let gone = cx.now().as_nanos().saturating_add(self.phase) % self.length();
            let wait = self.length() - gone;
            let wait = if wait < least { wait.saturating_add(self.length()) } else { wait };
            cx.set_timer(Timer::Cycle, Duration::from_nanos(wait));
        }
    }

    /// Takes in a rumour. `false` if it was seen before or is refused.
    fn learn(&mut self, update: Update, from: NodeId, cx: &mut Context<'_, Self>) -> bool {
        let Update { id, hops, payload } = update;
        if self.knows(id) {
            return false;
        }
        if payload.len() > self.config.max_payload || self.hot.len() >= self.config.max_hot {
            self.stats.refused += 1;
            return false;
        }
        self.enter(self.cycle_of(cx.now()));
        self.seen.insert(id, cx.now());
        if self.hot.is_empty() {
            // Most nodes of a large simulation hold one at a time, and a vector would begin with room for four.
            self.hot.reserve_exact(1);
        }
        self.hot.push(Spreading::new(id, payload.clone(), hops, self.cycle));
        cx.emit(Event::Heard { id, payload, hops, from });
        self.plan(0, cx);
        true
    }

    /// Settles the cycle that has ended and makes the contact of the new one.
    fn turn(&mut self, cx: &mut Context<'_, Self>) {
        self.timer_set = false;
        // By a clock that drifts against the timers, the cycle may begin a little before its time; and once it has, the
        // next is not what is left of this one.
        let half = self.length() / 2;
        let cycle = self.cycle_of(cx.now() + Duration::from_nanos(half));
        let (variant, most) = (self.variant(), self.config.max_cycles);
        self.hot.retain_mut(|rumor| rumor.settle(cycle, variant, most, cx.rng()));
        self.enter(cycle);
        self.contact(cx);
        if variant.pulls() || !self.hot.is_empty() {
            self.plan(half, cx);
        }
    }

    /// Counts contacts anew if this is a later cycle.
    fn enter(&mut self, cycle: u64) {
        if self.cycle < cycle {
            [self.taken, self.hunted] = [0; 2];
            self.cycle = cycle;
        }
    }

    /// What we are spreading since before this cycle, as far as it fits.
    fn spreading(&mut self) -> impl Iterator<Item = &mut Spreading> {
        let (cycle, most) = (self.cycle, self.config.max_exchange);
        // The youngest first: they have the most to gain.
        self.hot.iter_mut().rev().filter(move |rumor| rumor.before(cycle)).take(most)
    }

    fn contact(&mut self, cx: &mut Context<'_, Self>) {
        let Some(peer) = self.peers.pick(cx.rng()) else { return };
        if self.variant().pulls() {
            let offers = self.variant().pushes() && self.spreading().next().is_some();
            self.expect(peer, Turn::Give, 0);
            cx.send(peer, Message::Pull { offers });
        } else {
            let updates = self.push(&[]);
            if !updates.is_empty() {
                self.expect(peer, Turn::Judge, updates.len());
                cx.send(peer, Message::Push(updates));
            }
        }
    }

    /// All that we are spreading, except what the other has just sent us.
    fn push(&mut self, theirs: &[Update]) -> Vec<Update> {
        let mut updates = Vec::new();
        for rumor in self.spreading().filter(|rumor| theirs.iter().all(|update| update.id != rumor.id)) {
            rumor.pushed = true;
            updates.push(rumor.update());
        }
        self.stats.updates += updates.len() as u64;
        updates
    }

    /// Whether we take one more contact in this cycle. Both sides of it go by the state at the start of the cycle.
    fn take(&mut self, from: NodeId, cx: &mut Context<'_, Self>) -> bool {
        self.enter(self.cycle_of(cx.now()));
        let most = u32::try_from(self.config.max_partners).unwrap_or(u32::MAX);
        let room = self.taken < self.variant().connection_limit.map_or(most, |limit| limit.min(most));
        if room {
            self.taken += 1;
        } else {
            self.stats.busy += 1;
            cx.send(from, Message::Busy);
        }
        room
    }

    /// Takes somebody's push.
    fn pushed(&mut self, from: NodeId, updates: Vec<Update>, cx: &mut Context<'_, Self>) {
        if self.take(from, cx) {
            let verdicts = self.hear(updates, from, cx);
            if !verdicts.is_empty() {
                cx.send(from, Message::Judge { verdicts, updates: Vec::new() });
            }
        }
    }

    /// Answers somebody's pull. Whoever is asked speaks first, in push-pull too: the other then pushes what it has not
    /// just been sent, so that one update passes between two who are both infective.
    fn pulled(&mut self, from: NodeId, offers: bool, cx: &mut Context<'_, Self>) {
        if !self.take(from, cx) {
            return;
        }
        let mut updates = Vec::new();
        if self.variant().pulls() {
            updates.extend(self.spreading().map(|rumor| {
                rumor.gave = true;
                rumor.update()
            }));
            self.stats.updates += updates.len() as u64;
        }
        if offers || !updates.is_empty() {
            self.expect(from, if offers { Turn::Push } else { Turn::Judge }, updates.len());
            cx.send(from, Message::Give(updates));
        }
    }

    /// Takes what a pull of ours has brought, judges it, and pushes if we do.
    fn given(&mut self, from: NodeId, updates: Vec<Update>, cx: &mut Context<'_, Self>) {
        if self.partner(from, |turn| turn == Turn::Give).is_none() {
            return;
        }
        self.enter(self.cycle_of(cx.now()));
        let ours = if self.variant().pushes() { self.push(&updates) } else { Vec::new() };
        let verdicts = self.hear(updates, from, cx);
        if !ours.is_empty() {
            self.expect(from, Turn::Judge, ours.len());
        }
        if !ours.is_empty() || !verdicts.is_empty() {
            cx.send(from, Message::Judge { verdicts, updates: ours });
        }
    }

    /// Takes the verdicts on what we sent, and what whoever pulled from us pushes in turn.
    fn judged(
        &mut self,
        from: NodeId,
        verdicts: &[Verdict],
        updates: Vec<Update>,
        cx: &mut Context<'_, Self>,
    ) {
        let fits = |turn| turn == Turn::Push || (turn == Turn::Judge && updates.is_empty());
        if self.partner(from, fits).is_none() {
            return;
        }
        for verdict in verdicts {
            if let Some(rumor) = self.hot.iter_mut().find(|rumor| rumor.id == verdict.id) {
                rumor.judged(verdict.news);
            }
        }
        self.enter(self.cycle_of(cx.now()));
        let verdicts = self.hear(updates, from, cx);
        if !verdicts.is_empty() {
            cx.send(from, Message::Judge { verdicts, updates: Vec::new() });
        }
    }

    /// Learns all and judges each, if that is wanted.
    fn hear(&mut self, updates: Vec<Update>, from: NodeId, cx: &mut Context<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for update in updates {
            let id = update.id;
            let known = self.seen.when(id).is_some_and(|then| self.cycle_of(then) < self.cycle);
            self.learn(update, from, cx);
            if self.variant().asks() {
                // What we refuse we shall go on refusing: to the sender that is as good as known.
                verdicts.push(Verdict { id, news: !known && self.knows(id) });
            }
        }
        verdicts
    }

    /// §1.4, "hunting": the contact was refused, so it does not count, and another may be tried.
    fn refused(&mut self, from: NodeId, cx: &mut Context<'_, Self>) {
        // Only what begins a conversation is refused.
        let Some(partner) = self.partner(from, |turn| turn != Turn::Push) else { return };
        self.stats.updates = self.stats.updates.saturating_sub(partner.sent as u64);
        self.hot.iter_mut().for_each(|rumor| rumor.pushed = false);
        if self.hunted < self.variant().hunt && self.cycle == self.cycle_of(cx.now()) {
            self.hunted += 1;
            self.contact(cx);
        }
    }

    fn expect(&mut self, peer: NodeId, turn: Turn, sent: usize) {
        if turn == Turn::Judge && !self.variant().asks() && self.variant().connection_limit.is_none() {
            return;
        }
        if self.partners.len() >= self.config.max_partners.max(1) {
            self.partners.pop_front();
        }
        self.partners.push_back(Partner { peer, turn, sent });
    }

    /// Ends a conversation. What belongs to none is a second copy, a late one, or a lie: it must neither cool a rumour
    /// nor get round the limit of contacts.
    fn partner(&mut self, peer: NodeId, fits: impl Fn(Turn) -> bool) -> Option<Partner> {
        let place = self.partners.iter().position(|partner| partner.peer == peer && fits(partner.turn));
        let partner = place.and_then(|place| self.partners.remove(place));
        self.stats.violations += u64::from(partner.is_none());
        partner
    }

    /// Whether a message keeps our bounds.
    fn fits(&self, message: &Message) -> bool {
        let most = self.config.max_exchange;
        match message {
            Message::Push(updates) | Message::Give(updates) => updates.len() <= most,
            Message::Judge { verdicts, updates } => verdicts.len() <= most && updates.len() <= most,
            Message::Pull { .. } | Message::Busy => true,
        }
    }
}

impl Machine for Rumor {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => self.begin(cx),
            Input::Command(Command::Publish { id, payload }) => {
                if !self.learn(Update { id, hops: 0, payload }, self.me, cx) {
                    cx.emit(Event::Refused(id));
                }
            }
            Input::Message(from, message) if !self.fits(&message) => {
                self.stats.violations += 1;
                cx.disconnect(from);
            }
            Input::Message(from, Message::Push(updates)) => self.pushed(from, updates, cx),
            Input::Message(from, Message::Pull { offers }) => self.pulled(from, offers, cx),
            Input::Message(from, Message::Give(updates)) => self.given(from, updates, cx),
            Input::Message(from, Message::Judge { verdicts, updates }) => {
                self.judged(from, &verdicts, updates, cx);
            }
            Input::Message(from, Message::Busy) => self.refused(from, cx),
            Input::Timer(Timer::Cycle) => self.turn(cx),
            Input::PeerUp(peer) => self.stats.peers_refused += u64::from(!self.peers.up(peer)),
            Input::PeerDown(peer) => {
                self.peers.down(peer);
                self.partners.retain(|partner| partner.peer != peer);
            }
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
