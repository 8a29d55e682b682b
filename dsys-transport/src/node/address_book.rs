//! Where peers may be reached, as far as somebody has said.

use std::collections::HashMap;
use std::net::SocketAddr;

use dsys_core::{NodeAddr, NodeId};

/// A bounded map from names to addresses. The longest unused entry makes room for a new one.
#[derive(Debug)]
pub(super) struct AddressBook {
    entries: HashMap<NodeId, Entry>,
    max: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Entry {
    /// The most promising first; at most `NodeAddr::MAX_DIRECT`.
    direct: Vec<SocketAddr>,
    used: u64,
}

impl AddressBook {
    pub(super) fn new(max: usize) -> Self {
        AddressBook { entries: HashMap::new(), max: max.max(1), clock: 0 }
    }

    /// Adds what is new, in front of what was known before.
    pub(super) fn learn(&mut self, addr: &NodeAddr) {
        if addr.direct().is_empty() {
            return;
        }
        let entry = self.entry(addr.id);
        entry.direct.retain(|known| !addr.direct().contains(known));
        entry.direct.splice(0..0, addr.direct().iter().copied());
        entry.direct.truncate(NodeAddr::MAX_DIRECT);
    }

    /// Adds claims of the peer itself behind all that is known.
    pub(super) fn learn_claims(&mut self, id: NodeId, claims: &[SocketAddr]) {
        if claims.is_empty() {
            return;
        }
        let entry = self.entry(id);
        for claim in claims {
            if entry.direct.len() < NodeAddr::MAX_DIRECT && !entry.direct.contains(claim) {
                entry.direct.push(*claim);
            }
        }
    }

    /// Puts the address that has just worked first.
    pub(super) fn worked(&mut self, id: NodeId, addr: SocketAddr) {
        let entry = self.entry(id);
        entry.direct.retain(|known| *known != addr);
        entry.direct.insert(0, addr);
        entry.direct.truncate(NodeAddr::MAX_DIRECT);
    }

    /// All that is known of `id`, the given addresses first.
    pub(super) fn complete(&mut self, given: &NodeAddr) -> NodeAddr {
        self.clock += 1;
        let mut addr = given.clone();
        if let Some(entry) = self.entries.get_mut(&given.id) {
            entry.used = self.clock;
            for known in &entry.direct {
                addr.insert(*known);
            }
        }
        addr
    }

    fn entry(&mut self, id: NodeId) -> &mut Entry {
        self.clock += 1;
        if !self.entries.contains_key(&id) && self.entries.len() >= self.max {
            // Rare, and a few thousand entries: a scan is cheaper than an index kept for it.
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        let entry = self.entries.entry(id).or_default();
        entry.used = self.clock;
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn the_longest_unused_is_forgotten() {
        let mut book = AddressBook::new(2);
        for peer in 0..3 {
            if peer == 2 {
                book.complete(&NodeId::from_number(0).into());
            }
            book.learn(&NodeAddr::new(NodeId::from_number(peer)).with(addr(peer as u16)));
        }
        let known =
            |book: &mut AddressBook, peer| book.complete(&NodeId::from_number(peer).into()).direct().len();
        assert_eq!([known(&mut book, 0), known(&mut book, 1), known(&mut book, 2)], [1, 0, 1]);
    }

    #[test]
    fn what_worked_comes_first_and_claims_last() {
        let mut book = AddressBook::new(2);
        let id = NodeId::from_number(1);
        book.learn_claims(id, &[addr(1)]);
        book.learn(&NodeAddr::new(id).with(addr(2)).with(addr(3)));
        book.worked(id, addr(3));
        assert_eq!(book.complete(&id.into()).direct(), [addr(3), addr(2), addr(1)]);
        let many: Vec<_> = (10..100).map(addr).collect();
        book.learn_claims(id, &many);
        assert_eq!(book.complete(&id.into()).direct().len(), NodeAddr::MAX_DIRECT);
    }
}
