//! What machines want done; and the order that a write imposes on it.

use dsys_core::{Effect, Input, Machine, Token, Write};

use super::{Emitted, Network};
use crate::Crash;
use crate::event::{Body, Control, NO_NODE};
use crate::latency::nanos;
use crate::trace::Kind;

impl<M: Machine<Message: Clone>> Network<M> {
    #[inline]
    pub(super) fn carry_out(&mut self, place: u32, effect: Effect<M>) {
        let Some(node) = self.nodes.get_mut(place as usize) else { return };
        if let Some(cold) = &mut node.cold {
            if node.machine.is_none() {
                return;
            }
            // A write directly behind one that began this instant shares its flush.
            let joins =
                matches!(effect, Effect::Store(..)) && cold.held.is_empty() && cold.flush_begun == self.now;
            if cold.disk.is_flushing() && !joins {
                if cold.held.len() >= self.config.max_held_effects {
                    self.stats.held_full += 1;
                } else {
                    cold.held.push_back(effect);
                }
                return;
            }
        }
        self.do_now(place, effect);
    }

    #[inline]
    fn do_now(&mut self, place: u32, effect: Effect<M>) {
        match effect {
            Effect::Send(to, message) => self.send(place, to, message),
            Effect::SetTimer(timer, after) => {
                let Some(node) = self.nodes.get_mut(place as usize) else { return };
                let generation = node.timers.set(timer);
                let after = nanos(after);
                let after = node.cold.as_ref().map_or(after, |cold| cold.clock.real(after));
                self.enqueue(self.now.saturating_add(after), place, Body::Timer { timer, generation });
            }
            Effect::CancelTimer(timer) => {
                if let Some(node) = self.node_mut(place) {
                    node.timers.cancel(timer);
                }
            }
            Effect::Emit(event) => self.emit(place, event),
            Effect::Disconnect(peer) => self.disconnect(place, peer),
            Effect::Store(token, write) => self.store(place, token, write),
            Effect::Learn(_) => self.stats.learned += 1,
            Effect::Probe(addr) => self.probe(place, addr),
        }
    }

    fn emit(&mut self, place: u32, event: M::Event) {
        self.record(Kind::Emit, place, NO_NODE, None);
        self.stats.emitted += 1;
        let (time, node) = (self.now(), self.ids.name(place));
        if let Some(observer) = &mut self.observer {
            observer(time, node, &event);
        } else if self.kept.len() < self.config.max_kept_events {
            self.kept.push(Emitted { time, node, event });
        } else {
            self.stats.events_dropped += 1;
        }
    }

    /// Begins a flush, or joins the one that begins at this instant. A node whose disk is full stops, as one does
    /// whose writes fail.
    fn store(&mut self, place: u32, token: Token, write: Write) {
        let (now, done) = (self.now, self.now.saturating_add(nanos(self.config.disk_latency)));
        let max_disk = self.config.max_disk;
        let Some(node) = self.node_mut(place) else { return };
        let life = node.life;
        let cold = node.cold();
        if let Write::Append(record) = &write
            && cold.disk.bytes().saturating_add(record.len()) > max_disk
        {
            self.stats.disk_full += 1;
            self.crash_place(place, Crash::PROCESS);
            return;
        }
        let begins = !cold.disk.is_flushing();
        cold.disk.write(token, write);
        cold.flush_begun = now;
        if begins {
            self.control(done, place, Control::Flushed { life });
        }
    }

    /// A flush is complete: what waited for it goes out first, up to the next write; then the machine is told.
    pub(super) fn flushed(&mut self, place: u32, life: u32) {
        let Some(node) = self.node_mut(place) else { return };
        if node.life != life {
            return;
        }
        let tokens = node.cold().disk.flushed();
        while let Some(effect) = self.next_held(place) {
            self.do_now(place, effect);
        }
        for token in tokens {
            self.record(Kind::Stored, place, NO_NODE, None);
            self.hand(place, Input::Stored(token));
        }
    }

    /// The next effect that need not wait: while a flush runs, only a write that can share it.
    fn next_held(&mut self, place: u32) -> Option<Effect<M>> {
        let cold = self.node_mut(place)?.cold();
        if cold.disk.is_flushing() && !matches!(cold.held.front(), Some(Effect::Store(..))) {
            return None;
        }
        cold.held.pop_front()
    }
}
