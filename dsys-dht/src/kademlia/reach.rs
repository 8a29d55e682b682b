//! Who can be reached: whether this node serves, in auto mode, and whether contacts are where they say.
//!
//! A node that cannot be dialled would cost everybody who meets it in a table a time-out. So in auto mode a node takes
//! itself for a server only when most of three others, of different networks, have reached it by connections of their own
//! ([`Effect::Probe`](dsys_core::Effect::Probe)); until then it answers whoever asks, and asks to be in no table. And a
//! new contact that claims an address of the world is dialled there anew: the connection that it has made proves nothing,
//! and limits on networks would hold against the honest only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::machine::{Kademlia, Timer};
use super::message::{Addresses, Message};
use super::prefix::Prefix;
use crate::Mode;
use crate::window::Window;

/// Where it stands with that.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    mode: Mode,
    pub(super) standing: Standing,
    /// The verdicts of those who were asked in this round, as they come.
    round: Option<BTreeMap<NodeId, Option<bool>>>,
    /// Names the rounds, so that a late verdict is not taken for another one.
    number: u32,
    /// Rounds without an end to trust since the last with one.
    tries: u32,
    /// `Timer::Reach` is set.
    waiting: bool,
    /// Who has asked us to dial back.
    askers: Window,
    /// Those of them whose outcome is not known yet, and how they named the question.
    dialling: BTreeMap<NodeId, u32>,
    /// New contacts that are being dialled.
    verifying: BTreeSet<NodeId>,
    /// Who was not where it said, and when that was found out.
    refuted: BTreeMap<NodeId, Time>,
}

/// What a node takes itself for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Answers, and wants to be in tables.
    Server,
    /// Answers.
    Unknown,
    /// Only asks.
    Client,
}

/// So many are asked to dial back, each of another network (S/Kademlia's way with liars: most of several).
const WITNESSES: usize = 3;
/// A round takes no longer; a dial that fails takes some seconds.
const ROUND: Duration = Duration::from_secs(20);
/// Everybody may ask once in this time.
const WINDOW: Duration = Duration::from_secs(60);
/// New contacts dialled at once; while they are so many, no other of the world is taken in.
const VERIFYING: usize = 64;
/// Remembered for so long, and so many.
const REFUTED: (Duration, usize) = (Duration::from_secs(3_600), 1_024);

impl Reach {
    pub(super) fn new(mode: Mode) -> Self {
        let standing = if mode == Mode::Client { Standing::Client } else { Standing::Server };
        Reach {
            mode,
            standing,
            round: None,
            number: 0,
            tries: 0,
            waiting: false,
            askers: Window::default(),
            dialling: BTreeMap::new(),
            verifying: BTreeSet::new(),
            refuted: BTreeMap::new(),
        }
    }

    /// Another mode, or other addresses. Where there are none, or only this host's, there is nothing to find out.
    pub(super) fn choose(&mut self, mode: Mode, addrs: &[SocketAddr]) {
        let here = addrs.iter().all(|addr| addr.ip().to_canonical().is_loopback());
        self.mode = mode;
        self.round = None;
        self.standing = match mode {
            Mode::Client => Standing::Client,
            Mode::Auto if !here => Standing::Unknown,
            Mode::Auto | Mode::Server => Standing::Server,
        };
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    fn has_refuted(&mut self, id: NodeId, now: Time) -> bool {
        self.refuted.get(&id).is_some_and(|at| now - *at < REFUTED.0)
    }
}

impl Kademlia {
    /// Whether this node answers, and wants to be in tables; in auto mode as far as it has found out.
    pub fn is_server(&self) -> bool {
        self.reach.standing == Standing::Server
    }

    /// In auto mode: asks some others to dial back, unless that was done lately.
    pub(super) fn look_who_reaches_us(&mut self, cx: &mut Context<'_, Self>) {
        let here = self.addrs.iter().all(|addr| addr.ip().to_canonical().is_loopback());
        if self.reach.mode != Mode::Auto || here || self.reach.waiting {
            return;
        }
        let mut contacts: Vec<NodeAddr> = self.contacts().collect();
        cx.rng().shuffle(&mut contacts);
        let (mut witnesses, mut networks) = (BTreeMap::new(), BTreeSet::new());
        for contact in contacts {
            let own: Vec<Prefix> = Prefix::of_all(contact.direct()).collect();
            if witnesses.len() < WITNESSES && own.iter().all(|network| !networks.contains(network)) {
                networks.extend(own);
                witnesses.insert(contact.id, None);
            }
        }
        if witnesses.is_empty() {
            return;
        }
        self.reach.number = self.reach.number.wrapping_add(1);
        for witness in witnesses.keys() {
            let addrs = Addresses::from(self.addrs.clone());
            cx.send(*witness, Message::DialBack { call: self.reach.number, addrs });
        }
        self.reach.round = Some(witnesses);
        self.reach.waiting = true;
        cx.set_timer(Timer::Reach, ROUND);
    }

    /// Somebody says whether it has reached us; `None` if it did not try.
    pub(super) fn dialled_back(
        &mut self,
        from: NodeId,
        call: u32,
        reached: Option<bool>,
        cx: &mut Context<'_, Self>,
    ) {
        let round = self.reach.round.as_mut().filter(|_| call == self.reach.number);
        let Some(verdict @ None) = round.and_then(|round| round.get_mut(&from)) else {
            self.stats.unsolicited += 1;
            return;
        };
        *verdict = reached;
        if let (None, Some(round)) = (reached, &mut self.reach.round) {
            round.remove(&from);
        }
        let Some(round) = &self.reach.round else { return };
        let count = |what: Option<bool>| round.values().filter(|verdict| **verdict == what).count();
        let (yes, no, open) = (count(Some(true)), count(Some(false)), count(None));
        // Once the rest cannot change it.
        if yes > no + open || no > yes + open || open == 0 {
            self.end_round(cx);
        }
    }

    /// `Timer::Reach`: the round is over, or another one is due.
    pub(super) fn reach_timer(&mut self, cx: &mut Context<'_, Self>) {
        self.reach.waiting = false;
        match self.reach.round.is_some() {
            true => self.end_round(cx),
            false => self.look_who_reaches_us(cx),
        }
    }

    fn end_round(&mut self, cx: &mut Context<'_, Self>) {
        let Some(round) = self.reach.round.take() else { return };
        let count = |what: bool| round.values().filter(|verdict| **verdict == Some(what)).count();
        let (yes, no) = (count(true), count(false));
        let before = self.reach.standing;
        self.reach.standing = match yes.cmp(&no) {
            std::cmp::Ordering::Greater => Standing::Server,
            std::cmp::Ordering::Less => Standing::Client,
            std::cmp::Ordering::Equal => before,
        };
        let trusted = yes > no && yes + no >= WITNESSES;
        self.reach.tries = if trusted { 0 } else { self.reach.tries.saturating_add(1) };
        let wait = match trusted {
            true => self.config.recheck,
            false => (self.config.recheck / 64).saturating_mul(1 << self.reach.tries.min(6)),
        };
        self.reach.waiting = true;
        cx.set_timer(Timer::Reach, wait.min(self.config.recheck));
        if self.is_server() && before != Standing::Server {
            self.announce(cx);
        }
    }

    /// Somebody wants to know whether we can reach it: each once in a while, and so many in all, or we could be made to dial
    /// all day.
    pub(super) fn dial_back(
        &mut self,
        from: NodeId,
        call: u32,
        addrs: Addresses,
        cx: &mut Context<'_, Self>,
    ) {
        if !self.reach.askers.admits(from, self.config.max_dial_backs, WINDOW, cx.now()) {
            self.stats.dial_backs_refused += 1;
            return cx.send(from, Message::DialledBack { call, reached: None });
        }
        self.stats.dial_backs += 1;
        self.reach.dialling.insert(from, call);
        cx.probe(addrs.iter().fold(NodeAddr::new(from), |addr, direct| addr.with(*direct)));
    }

    /// A node has answered us: is it to be in the table?
    pub(super) fn take_in(&mut self, addr: &NodeAddr, cx: &mut Context<'_, Self>) {
        let claims = Prefix::of_all(addr.direct()).next().is_some() && self.config.verify;
        if self.table.is_contact(addr.id) || !claims {
            self.table.answered(addr, cx.now());
            return;
        }
        let busy = self.reach.verifying.len() >= VERIFYING;
        if busy || self.reach.has_refuted(addr.id, cx.now()) {
            return;
        }
        // For the time being, so that a join need not wait.
        if self.table.answered(addr, cx.now()) && self.reach.verifying.insert(addr.id) {
            cx.probe(addr.clone());
        }
    }

    /// A node was dialled anew, for itself or for us.
    pub(super) fn probed(&mut self, addr: &NodeAddr, reached: bool, cx: &mut Context<'_, Self>) {
        if let Some(call) = self.reach.dialling.remove(&addr.id) {
            cx.send(addr.id, Message::DialledBack { call, reached: Some(reached) });
        }
        if !self.reach.verifying.remove(&addr.id) || !self.table.is_contact(addr.id) {
            return;
        }
        if reached {
            // From now on it counts for the network in which it was found.
            self.table.found_at(addr, cx.now());
            return;
        }
        self.stats.refuted += 1;
        self.table.expel(addr.id);
        if self.reach.refuted.len() >= REFUTED.1 {
            self.reach.refuted.clear();
        }
        self.reach.refuted.insert(addr.id, cx.now());
    }
}
