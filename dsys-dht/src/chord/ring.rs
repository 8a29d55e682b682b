//! What a node knows of the ring.

use std::collections::BTreeMap;

use dsys_core::NodeId;

use super::message::MAX_NODES;
use super::place::Place;
use crate::{Distance, Key};

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
    /// Whose place this is.
    node: NodeId,
    most: usize,
    pub(super) predecessor: Option<Place>,
    /// The nearest first, this place never among them. Empty: alone.
    pub(super) successors: Vec<Place>,
    /// Finger `i` owns me + 2^i; only those beyond the first successor are kept.
    fingers: BTreeMap<u16, Place>,
}

impl Ring {
    pub(super) fn new(me: &Place, most: usize) -> Self {
        let (me, node) = (me.key(), me.id());
        Ring { me, node, most, predecessor: None, successors: Vec::new(), fingers: BTreeMap::new() }
    }

    /// Takes over the list of a node that has just answered, behind that node itself (Zave 2017: append, butLast).
    pub(super) fn follow(&mut self, first: Place, its: &[Place]) {
        let me = self.me;
        let mut list = vec![first];
        // On a small ring its list leads around to us, and what comes behind us are no successors any more.
        for place in its.iter().take_while(|place| place.key() != me) {
            let last = list.last().map_or(me, Place::key);
            // A list out of order is a lie, or older than what came before.
            if !between(last, place.key(), me) {
                break;
            }
            list.push(place.clone());
        }
        list.truncate(self.others(&list).1);
        self.successors = list;
        self.forget_near_fingers();
    }

    /// How many other nodes stand in the list, and where it may end: once it names `most` of them. The places of one
    /// node fail together, and a copy on each of them is one copy.
    fn others(&self, list: &[Place]) -> (usize, usize) {
        let mut others: Vec<NodeId> = Vec::with_capacity(self.most);
        let enough = list.iter().take(MAX_NODES).position(|place| {
            if place.id() != self.node && !others.contains(&place.id()) {
                others.push(place.id());
            }
            others.len() >= self.most
        });
        (others.len(), enough.map_or(MAX_NODES, |at| at + 1))
    }

    /// How far the last of the `most` nodes is that are responsible for what is ours; `None` if there are fewer.
    pub(super) fn reach(&self) -> Option<Distance> {
        let last = self.successors.last().filter(|_| self.others(&self.successors).0 == self.most)?;
        Some(self.me.clockwise(last.key()))
    }

    /// Whether a predecessor of our successor should be our successor.
    pub(super) fn improves(&self, place: &Place) -> bool {
        self.successors.first().is_some_and(|first| between(self.me, place.key(), first.key()))
    }

    /// The keys that we own lie behind our predecessor.
    pub(super) fn owns(&self, key: Key) -> bool {
        match &self.predecessor {
            Some(predecessor) => reaches(predecessor.key(), key, self.me),
            None => self.successors.is_empty() || key == self.me,
        }
    }

    /// Whether our successor owns the key.
    pub(super) fn leads_to_owner(&self, key: Key) -> bool {
        self.successors.first().is_none_or(|first| reaches(self.me, key, first.key()))
    }

    /// Our successors at and behind the key, which lies behind `from`.
    pub(super) fn behind(&self, from: Key, key: Key) -> Vec<Place> {
        let behind = self.successors.iter().filter(|place| reaches(from, key, place.key()));
        behind.cloned().collect()
    }

    /// Those we know that come before the key, the nearest to it first (SIGCOMM'01 fig. 5, closest preceding node).
    pub(super) fn preceding(&self, key: Key, most: usize) -> Vec<Place> {
        let known = self.successors.iter().chain(self.fingers.values());
        let mut places: Vec<&Place> = known.filter(|place| between(self.me, place.key(), key)).collect();
        places.sort_unstable_by_key(|place| place.key().clockwise(key));
        places.dedup_by_key(|place| place.key());
        places.into_iter().take(most).cloned().collect()
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

    pub(super) fn set_finger(&mut self, i: u16, owner: Place) {
        if owner.key() != self.me {
            self.fingers.insert(i, owner);
        }
    }

    /// Nobody is there. The successor list is left to stabilize.
    pub(super) fn forget_finger(&mut self, place: &Place) {
        self.fingers.retain(|_, finger| finger.key() != place.key());
    }

    fn forget_near_fingers(&mut self) {
        let Some(first) = self.successors.first() else { return };
        let (me, first) = (self.me, first.key());
        self.fingers.retain(|i, _| !reaches(me, me.plus_power_of_two(*i), first));
    }

    /// All places of other nodes that are known; some more than once.
    pub(super) fn known(&self) -> impl Iterator<Item = &Place> {
        let known = self.successors.iter().chain(self.fingers.values()).chain(&self.predecessor);
        known.filter(|place| place.id() != self.node)
    }
}
