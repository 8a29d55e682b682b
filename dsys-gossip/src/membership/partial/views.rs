//! The two views of a node.

use dsys_core::{NodeAddr, NodeId, Rng, Time};

use crate::estimate::RoundTrip;

/// A neighbour.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    pub(super) addr: NodeAddr,
    /// When it last said anything.
    pub(super) heard: Time,
    pub(super) round_trip: RoundTrip,
}

/// The two views of a node. Nobody is in both, and nobody is ourselves.
#[derive(Clone, Debug)]
pub(super) struct Views {
    me: NodeId,
    pub(super) active: Vec<Neighbour>,
    pub(super) passive: Vec<NodeAddr>,
    most: usize,
}

impl Views {
    pub(super) fn new(me: NodeId, most: usize) -> Self {
        Views { me, active: Vec::new(), passive: Vec::new(), most }
    }

    pub(super) fn neighbour(&mut self, id: NodeId) -> Option<&mut Neighbour> {
        self.active.iter_mut().find(|neighbour| neighbour.addr.id == id)
    }

    pub(super) fn is_active(&self, id: NodeId) -> bool {
        self.active.iter().any(|neighbour| neighbour.addr.id == id)
    }

    /// Takes a neighbour in. `false` if it was one, or is ourselves.
    pub(super) fn add_active(&mut self, addr: NodeAddr, now: Time) -> bool {
        if addr.id == self.me || self.is_active(addr.id) {
            return false;
        }
        self.passive.retain(|one| one.id != addr.id);
        self.active.reserve_exact(1);
        self.active.push(Neighbour { addr, heard: now, round_trip: RoundTrip::default() });
        true
    }

    pub(super) fn remove_active(&mut self, id: NodeId) -> Option<NodeAddr> {
        let at = self.active.iter().position(|neighbour| neighbour.addr.id == id)?;
        Some(self.active.swap_remove(at).addr)
    }

    /// A neighbour chosen uniformly, not among those excepted.
    pub(super) fn pick(&self, rng: &mut Rng, except: &[NodeId]) -> Option<NodeId> {
        let others: Vec<NodeId> =
            self.active.iter().map(|neighbour| neighbour.addr.id).filter(|id| !except.contains(id)).collect();
        rng.choose(&others).copied()
    }

    /// Remembers a node. If there are too many, one of `rather` goes, or any.
    pub(super) fn add_passive(&mut self, addr: NodeAddr, rather: &[NodeId], rng: &mut Rng) {
        if addr.id == self.me || self.is_active(addr.id) || self.most == 0 {
            return;
        }
        if let Some(known) = self.passive.iter_mut().find(|one| one.id == addr.id) {
            // What was heard later is likelier to be right, but nothing is no news.
            if !addr.direct().is_empty() {
                *known = addr;
            }
            return;
        }
        while self.passive.len() >= self.most {
            let old = self.passive.iter().position(|one| rather.contains(&one.id));
            self.passive.swap_remove(old.unwrap_or_else(|| rng.index(self.passive.len())));
        }
        if self.passive.len() == self.passive.capacity() {
            // Exactly as many as there may be, at last.
            let more = (self.most - self.passive.len()).min(self.passive.len().max(8));
            self.passive.reserve_exact(more);
        }
        self.passive.push(addr);
    }

    pub(super) fn remove_passive(&mut self, id: NodeId) -> Option<NodeAddr> {
        let at = self.passive.iter().position(|one| one.id == id)?;
        Some(self.passive.swap_remove(at))
    }

    /// So many of the passive view, chosen uniformly.
    pub(super) fn sample_passive(&self, count: usize, rng: &mut Rng) -> Vec<NodeAddr> {
        let mut all: Vec<&NodeAddr> = self.passive.iter().collect();
        rng.shuffle(&mut all);
        all.into_iter().take(count).cloned().collect()
    }

    pub(super) fn sample_active(&self, count: usize, rng: &mut Rng) -> Vec<NodeAddr> {
        let mut all: Vec<&Neighbour> = self.active.iter().collect();
        rng.shuffle(&mut all);
        all.into_iter().take(count).map(|neighbour| neighbour.addr.clone()).collect()
    }
}
