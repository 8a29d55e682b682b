//! Nearer neighbours: X-BOT (Leitão, Marques, Pereira, Rodrigues 2009, "X-BOT: a protocol for resilient optimization of
//! unstructured overlay networks"), with fewer messages.
//!
//! Now and then a node measures the round trip to some of its passive view. If one is nearer than a neighbour, they
//! become neighbours, and the two that are given up for it become each other's, so that nobody ends with fewer
//! (§4.2: initiator, candidate, old, disconnected). The paper has the fourth measure and agree first; here it is enough
//! that both new neighbours gain. The slowest neighbours of each node stay as chance brought them (§4.1): they
//! are what holds groups of near nodes together.

use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::Message;
use super::machine::{Partial, Timer};

/// How far the search for nearer neighbours has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    /// Rounds that changed nothing, the last ones.
    vain: u32,
    /// Who is being measured, since when.
    measured: Vec<(NodeId, Time)>,
    /// Who was asked to become a neighbour, and who would be given up for it.
    swap: Option<(NodeId, NodeId)>,
}

impl Search {
    /// Whether this is the one that was asked. It has answered, or will not.
    pub(super) fn over(&mut self, candidate: NodeId) -> Option<NodeId> {
        self.swap.take_if(|(asked, _)| *asked == candidate).map(|(_, old)| old)
    }
}

/// A new link has to be so much faster, or two nodes would change places for ever.
fn faster(new: Duration, old: Duration) -> bool {
    new.saturating_add(new / 4) < old
}

impl Partial {
    /// The later, the more rounds were in vain.
    pub(super) fn plan_search(&self, cx: &mut Context<'_, Self>) {
        let Some(first) = self.config.search_after else { return };
        let wait = first.saturating_mul(1 << self.search.vain.min(16)).min(self.config.search_at_most);
        let more = u64::try_from(wait.as_nanos() / 2).unwrap_or(u64::MAX);
        let wait = wait + Duration::from_nanos(cx.rng().below(more));
        cx.set_timer(Timer::Search, wait);
    }

    /// One round: measures some of the passive view. Free places are filled first, whoever is near.
    pub(super) fn search(&mut self, cx: &mut Context<'_, Self>) {
        self.search.measured.clear();
        if !self.away && self.asked.is_empty() && self.views.active.len() >= self.config.active {
            self.search.vain = self.search.vain.saturating_add(1);
            for addr in self.views.sample_passive(self.config.candidates, cx.rng()) {
                self.search.measured.push((addr.id, cx.now()));
                if !addr.direct().is_empty() {
                    cx.learn(addr.clone());
                }
                cx.send(addr.id, Message::Ping);
            }
        }
        self.plan_search(cx);
    }

    /// Somebody answered a ping.
    pub(super) fn measured(&mut self, from: NodeId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        if let Some(neighbour) = self.views.neighbour(from) {
            neighbour.round_trip.pong(now);
            return;
        }
        let Some(at) = self.search.measured.iter().position(|(id, _)| *id == from) else { return };
        let (_, then) = self.search.measured.swap_remove(at);
        if self.search.measured.is_empty() {
            self.search.measured = Vec::new();
        }
        let trip = now - then;
        let Some((old, slow)) = self.slowest() else { return };
        if self.search.swap.is_some() || !self.asked.is_empty() || !faster(trip, slow) {
            return;
        }
        if let Some(addr) = self.views.remove_passive(from) {
            self.search.swap = Some((from, old.id));
            let round_trip = u32::try_from(trip.as_micros()).unwrap_or(u32::MAX);
            self.ask(addr, Message::Swap { addr: self.me.clone(), round_trip, old: Box::new(old) }, cx);
        }
    }

    /// The slowest neighbour of those that may be given up.
    fn slowest(&self) -> Option<(NodeAddr, Duration)> {
        let mut known: Vec<(Duration, &NodeAddr)> = self
            .views
            .active
            .iter()
            .filter_map(|neighbour| Some((neighbour.round_trip.estimate.mean()?, &neighbour.addr)))
            .collect();
        known.sort_by_key(|(trip, addr)| (std::cmp::Reverse(*trip), addr.id));
        known.get(self.config.unbiased).map(|(trip, addr)| ((*addr).clone(), *trip))
    }

    /// We are near to this one, which would give up `old` for us.
    pub(super) fn swap(&mut self, addr: NodeAddr, trip: Duration, old: NodeAddr, cx: &mut Context<'_, Self>) {
        let from = addr.id;
        if self.away {
            cx.send(from, Message::Refuse);
        } else if self.views.active.len() < self.config.active || self.views.is_active(from) {
            cx.send(from, Message::Accept);
            self.accept(addr, cx);
        } else if let Some((given_up, _)) = self.slowest().filter(|(_, slow)| faster(trip, *slow)) {
            self.stats.swapped += 1;
            self.search.vain = 0;
            cx.send(given_up.id, Message::Instead { addr: old, ask: false });
            cx.send(from, Message::Swapped(given_up.clone()));
            self.lose(given_up.id, true, cx);
            self.accept(addr, cx);
        } else {
            cx.send(from, Message::Refuse);
        }
    }

    /// The one that was asked has taken us, and given up another, whom ours can have.
    pub(super) fn swapped(&mut self, from: NodeId, given_up: NodeAddr, cx: &mut Context<'_, Self>) {
        let old = self.search.over(from);
        let Some((addr, _)) = self.answered(from, cx).filter(|_| !self.away) else {
            if !self.views.is_active(from) {
                cx.send(from, Message::Disconnect);
            }
            return;
        };
        self.search.vain = 0;
        if let Some(old) = old.filter(|old| self.views.is_active(*old)) {
            self.stats.swapped += 1;
            cx.send(old, Message::Instead { addr: given_up, ask: true });
            self.lose(old, true, cx);
        }
        self.accept(addr, cx);
    }

    /// A neighbour has given us up, and names one that has lost a neighbour just so.
    pub(super) fn instead(&mut self, from: NodeId, addr: NodeAddr, ask: bool, cx: &mut Context<'_, Self>) {
        if !self.views.is_active(from) {
            return;
        }
        self.lose(from, true, cx);
        let room = self.views.active.len() + self.asked.len() < self.config.active;
        if room && ask {
            self.views.remove_passive(addr.id);
            self.ask(addr, Message::Neighbour { addr: self.me.clone(), high: false }, cx);
        } else if room && addr.id != self.me.id && !self.views.is_active(addr.id) {
            // It will ask; its place is kept for as long as an answer may take.
            cx.set_timer(Timer::Asked(addr.id), self.config.answer_within);
            self.views.remove_passive(addr.id);
            self.asked.retain(|(asked, _)| asked.id != addr.id);
            self.asked.push((addr, false));
        }
        self.fill(cx);
    }
}
