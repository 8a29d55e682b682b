//! One node that knows all others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Rng};

use super::gossip::Gossip;
use super::member;
use super::{Claim, Config, Member, Message, Meta, State, Targets, Update};

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Join the group of these nodes; they are remembered as contacts.
    Join(Vec<NodeAddr>),
    /// Say that we leave, and answer nobody any more until the next `Join`.
    Leave,
    /// From now on we say this of ourselves. Ignored and counted if it is larger than `max_meta`.
    Meta(Meta),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This node is there.
    Up(NodeId),
    /// It does not answer, or another says so. It counts as there still.
    Suspected(NodeId),
    /// It is not there any more.
    Down(NodeId),
    /// It says something else of itself.
    Changed(NodeId),
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next probe.
    Period,
    /// The node that is probed should have answered.
    Answer,
    /// See for ourselves whether this node answers, or declare it down.
    Verify(NodeId),
    /// A node that we pinged for another, under this number, should have answered.
    Relay(u32),
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Probes begun.
    pub probes: u64,
    /// Probes that nobody answered.
    pub failed: u64,
    /// Nodes suspected, by probes of our own or by hearsay.
    pub suspected: u64,
    /// Nodes declared down.
    pub downs: u64,
    /// Times that we were taken for dead or suspected, and refuted it.
    pub refuted: u64,
    /// Pings to see for ourselves what others claimed.
    pub verified: u64,
    /// Messages and updates that broke a bound.
    pub violations: u64,
    /// Members not taken, because there were `max_members`.
    pub members_refused: u64,
    /// Pings for others not sent, because there were `max_relayed` or the node is none we know.
    pub relays_refused: u64,
    /// Metadata of our own that was too large.
    pub meta_refused: u64,
}

/// The probe of this period.
#[derive(Clone, Debug)]
struct Probe {
    target: NodeId,
    seq: u32,
    answered: bool,
    /// Relays asked, and those that at least said that they had no answer.
    asked: usize,
    nacks: usize,
}

/// A ping for another.
#[derive(Clone, Copy, Debug)]
struct Relayed {
    from: NodeId,
    seq: u32,
    target: NodeId,
}

/// One node that knows all others.
#[derive(Clone, Debug)]
pub struct Full {
    pub(super) me: NodeAddr,
    pub(super) config: Arc<Config>,
    pub(super) incarnation: u64,
    pub(super) meta: Meta,
    pub(super) members: BTreeMap<NodeId, Member>,
    /// How many of them are up.
    pub(super) up: usize,
    contacts: Vec<NodeAddr>,
    pub(super) gossip: Gossip,
    probe: Option<Probe>,
    relayed: BTreeMap<u32, Relayed>,
    /// What is left of the present round; those to choose from, if targets are random.
    pub(super) round: Vec<NodeId>,
    seq: u32,
    periods: u32,
    /// The period in which we last asked a node that we do not know who it is.
    asked_in: Option<u32>,
    /// Lifeguard's local health multiplier: 0 is well.
    health: u8,
    away: bool,
    pub(super) stats: Stats,
}

impl Full {
    /// A node that knows nobody. `me` is what others are told of us.
    pub fn new(me: impl Into<NodeAddr>, config: impl Into<Arc<Config>>) -> Self {
        Full {
            me: me.into(),
            config: config.into(),
            incarnation: 0,
            meta: Meta::new(),
            members: BTreeMap::new(),
            up: 0,
            contacts: Vec::new(),
            gossip: Gossip::default(),
            probe: None,
            relayed: BTreeMap::new(),
            round: Vec::new(),
            seq: 0,
            periods: 0,
            asked_in: None,
            health: 0,
            away: false,
            stats: Stats::default(),
        }
    }

    /// Begins with these members, as from a file: nobody needs to be asked who is there.
    #[must_use]
    pub fn with_members(mut self, members: impl IntoIterator<Item = NodeAddr>) -> Self {
        for addr in members {
            if addr.id != self.me.id && self.members.len() < self.config.max_members {
                let id = addr.id;
                let member = Member { addr, incarnation: 0, meta: Meta::new(), doubt: None, down: None };
                self.up += usize::from(self.members.insert(id, member).is_none());
            }
        }
        self
    }

    /// All others that are known, in order, those that are down for some time included.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Member)> + '_ {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// What is known of a node.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// How many others are there.
    pub fn up(&self) -> usize {
        self.up
    }

    /// How a node is, if it is known.
    pub fn state(&self, id: NodeId) -> Option<State> {
        self.members.get(&id).map(Member::state)
    }

    /// Our own incarnation.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// What we think of our own health: waits are this much longer, and once.
    pub fn health(&self) -> u8 {
        self.health
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn magnitude(&self) -> f64 {
        ((self.up + 1) as f64).log10().max(1.0)
    }

    /// A wait, longer if we are not well.
    fn patient(&self, wait: Duration) -> Duration {
        wait * (u32::from(self.health) + 1)
    }

    /// How long a suspicion of our own lasts.
    pub(super) fn suspicion(&self) -> Duration {
        self.patient(self.config.period.mul_f64((self.config.suspicion * self.magnitude()).clamp(0.0, 1e6)))
    }

    pub(super) fn well(&mut self, well: bool) {
        self.health = if well { self.health.saturating_sub(1) } else { self.health.saturating_add(1) };
        self.health = self.health.min(self.config.max_health);
    }

    pub(super) fn myself(&self) -> Update {
        let claim = Claim::Alive { addr: self.me.clone(), meta: self.meta.clone() };
        Update { id: self.me.id, incarnation: self.incarnation, claim }
    }

    pub(super) fn alive(id: NodeId, member: &Member) -> Update {
        let claim = Claim::Alive { addr: member.addr.clone(), meta: member.meta.clone() };
        Update { id, incarnation: member.incarnation, claim }
    }

    /// The updates for a message to this node: first what is wrong with itself (Lifeguard §IV.C).
    fn updates(&mut self, to: NodeId, rng: &mut Rng) -> Vec<Update> {
        let mut updates = Vec::new();
        if let Some(member) = self.members.get(&to) {
            let claim = match member.state() {
                State::Alive => None,
                State::Suspect => Some(Claim::Suspect(self.me.id)),
                State::Down => Some(Claim::Down),
            };
            let of = |claim| Update { id: to, incarnation: member.incarnation, claim };
            updates.extend(claim.map(of));
        }
        let times = (self.config.retransmit as f64 * self.magnitude().ceil()) as u32;
        let room = self.config.max_updates.saturating_sub(updates.len());
        updates.extend(self.gossip.take(room, times));
        // An epidemic misses somebody now and then. Where there is room old news goes too.
        if updates.len() < self.config.max_updates
            && let Some(any) = rng.choose(&self.round)
            && let Some(member) = self.members.get(any).filter(|member| member.state() == State::Alive)
        {
            updates.push(Self::alive(*any, member));
        }
        updates
    }

    pub(super) fn ping(&mut self, to: NodeId, cx: &mut Context<'_, Self>) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        let (seq, updates) = (self.seq, self.updates(to, cx.rng()));
        cx.send(to, Message::Ping { seq, updates });
        seq
    }

    fn join(&mut self, contacts: Vec<NodeAddr>, cx: &mut Context<'_, Self>) {
        self.away = false;
        for contact in contacts {
            let known = self.contacts.iter().any(|known| known.id == contact.id);
            if contact.id != self.me.id && !known && self.contacts.len() < self.config.max_contacts {
                self.contacts.push(contact);
            }
        }
        self.turn_to_a_contact(cx);
    }

    fn turn_to_a_contact(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(contact) = cx.rng().choose(&self.contacts).cloned() {
            if !contact.direct().is_empty() {
                cx.learn(contact.clone());
            }
            cx.send(contact.id, Message::Join { updates: vec![self.myself()] });
        }
    }

    fn period(&mut self, cx: &mut Context<'_, Self>) {
        self.conclude(cx);
        let (now, keep) = (cx.now(), self.config.remember_down);
        let some_down = self.members.len() > self.up;
        if some_down {
            self.members.retain(|_, member| member.down.is_none_or(|since| now - since <= keep));
        }
        cx.set_timer(Timer::Period, self.patient(self.config.period));
        if self.away {
            return;
        }
        self.periods = self.periods.wrapping_add(1);
        if self.up == 0 {
            self.turn_to_a_contact(cx);
        }
        let turn = self.periods.is_multiple_of(self.config.retry_down.max(1));
        if some_down && (self.up == 0 || (turn && cx.rng().below(self.up as u64) < 10)) {
            let down: Vec<NodeId> =
                self.members.iter().filter(|(_, member)| !member.is_up()).map(|(id, _)| *id).collect();
            if let Some(lost) = cx.rng().choose(&down).copied() {
                self.ping(lost, cx);
            }
        }
        if let Some(target) = self.target(cx) {
            self.stats.probes += 1;
            let seq = self.ping(target, cx);
            self.probe = Some(Probe { target, seq, answered: false, asked: 0, nacks: 0 });
            cx.set_timer(Timer::Answer, self.patient(self.config.answer_within));
        }
    }

    /// Whom to probe next.
    fn target(&mut self, cx: &mut Context<'_, Self>) -> Option<NodeId> {
        for _ in 0..2 {
            while !self.round.is_empty() {
                let at = match self.config.targets {
                    Targets::Random => cx.rng().index(self.round.len()),
                    Targets::RoundRobin => self.round.len() - 1,
                };
                let next = self.round.get(at).copied()?;
                let up = self.members.get(&next).is_some_and(Member::is_up);
                if !up || self.config.targets == Targets::RoundRobin {
                    self.round.swap_remove(at);
                }
                if up {
                    return Some(next);
                }
            }
            let up = self.members.iter().filter(|(_, member)| member.is_up());
            self.round = up.map(|(id, _)| *id).collect();
            cx.rng().shuffle(&mut self.round);
        }
        None
    }

    /// SWIM §3.1: no answer, so others are asked.
    fn ask_others(&mut self, cx: &mut Context<'_, Self>) {
        let Some((target, seq)) =
            self.probe.as_ref().filter(|probe| !probe.answered).map(|probe| (probe.target, probe.seq))
        else {
            return;
        };
        let mut others: Vec<NodeId> = self
            .members
            .iter()
            .filter(|(id, member)| **id != target && member.state() == State::Alive)
            .map(|(id, _)| *id)
            .collect();
        cx.rng().shuffle(&mut others);
        others.truncate(self.config.relays);
        if let Some(probe) = &mut self.probe {
            probe.asked = others.len();
        }
        for relay in others {
            let updates = self.updates(relay, cx.rng());
            cx.send(relay, Message::PingReq { seq, target, updates });
        }
    }

    /// The period is over: was the probe answered?
    fn conclude(&mut self, cx: &mut Context<'_, Self>) {
        let Some(probe) = self.probe.take() else { return };
        if probe.answered {
            self.well(true);
            return;
        }
        self.stats.failed += 1;
        // Lifeguard §IV.A: if not even relays answer, it may be us.
        if probe.nacks < probe.asked || probe.asked == 0 {
            self.well(false);
        }
        self.suspect(probe.target, None, cx);
    }

    fn set_meta(&mut self, meta: Meta) {
        if member::size(&meta) > self.config.max_meta {
            self.stats.meta_refused += 1;
        } else {
            self.meta = meta;
            self.incarnation += 1;
            self.gossip.add(self.myself());
        }
    }

    fn leave(&mut self, cx: &mut Context<'_, Self>) {
        self.away = true;
        let gone = Update { id: self.me.id, incarnation: self.incarnation, claim: Claim::Down };
        let mut others: Vec<NodeId> =
            self.members.iter().filter(|(_, member)| member.is_up()).map(|(id, _)| *id).collect();
        cx.rng().shuffle(&mut others);
        // From these it spreads, as a claim that everybody looks into.
        for other in others.into_iter().take(self.config.relays.max(1) * 2) {
            cx.send(other, Message::Members { updates: vec![gone.clone()] });
        }
        for id in self.members.keys() {
            cx.cancel_timer(Timer::Verify(*id));
        }
        (self.members, self.up, self.probe) = (BTreeMap::new(), 0, None);
        self.round.clear();
    }

    fn hear(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Self>) {
        let most = if matches!(message, Message::Members { .. }) {
            self.config.max_taken
        } else {
            1 + self.config.max_updates
        };
        if message.updates().len() > most {
            self.stats.violations += 1;
            return;
        }
        self.heard_from(from, cx);
        for update in message.updates().to_vec() {
            if !self.learn(from, update, cx) {
                self.stats.violations += 1;
            }
        }
        match message {
            Message::Ping { seq, .. } => {
                let mut updates = self.updates(from, cx.rng());
                if !self.members.contains_key(&from) {
                    // It knows us and we do not know it.
                    updates.insert(0, self.myself());
                    updates.truncate(1 + self.config.max_updates);
                }
                cx.send(from, Message::Ack { seq, updates });
                // Once in a period we ask such a one who it is.
                if !self.members.contains_key(&from) && self.asked_in != Some(self.periods) {
                    self.asked_in = Some(self.periods);
                    cx.send(from, Message::Join { updates: vec![self.myself()] });
                }
            }
            Message::PingReq { seq, target, .. } => self.relay(from, seq, target, cx),
            Message::Ack { seq, .. } => self.acked(from, seq, cx),
            Message::Nack { seq, .. } => {
                if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
                    probe.nacks += 1;
                }
            }
            Message::Join { .. } => {
                // What we have of itself too: if that is of an earlier life, it will want to say more.
                let up = self.members.iter().filter(|(id, member)| **id == from || member.is_up());
                let all: Vec<Update> =
                    std::iter::once(self.myself()).chain(up.map(|(id, one)| Self::alive(*id, one))).collect();
                for updates in all.chunks(self.config.max_taken.clamp(1, 128)) {
                    cx.send(from, Message::Members { updates: updates.to_vec() });
                }
            }
            Message::Members { .. } => {}
        }
    }

    fn relay(&mut self, from: NodeId, seq: u32, target: NodeId, cx: &mut Context<'_, Self>) {
        if self.relayed.len() >= self.config.max_relayed || !self.members.contains_key(&target) {
            self.stats.relays_refused += 1;
            return;
        }
        let own = self.ping(target, cx);
        self.relayed.insert(own, Relayed { from, seq, target });
        // In time for the one who asked.
        let wait = self.config.period.saturating_sub(self.config.answer_within).mul_f64(0.6);
        cx.set_timer(Timer::Relay(own), wait);
    }

    fn acked(&mut self, from: NodeId, seq: u32, cx: &mut Context<'_, Self>) {
        if let Some(relayed) = self.relayed.get(&seq).copied().filter(|relayed| relayed.target == from) {
            self.relayed.remove(&seq);
            cx.cancel_timer(Timer::Relay(seq));
            let updates = self.updates(relayed.from, cx.rng());
            cx.send(relayed.from, Message::Ack { seq: relayed.seq, updates });
        }
        // From the target itself, or from a relay, which we believe.
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.answered = true;
            cx.cancel_timer(Timer::Answer);
        }
    }
}

impl Machine for Full {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                let nanos = u64::try_from(self.config.period.as_nanos()).unwrap_or(u64::MAX);
                let wait = if self.config.stagger { cx.rng().below(nanos) } else { nanos };
                cx.set_timer(Timer::Period, Duration::from_nanos(wait));
            }
            Input::Command(Command::Join(contacts)) => self.join(contacts, cx),
            Input::Command(Command::Leave) => self.leave(cx),
            Input::Command(Command::Meta(meta)) => self.set_meta(meta),
            // Whoever left is not there.
            Input::Message(..) if self.away => {}
            Input::Message(from, message) => self.hear(from, message, cx),
            Input::Timer(Timer::Period) => self.period(cx),
            Input::Timer(Timer::Answer) => self.ask_others(cx),
            Input::Timer(Timer::Verify(id)) => self.verify(id, cx),
            Input::Timer(Timer::Relay(seq)) => {
                if let Some(relayed) = self.relayed.remove(&seq) {
                    let updates = self.updates(relayed.from, cx.rng());
                    cx.send(relayed.from, Message::Nack { seq: relayed.seq, updates });
                }
            }
            // Connections come and go with their use; who is there, probes tell.
            Input::PeerUp(_) | Input::PeerDown(_) | Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
