//! The active view: who is asked, taken in, probed and lost.

use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId};

use super::Message;
use super::machine::{Event, Lack, Partial, Timer};

/// So often an unmet contact is tried with each probe; then with each shuffle.
const LOOKS: u32 = 8;

impl Partial {
    /// Asks somebody, once at a time.
    pub(super) fn ask(&mut self, addr: NodeAddr, message: Message, cx: &mut Context<'_, Self>) {
        let id = addr.id;
        if self.views.is_active(id)
            || self.asked.iter().any(|(asked, _)| asked.id == id)
            || self.barred.contains(&id)
        {
            return;
        }
        if !addr.direct().is_empty() {
            cx.learn(addr.clone());
        }
        self.stats.asked += 1;
        self.asked.push((addr, self.views.active.is_empty()));
        cx.send(id, message);
        cx.set_timer(Timer::Asked(id), self.config.answer_within);
    }

    /// The answer has come, or will not.
    pub(super) fn answered(&mut self, id: NodeId, cx: &mut Context<'_, Self>) -> Option<(NodeAddr, bool)> {
        let at = self.asked.iter().position(|(asked, _)| asked.id == id)?;
        cx.cancel_timer(Timer::Asked(id));
        let answered = self.asked.swap_remove(at);
        if self.asked.is_empty() {
            // With its memory: most nodes ask nobody for most of their lives.
            self.asked = Vec::new();
        }
        Some(answered)
    }

    /// §4.3: asks as many of the passive view as there are free places. Whoever has no neighbour is not to be refused.
    pub(super) fn fill(&mut self, cx: &mut Context<'_, Self>) {
        if self.away {
            return;
        }
        let high = self.views.active.is_empty();
        while self.views.active.len() + self.asked.len() < self.config.active {
            let free: Vec<NodeId> = self
                .views
                .passive
                .iter()
                .map(|addr| addr.id)
                .filter(|id| {
                    // Whoever refused while we had others may not refuse now that we have nobody.
                    self.refused.iter().all(|(refused, alone)| refused != id || (high && !alone))
                        && self.asked.iter().all(|(asked, _)| asked.id != *id)
                })
                .collect();
            let chosen = cx.rng().choose(&free).copied();
            let Some(addr) = chosen.and_then(|id| self.views.remove_passive(id)) else { break };
            self.ask(addr, Message::Neighbour { addr: self.me.clone(), high }, cx);
        }
    }

    /// Makes somebody a neighbour; if there is no room, another one gives way.
    pub(super) fn accept(&mut self, addr: NodeAddr, cx: &mut Context<'_, Self>) {
        let id = addr.id;
        if !addr.direct().is_empty() {
            cx.learn(addr.clone());
        }
        if !self.views.add_active(addr, cx.now()) {
            return;
        }
        self.lost.retain(|lost| lost.id != id);
        self.met(id);
        cx.emit(Event::Up(id));
        // How near it is.
        self.ping(id, cx);
        while self.views.active.len() > self.config.active.max(1) {
            let planned = self.search.over(id).filter(|old| self.views.is_active(*old));
            let Some(unlucky) = planned.or_else(|| self.views.pick(cx.rng(), &[id])) else { break };
            self.stats.evicted += 1;
            cx.send(unlucky, Message::Disconnect);
            self.lose(unlucky, true, cx);
        }
    }

    /// No longer a neighbour; it may become one again if it `lives`.
    pub(super) fn lose(&mut self, id: NodeId, lives: bool, cx: &mut Context<'_, Self>) {
        let Some(addr) = self.views.remove_active(id) else { return };
        if lives {
            self.views.add_passive(addr, &[], cx.rng());
        } else if !self.barred.contains(&id) {
            while self.lost.len() >= self.config.max_contacts.max(1) {
                self.lost.pop_front();
            }
            self.lost.push_back(addr);
        }
        cx.emit(Event::Down(id));
        if self.views.active.is_empty() && !self.away {
            self.lack = (Lack::Nobody, 0);
            self.plan_probe(cx);
        }
    }

    /// A neighbour that asks to be one has lost us meanwhile, and forgotten what stood between us: so do those above.
    pub(super) fn begin_anew(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        if self.views.is_active(id) {
            self.lose(id, true, cx);
        }
    }

    /// Tries one of those that were lost: after a partition each side has dropped the other from its views, and nothing
    /// else would bring the two together.
    pub(super) fn retry(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(addr) = self.lost.pop_front() {
            self.lost.push_back(addr.clone());
            let high = self.views.active.is_empty();
            self.ask(addr, Message::Neighbour { addr: self.me.clone(), high }, cx);
        }
    }

    pub(super) fn ping(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        if let Some(neighbour) = self.views.neighbour(id) {
            neighbour.round_trip.ping(now);
            cx.send(id, Message::Ping);
        }
    }

    /// When a neighbour may next be silent for too long, and at most twice in that time. Whoever is alone, or has not met a
    /// contact, looks around sooner, at first.
    pub(super) fn plan_probe(&mut self, cx: &mut Context<'_, Self>) {
        let usual = self.config.probe_after / 2;
        let lack = if self.views.active.is_empty() && !self.contacts.is_empty() {
            Lack::Neighbour
        } else if !self.unmet.is_empty() {
            Lack::Contact
        } else {
            Lack::Nobody
        };
        let looks = if lack == self.lack.0 { self.lack.1.saturating_add(1) } else { 1 };
        self.lack = (lack, looks);
        let wait = if lack == Lack::Nobody {
            let silent = self.views.active.iter().map(|neighbour| cx.now() - neighbour.heard).max();
            let left = silent.map_or(usual, |silent| self.config.probe_after.saturating_sub(silent));
            left.max(usual)
        } else {
            (usual / 32).saturating_mul(1 << looks.min(16)).min(usual)
        };
        cx.set_timer(Timer::Probe, wait);
    }

    /// A contact that could not be reached, or did not speak the protocol yet, can be now. So can a neighbour that was lost:
    /// two connections of one pair may have become one.
    pub(super) fn peer_up(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        if self.away {
            return;
        }
        let high = self.views.active.is_empty();
        let room = self.views.active.len() < self.config.active;
        let contact = if high || self.unmet.contains(&peer) { self.contact(peer) } else { None };
        let lost = self.lost.iter().find(|lost| lost.id == peer && room).cloned();
        if let Some(contact) = contact {
            self.ask(contact, Message::Join(self.me.clone()), cx);
        } else if let Some(lost) = lost {
            self.ask(lost, Message::Neighbour { addr: self.me.clone(), high }, cx);
        }
    }

    fn contact(&self, id: NodeId) -> Option<NodeAddr> {
        self.contacts.iter().find(|contact| contact.id == id).cloned()
    }

    /// This one has answered: if it is a contact, it is met.
    pub(super) fn met(&mut self, peer: NodeId) {
        self.unmet.retain(|unmet| *unmet != peer);
        if self.unmet.is_empty() {
            self.unmet = Vec::new();
        }
    }

    /// Tries a contact that has not answered yet.
    pub(super) fn turn_to_an_unmet(&mut self, cx: &mut Context<'_, Self>) {
        let unmet = cx.rng().choose(&self.unmet).copied();
        if let Some(contact) = unmet.and_then(|id| self.contact(id)) {
            self.ask(contact, Message::Join(self.me.clone()), cx);
        }
    }

    pub(super) fn probe(&mut self, cx: &mut Context<'_, Self>) {
        self.plan_probe(cx);
        let now = cx.now();
        let silence: Vec<(NodeId, Duration)> =
            self.views.active.iter().map(|neighbour| (neighbour.addr.id, now - neighbour.heard)).collect();
        for (id, silent) in silence {
            if silent >= self.config.max_silence {
                self.stats.lost += 1;
                self.lose(id, false, cx);
            } else if silent >= self.config.probe_after {
                self.ping(id, cx);
            }
        }
        self.fill(cx);
        if self.away || !self.asked.is_empty() {
            return;
        }
        if self.views.active.is_empty() {
            self.turn_to_a_contact(cx);
        } else if !self.unmet.is_empty() && self.lack.1 < LOOKS {
            self.turn_to_an_unmet(cx);
        } else if self.views.passive.is_empty() && self.views.active.len() < self.config.active {
            // Most of those we knew are dead. Whoever is left knows others.
            self.exchange(cx);
        }
    }

    pub(super) fn peer_down(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        self.search.over(peer);
        self.answered(peer, cx);
        if self.views.is_active(peer) {
            self.stats.lost += 1;
            self.lose(peer, false, cx);
        }
        self.fill(cx);
    }

    /// The link may carry other topics, and what is wrong here need not be wrong there: it stands.
    pub(super) fn bar(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        if !self.barred.contains(&peer) {
            while self.barred.len() >= self.config.max_barred.max(1) {
                self.barred.pop_front();
            }
            self.barred.push_back(peer);
        }
        self.answered(peer, cx);
        self.views.remove_passive(peer);
        self.lost.retain(|lost| lost.id != peer);
        if self.views.is_active(peer) {
            cx.send(peer, Message::Disconnect);
            self.lose(peer, false, cx);
        }
        self.fill(cx);
    }
}
