//! Whether a node could be reached by somebody new: `Effect::Probe`.

use std::time::Duration;

use dsys_core::{Input, Machine, NodeAddr};

use super::Network;
use crate::event::{Control, NO_NODE};
use crate::latency::nanos;
use crate::trace::Kind;
use crate::{Connections, Notice};

/// A probe without an answer ends after this long, where connections have no timeout of their own.
const PATIENCE: Duration = Duration::from_secs(3);

impl<M: Machine<Message: Clone>> Network<M> {
    pub(super) fn probe(&mut self, from: u32, addr: NodeAddr) {
        self.stats.probes += 1;
        let Some(life) = self.node(from).map(|node| node.life) else { return };
        let (addr, begun) = (Box::new(addr), self.now);
        match self.ids.place(addr.id) {
            Some(to) if !self.cuts.block(from, to) => {
                // Not behind what was sent before it: it is a way of its own.
                let at = begun.saturating_add(self.draw(from, to));
                self.control(at, to, Control::Probe { from, life, begun, addr });
            }
            _ => self.unreached(from, life, begun, addr),
        }
    }

    /// A probe arrives at `place`.
    pub(super) fn knocked(&mut self, place: u32, from: u32, life: u32, begun: u64, addr: Box<NodeAddr>) {
        let Some(node) = self.node_mut(place) else { return };
        let (up, dialable) = (node.machine.is_some(), node.is_dialable());
        let refuses = !up && node.cold().notice == Notice::Refused;
        if !dialable || !(up || refuses) || self.cuts.block(place, from) {
            return self.unreached(from, life, begun, addr);
        }
        let at = self.now.saturating_add(self.draw(place, from));
        self.control(at, from, Control::Probed { life, addr, reached: up });
    }

    /// The outcome reaches `place`, which asked in the life of this number.
    pub(super) fn probed(&mut self, place: u32, life: u32, addr: NodeAddr, reached: bool) {
        if self.node(place).is_some_and(|node| node.life == life) {
            let peer = self.ids.place(addr.id).unwrap_or(NO_NODE);
            self.record(Kind::Probed, place, peer, None);
            self.hand(place, Input::Probed(addr, reached));
        }
    }

    fn unreached(&mut self, from: u32, life: u32, begun: u64, addr: Box<NodeAddr>) {
        let patience = match self.config.connections {
            Connections::Tracked { timeout: Some(timeout), .. } => timeout,
            _ => PATIENCE,
        };
        let at = begun.saturating_add(nanos(patience)).max(self.now);
        self.control(at, from, Control::Probed { life, addr, reached: false });
    }
}
