//! One event: taken from the queue, handed to a machine, and its effects carried out.

use dsys_core::{Context, Input, Machine, Time};

use super::Network;
use crate::event::{Body, Control, NO_LINK, NO_NODE};
use crate::trace::Kind;

impl<M: Machine<Message: Clone>> Network<M> {
    pub(super) fn step_until(&mut self, limit: u64) -> bool {
        let Some(entry) = self.wheel.pop(limit) else { return false };
        self.now = entry.time;
        let Some(body) = self.bodies.remove(entry.slot) else { return true };
        match body {
            Body::Message { from, link, message } => self.deliver(entry.node, from, link, message),
            Body::Timer { timer, generation } => {
                let Some(node) = self.node_mut(entry.node) else { return true };
                if node.timers.fire(timer, generation) {
                    self.stats.timers += 1;
                    self.record(Kind::Timer, entry.node, NO_NODE, None);
                    self.hand(entry.node, Input::Timer(timer));
                } else {
                    self.stats.stale_timers += 1;
                }
            }
            Body::Start { life } => {
                if self.node(entry.node).is_some_and(|node| node.life == life) {
                    self.record(Kind::Start, entry.node, NO_NODE, None);
                    self.hand(entry.node, Input::Start);
                }
            }
            Body::Command(command) => {
                self.record(Kind::Command, entry.node, NO_NODE, None);
                self.hand(entry.node, Input::Command(*command));
            }
            Body::Control(control) => self.obey(entry.node, control),
        }
        true
    }

    /// Hands one input to a machine, if it is up, and carries out what it wants.
    pub(super) fn hand(&mut self, place: u32, input: Input<M>) {
        let Some(node) = self.nodes.get_mut(place as usize) else { return };
        let Some(machine) = node.machine.as_mut() else { return };
        let now = Time::from_nanos(self.now);
        let now = node.cold.as_ref().map_or(now, |cold| cold.clock.show(now));
        let mut effects = std::mem::take(&mut self.effects);
        machine.handle(input, &mut Context::new(now, &mut self.rng, &mut effects));
        self.stats.inputs += 1;
        for effect in effects.drain(..) {
            self.carry_out(place, effect);
        }
        self.effects = effects;
    }

    fn deliver(&mut self, to: u32, from: u32, link: u32, message: M::Message) {
        if link != NO_LINK && !self.link_takes(to, from, link) {
            self.lose(from, to);
            return;
        }
        let bytes = (self.size)(&message) as u64;
        let digest = self.digest.map(|digest| digest(&message));
        let Some(node) = self.nodes.get_mut(to as usize) else { return };
        if node.machine.is_none() {
            self.lose(from, to);
            return;
        }
        node.counters.received += 1;
        node.counters.received_bytes += bytes;
        self.stats.messages += 1;
        self.record_weighed(Kind::Receive, to, from, Some(bytes), digest.unwrap_or(bytes));
        let sender = self.ids.name(from);
        self.hand(to, Input::Message(sender, message));
    }

    fn obey(&mut self, place: u32, control: Control) {
        match control {
            Control::Dial { from, link, begun } => self.dialled(place, from, link, begun),
            Control::Accepted { peer, link } => self.accepted(place, peer, link),
            Control::Closed { peer, link } => self.closed(place, peer, link),
            Control::CheckCut { peer, link } => {
                if self.cuts.block(place, peer) || self.cuts.block(peer, place) {
                    self.closed(place, peer, link);
                }
            }
            Control::NobodyThere { life, id } => self.nobody_there(place, life, id),
            Control::Probe { from, life, begun, addr } => self.knocked(place, from, life, begun, addr),
            Control::Probed { life, addr, reached } => self.probed(place, life, *addr, reached),
            Control::Flushed { life } => self.flushed(place, life),
            Control::Healed(cut) => {
                self.heal_cut(cut);
            }
            Control::Change(change) => self.change(*change),
        }
    }
}
