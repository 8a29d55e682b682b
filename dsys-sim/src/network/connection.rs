//! Connections, for networks that track them: dials, their answers, resets and timeouts.
//!
//! A link has a number that no other link ever has. Each end keeps the number it believes in; whatever arrives under
//! another number belongs to a connection that is gone, and is answered with a reset.

use dsys_core::{Input, Machine, NodeId};

use super::Network;
use crate::event::Control;
use crate::latency::nanos;
use crate::links::Link;
use crate::trace::Kind;
use crate::{Connections, Notice};

impl<M: Machine<Message: Clone>> Network<M> {
    /// Sends over the link, or dials and lets the message wait.
    pub(super) fn send_linked(&mut self, from: u32, to: u32, message: M::Message) {
        let max_waiting = self.config.max_waiting;
        let Some(node) = self.node_mut(from) else { return };
        let links = &mut node.cold().links;
        match links.get(to) {
            Some(Link { id, up: true, .. }) => self.transmit(from, to, id, message),
            Some(_) => {
                if !links.wait(to, message, max_waiting) {
                    self.stats.waiting_full += 1;
                    self.lose(from, to);
                }
            }
            None => {
                self.links_made = self.links_made % Link::LAST + 1;
                let id = self.links_made;
                if let Some(node) = self.node_mut(from) {
                    node.cold().links.dial(to, id, message);
                }
                self.stats.dials += 1;
                if self.cuts.block(from, to) {
                    self.time_out(from, to, id, self.now);
                } else {
                    let (at, begun) = (self.arrival(from, to), self.now);
                    self.control(at, to, Control::Dial { from, link: id, begun });
                }
            }
        }
    }

    /// A dial arrives at `to`.
    pub(super) fn dialled(&mut self, to: u32, from: u32, link: u32, begun: u64) {
        let (own, theirs) = (self.ids.name(to), self.ids.name(from));
        let Some(node) = self.node_mut(to) else { return };
        if node.machine.is_none() {
            match node.cold().notice {
                Notice::Refused => self.reset(to, from, link),
                Notice::Silent => self.time_out(from, to, link, begun),
            }
            return;
        }
        if !node.is_dialable() {
            self.time_out(from, to, link, begun);
            return;
        }
        match node.link(from) {
            // Both dial at once: the dial of the smaller name stands, ours. It arrives there in its own time, or the
            // other side gives up as if nobody had answered.
            Some(Link { up: false, .. }) if own < theirs => {
                self.time_out(from, to, link, begun);
                return;
            }
            Some(Link { id: old, up: true, .. }) => self.closed(to, from, old),
            _ => {}
        }
        if self.cuts.block(to, from) {
            // Half open: we heard them, they will not hear us.
            self.time_out(from, to, link, begun);
            self.time_out(to, from, link, self.now);
        } else {
            let at = self.arrival(to, from);
            self.control(at, from, Control::Accepted { peer: to, link });
        }
        self.raise(to, from, link);
    }

    /// The answer to a dial arrives at the dialler.
    pub(super) fn accepted(&mut self, place: u32, peer: u32, link: u32) {
        let Some(node) = self.node_mut(place) else { return };
        match node.link(peer) {
            Some(Link { id, up, .. }) if id == link => {
                if !up {
                    self.raise(place, peer, link);
                }
            }
            // We crashed, or gave up, since.
            _ => self.reset(place, peer, link),
        }
    }

    /// Whether a message that arrives under this number may be handed over. If not, its sender is told, unless
    /// nobody is there to tell it.
    pub(super) fn link_takes(&mut self, to: u32, from: u32, link: u32) -> bool {
        let Some(node) = self.node_mut(to) else { return false };
        match node.link(from) {
            Some(Link { id, up, .. }) if id == link => {
                // A second copy that overtook the answer to our dial.
                if !up {
                    self.raise(to, from, link);
                }
                true
            }
            _ => {
                if node.machine.is_some() || node.cold().notice == Notice::Refused {
                    self.reset(to, from, link);
                }
                false
            }
        }
    }

    /// The link is gone, for `place`.
    pub(super) fn closed(&mut self, place: u32, peer: u32, link: u32) {
        let Some(node) = self.node_mut(place) else { return };
        if node.link(peer).is_none_or(|one| one.id != link) {
            return;
        }
        if let Some(waiting) = node.cold().links.remove(peer) {
            self.stats.failed_dials += 1;
            waiting.iter().for_each(|_| self.lose(place, peer));
        }
        self.record(Kind::Down, place, peer, None);
        let name = self.ids.name(peer);
        self.hand(place, Input::PeerDown(name));
    }

    pub(super) fn disconnect(&mut self, place: u32, peer: NodeId) {
        let Some(peer) = self.ids.place(peer) else { return };
        let Some(Link { id: link, .. }) = self.node_mut(place).and_then(|node| node.link(peer)) else {
            return;
        };
        self.hang_up(place, peer, link, Notice::Refused);
        // As on a live node: whoever asked for it hears of it like of any other end.
        self.control(self.now, place, Control::Closed { peer, link });
    }

    /// All links of a node that stops.
    pub(super) fn drop_links(&mut self, place: u32, notice: Notice) {
        let Some(node) = self.node_mut(place) else { return };
        let Some(cold) = &mut node.cold else { return };
        cold.strangers.clear();
        for (Link { peer, id, .. }, waiting) in std::mem::take(&mut cold.links).into_all() {
            waiting.iter().for_each(|_| self.lose(place, peer));
            self.hang_up(place, peer, id, notice);
        }
    }

    /// Whoever is now cut off from a connected peer notices after the timeout.
    pub(super) fn watch_cuts(&mut self) {
        let Connections::Tracked { timeout: Some(timeout), .. } = self.config.connections else { return };
        let at = self.now.saturating_add(nanos(timeout));
        for place in 0..self.nodes.len() as u32 {
            let links = self.node(place).and_then(|node| node.cold.as_ref()).map(|cold| &cold.links);
            let cut: Vec<Link> = links
                .into_iter()
                .flat_map(|links| links.all())
                .filter(|link| self.cuts.block(place, link.peer) || self.cuts.block(link.peer, place))
                .collect();
            for Link { peer, id, .. } in cut {
                self.control(at, place, Control::CheckCut { peer, link: id });
            }
        }
    }

    pub(super) fn dial_nobody(&mut self, from: u32, to: NodeId) {
        let Connections::Tracked { timeout, absent } = self.config.connections else { return };
        let after = match absent {
            Notice::Refused => Some(self.draw(from, from).saturating_add(self.draw(from, from))),
            Notice::Silent => timeout.map(nanos),
        };
        let (now, max_waiting) = (self.now, self.config.max_waiting);
        let Some(node) = self.node_mut(from) else { return };
        let life = node.life;
        let strangers = &mut node.cold().strangers;
        if strangers.len() >= max_waiting || !strangers.insert(to) {
            return;
        }
        self.stats.dials += 1;
        if let Some(after) = after {
            self.control(now.saturating_add(after), from, Control::NobodyThere { life, id: to });
        }
    }

    pub(super) fn nobody_there(&mut self, place: u32, life: u32, id: NodeId) {
        let Some(node) = self.node_mut(place) else { return };
        if node.life == life && node.cold().strangers.remove(&id) {
            self.stats.failed_dials += 1;
            self.record(Kind::Down, place, place, None);
            self.hand(place, Input::PeerDown(id));
        }
    }

    /// The link is up for `place`: the machine is told, then what waited for it goes out.
    fn raise(&mut self, place: u32, peer: u32, link: u32) {
        let Some(node) = self.node_mut(place) else { return };
        let waiting = node.cold().links.raise(peer, link);
        self.record(Kind::Up, place, peer, None);
        for message in waiting {
            self.transmit(place, peer, link, message);
        }
        let name = self.ids.name(peer);
        self.hand(place, Input::PeerUp(name));
    }

    /// `place` tells `peer` that the link is gone; if the way is cut, or `place` is silent, the timeout does.
    fn hang_up(&mut self, place: u32, peer: u32, link: u32, notice: Notice) {
        match notice {
            Notice::Refused => self.reset(place, peer, link),
            Notice::Silent => self.time_out(peer, place, link, self.now),
        }
    }

    fn reset(&mut self, place: u32, peer: u32, link: u32) {
        if self.cuts.block(place, peer) {
            self.time_out(peer, place, link, self.now);
        } else {
            let at = self.arrival(place, peer);
            self.control(at, peer, Control::Closed { peer: place, link });
        }
    }

    /// `place` gives up on the link a timeout after `begun`.
    fn time_out(&mut self, place: u32, peer: u32, link: u32, begun: u64) {
        if let Connections::Tracked { timeout: Some(timeout), .. } = self.config.connections {
            self.control(begun.saturating_add(nanos(timeout)), place, Control::Closed { peer, link });
        }
    }
}
