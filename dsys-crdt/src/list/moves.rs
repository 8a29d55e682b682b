//! Elements that were moved, and where.
//!
//! To move an element is to insert a slot that refers to it and to delete all slots of the element that are known. So an
//! element has several slots only if it was moved at several places at once: they are the values of a register that was
//! written concurrently, one of which wins (Kleppmann, "Moving Elements in List CRDTs", PaPoC 2020, §3). Those that lost
//! stay in the sequence, where positions of events count them, and are hidden. The next who moves or deletes the element
//! deletes them all. An element is in the list as long as one slot is left: who moves wins against who deletes.

use std::collections::BTreeMap;

use super::told::Told;
use crate::history::Agents;
use crate::walk::Sequence;

#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// By element, if it was ever moved and is there: its slots that no event has deleted.
    slots: BTreeMap<u32, Vec<u32>>,
    live: usize,
}

impl Moves {
    /// How many elements have been moved and are there.
    pub(super) fn elements(&self) -> usize {
        self.slots.len()
    }

    /// How many slots they have.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// How many slots an element has; 0 if it was never moved.
    pub(super) fn live_of(&self, element: u32) -> usize {
        self.slots.get(&element).map_or(0, Vec::len)
    }

    /// The slots in which an element may stand: the one in which it was inserted, if it was never moved.
    pub(super) fn slots(&self, element: u32) -> impl Iterator<Item = u32> + '_ {
        let moved = self.slots.get(&element);
        moved.into_iter().flatten().copied().chain(Some(element).filter(|_| moved.is_none()))
    }

    /// Notes a slot of an element, to be settled.
    pub(super) fn add(&mut self, element: u32, slot: u32) {
        let slots = self.slots.entry(element).or_insert_with(|| {
            self.live += 1;
            vec![element]
        });
        slots.push(slot);
        self.live += 1;
    }

    /// Forgets slots of an element that are deleted, and shows one of those that are left: that of the agent whose name
    /// is greatest. Tells what it hides and shows, where.
    pub(super) fn settle(&mut self, element: u32, sequence: &mut Sequence, agents: &Agents, told: &mut Told) {
        let Some(slots) = self.slots.get_mut(&element) else { return };
        let before = slots.len();
        slots.retain(|&slot| sequence.stood(slot));
        self.live -= before - slots.len();
        let Some(winner) = slots.iter().copied().max_by(|&a, &b| agents.compare(a, b)) else {
            self.slots.remove(&element);
            return;
        };
        for &slot in slots.iter() {
            let (at, shown) = sequence.place_of(slot);
            if shown != (slot == winner) {
                sequence.set_hidden(slot, shown);
                told.flip(at, slot, !shown);
            }
        }
    }
}
