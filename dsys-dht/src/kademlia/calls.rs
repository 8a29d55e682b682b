//! Questions on their way.

use std::collections::BTreeMap;

use dsys_core::{NodeAddr, NodeId, Time};

/// The questions on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<u32, Call>,
    next: u32,
}

/// One question on its way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) peer: NodeAddr,
    /// The lookup it belongs to; a probe belongs to none.
    pub(super) lookup: Option<u32>,
    pub(super) sent: Time,
    /// Whether another was asked in its place.
    pub(super) slow: bool,
}

impl Calls {
    /// Begins a question and gives its number.
    pub(super) fn open(&mut self, peer: NodeAddr, lookup: Option<u32>, now: Time) -> u32 {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(number, Call { peer, lookup, sent: now, slow: false });
        number
    }

    /// Takes out the question that this answers. Only who was asked can answer.
    pub(super) fn answered(&mut self, number: u32, from: NodeId) -> Option<Call> {
        self.open.get(&number).filter(|call| call.peer.id == from)?;
        self.open.remove(&number)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Call> {
        self.open.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Call> {
        self.open.remove(&number)
    }

    /// The numbers of those to this peer.
    pub(super) fn to(&self, peer: NodeId) -> Vec<u32> {
        self.open.iter().filter(|(_, call)| call.peer.id == peer).map(|(number, _)| *number).collect()
    }

    pub(super) fn is_asking(&self, peer: NodeId) -> bool {
        self.open.values().any(|call| call.peer.id == peer)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_asked_can_answer() {
        let mut calls = Calls::default();
        let (a, b) = (NodeId::from_number(1), NodeId::from_number(2));
        let number = calls.open(a.into(), Some(7), Time::ZERO);
        assert!(calls.answered(number, b).is_none());
        assert!(calls.answered(number + 1, a).is_none());
        assert_eq!(calls.answered(number, a).and_then(|call| call.lookup), Some(7));
        assert!(calls.answered(number, a).is_none(), "once");
    }
}
