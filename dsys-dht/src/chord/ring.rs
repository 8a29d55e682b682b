//! What a node knows of the ring.

use std::collections::BTreeMap;

use dsys_core::{NodeAddr, NodeId};

use crate::Key;

/// Whether `key` lies on the way from `from` up to and including `to`. From a place to itself it is the whole ring.
pub(super) fn reaches(from: Key, key: Key, to: Key) -> bool {
    from == to || key != from && from.clockwise(key) <= from.clockwise(to)
}

/// Whether `key` lies strictly between; from a place to itself, everywhere else.
pub(super) fn between(from: Key, key: Key, to: Key) -> bool {
    key != to && reaches(from, key, to) && key != from
}

/// Successors, predecessor and fingers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ring {
    pub(super) me: Key,
    most: usize,
    pub(super) predecessor: Option<NodeAddr>,
    /// The nearest first, ourselves never among them. Empty: alone.
    pub(super) successors: Vec<NodeAddr>,
    /// Finger `i` owns me + 2^i; only those beyond the first successor are kept.
    fingers: BTreeMap<u16, NodeAddr>,
}

impl Ring {
    pub(super) fn new(me: Key, most: usize) -> Self {
        Ring { me, most, predecessor: None, successors: Vec::new(), fingers: BTreeMap::new() }
    }

    /// Takes over the list of a node that has just answered, behind that node itself (Zave 2017: append, butLast).
    pub(super) fn follow(&mut self, first: NodeAddr, its: &[NodeAddr]) {
        let me = self.me;
        let mut list = vec![first];
        // On a small ring its list leads around to us, and what comes behind us are no successors any more.
        for node in its.iter().take_while(|node| Key::of_node(node.id) != me) {
            let last = list.last().map_or(me, |last| Key::of_node(last.id));
            // A list out of order is a lie, or older than what came before.
            if !between(last, Key::of_node(node.id), me) {
                break;
            }
            list.push(node.clone());
        }
        list.truncate(self.most);
        self.successors = list;
        self.forget_near_fingers();
    }

    /// Whether a predecessor of our successor should be our successor.
    pub(super) fn improves(&self, node: NodeId) -> bool {
        self.successors
            .first()
            .is_some_and(|first| between(self.me, Key::of_node(node), Key::of_node(first.id)))
    }

    /// The keys that we own lie behind our predecessor.
    pub(super) fn owns(&self, key: Key) -> bool {
        match &self.predecessor {
            Some(predecessor) => reaches(Key::of_node(predecessor.id), key, self.me),
            None => self.successors.is_empty() || key == self.me,
        }
    }

    /// Whether our successor owns the key.
    pub(super) fn leads_to_owner(&self, key: Key) -> bool {
        self.successors.first().is_none_or(|first| reaches(self.me, key, Key::of_node(first.id)))
    }

    /// Our successors at and behind the key, which lies behind `from`.
    pub(super) fn behind(&self, from: Key, key: Key) -> Vec<NodeAddr> {
        let behind = self.successors.iter().filter(|node| reaches(from, key, Key::of_node(node.id)));
        behind.cloned().collect()
    }

    /// Those we know that come before the key, the nearest to it first (SIGCOMM'01 fig. 5, closest preceding node).
    pub(super) fn preceding(&self, key: Key, most: usize) -> Vec<NodeAddr> {
        let known = self.successors.iter().chain(self.fingers.values());
        let mut nodes: Vec<&NodeAddr> =
            known.filter(|node| between(self.me, Key::of_node(node.id), key)).collect();
        nodes.sort_unstable_by_key(|node| Key::of_node(node.id).clockwise(key));
        nodes.dedup_by_key(|node| node.id);
        nodes.into_iter().take(most).cloned().collect()
    }

    /// Where finger `i` points.
    pub(super) fn finger_key(&self, i: u16) -> Key {
        self.me.plus_power_of_two(i)
    }

    /// The next finger below `i` that is not the first successor itself, the farthest first.
    pub(super) fn finger_below(&self, i: u16) -> Option<u16> {
        let below = i.checked_sub(1)?;
        let beyond = |i: u16| !self.leads_to_owner(self.finger_key(i));
        beyond(below).then_some(below)
    }

    pub(super) fn set_finger(&mut self, i: u16, owner: NodeAddr) {
        if Key::of_node(owner.id) != self.me {
            self.fingers.insert(i, owner);
        }
    }

    /// A node is gone. The successor list is left to stabilize.
    pub(super) fn forget_finger(&mut self, id: NodeId) {
        self.fingers.retain(|_, finger| finger.id != id);
    }

    fn forget_near_fingers(&mut self) {
        let Some(first) = self.successors.first() else { return };
        let (me, first) = (self.me, Key::of_node(first.id));
        self.fingers.retain(|i, _| !reaches(me, me.plus_power_of_two(*i), first));
    }

    /// All other nodes that are known, each once.
    pub(super) fn known(&self) -> BTreeMap<NodeId, &NodeAddr> {
        let known = self.successors.iter().chain(self.fingers.values()).chain(&self.predecessor);
        known.map(|node| (node.id, node)).collect()
    }
}
