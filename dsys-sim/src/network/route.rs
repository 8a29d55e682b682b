//! The way of a message: the liar's hook, the connection, the faults, the latency.

use dsys_core::{Machine, NodeId};

use super::{Letter, Network};
use crate::event::{Body, NO_LINK};
use crate::latency::nanos;
use crate::trace::Kind;

impl<M: Machine<Message: Clone>> Network<M> {
    #[inline]
    pub(super) fn send(&mut self, from: u32, to: NodeId, message: M::Message) {
        if self.liar.is_some() && self.node(from).and_then(|node| node.cold.as_ref()).is_some_and(|c| c.liar)
        {
            self.lie(from, to, message);
        } else {
            self.post(from, to, message);
        }
    }

    fn lie(&mut self, from: u32, to: NodeId, message: M::Message) {
        let (now, sender) = (self.now(), self.ids.name(from));
        let Some(liar) = &mut self.liar else { return };
        for letter in liar(now, sender, Letter { to, message }) {
            self.post(from, letter.to, letter.message);
        }
    }

    pub(super) fn post(&mut self, from: u32, to: NodeId, message: M::Message) {
        let bytes = (self.size)(&message) as u64;
        self.stats.sent += 1;
        let Some(node) = self.nodes.get_mut(from as usize) else { return };
        node.counters.sent += 1;
        node.counters.sent_bytes += bytes;
        let Some(to_place) = self.ids.place(to) else {
            self.record(Kind::Send, from, from, Some(bytes));
            self.lose(from, from);
            if self.tracked {
                self.dial_nobody(from, to);
            }
            return;
        };
        self.record(Kind::Send, from, to_place, Some(bytes));
        if self.tracked && from != to_place {
            self.send_linked(from, to_place, message);
        } else {
            self.transmit(from, to_place, NO_LINK, message);
        }
    }

    /// Over the wire: cuts, loss, duplication, latency.
    #[inline]
    pub(super) fn transmit(&mut self, from: u32, to: u32, link: u32, message: M::Message) {
        if self.cuts.block(from, to) || self.dice.chance(self.config.faults.loss) {
            self.lose(from, to);
            return;
        }
        if self.dice.chance(self.config.faults.duplication) {
            self.stats.duplicated += 1;
            let at = self.now.saturating_add(self.draw(from, to));
            self.enqueue(at, to, Body::Message { from, link, message: message.clone() });
        }
        let at = if self.dice.chance(self.config.faults.reordering) {
            self.stats.reordered += 1;
            let longest = nanos(self.config.faults.reordering_delay);
            let delay = self.dice.below(longest);
            self.now.saturating_add(self.draw(from, to)).saturating_add(delay)
        } else {
            self.arrival(from, to)
        };
        self.enqueue(at, to, Body::Message { from, link, message });
    }

    /// When something sent now arrives, behind what was sent before it.
    #[inline]
    pub(super) fn arrival(&mut self, from: u32, to: u32) -> u64 {
        let at = self.now.saturating_add(self.draw(from, to));
        if !self.keep_order {
            return at;
        }
        let now = self.now;
        self.node_mut(from).map_or(at, |node| node.in_order(to, at, now))
    }

    pub(super) fn draw(&mut self, from: u32, to: u32) -> u64 {
        self.config.latency.draw(self.config.seed, from, to, &mut self.dice)
    }

    pub(super) fn lose(&mut self, from: u32, to: u32) {
        self.stats.lost += 1;
        if let Some(node) = self.node_mut(from) {
            node.counters.lost += 1;
        }
        self.record(Kind::Lost, from, to, None);
    }
}
