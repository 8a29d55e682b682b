//! Elements whose value was set anew.
//!
//! To set an element is to insert a slot that carries the value, to hide it for good, and to delete all such slots of the
//! element that are known. So an element has several only if it was set at several places at once, and the greatest wins,
//! as with [moves](super::moves). Where the element stands, and whether it does, they do not say: who sets takes nothing
//! from who moves or deletes at the same time.

use std::collections::BTreeMap;

use super::told::Told;
use crate::history::Agents;
use crate::walk::Sequence;

#[derive(Clone, Debug, Default)]
pub(super) struct Sets(BTreeMap<u32, Values>);

/// The values of one element.
#[derive(Clone, Debug, Default)]
struct Values {
    /// The slots that no event has deleted, in ascending order once they are settled.
    slots: Vec<u32>,
    /// The one that held when they were settled last.
    winner: Option<u32>,
}

impl Sets {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The slots of an element, the winner last.
    pub(super) fn of(&self, element: u32) -> &[u32] {
        self.0.get(&element).map_or(&[], |values| &values.slots)
    }

    /// Notes a slot of an element, to be settled.
    pub(super) fn add(&mut self, element: u32, slot: u32) {
        self.0.entry(element).or_default().slots.push(slot);
    }

    /// Forgets slots of an element that are deleted, and hides the others. Tells what it hides, where; gives whether
    /// another value holds now.
    pub(super) fn settle(
        &mut self,
        element: u32,
        sequence: &mut Sequence,
        agents: &Agents,
        told: &mut Told,
    ) -> bool {
        let Some(Values { slots, winner }) = self.0.get_mut(&element) else { return false };
        slots.retain(|&slot| sequence.stood(slot));
        slots.sort_unstable_by(|&a, &b| agents.compare(a, b));
        for &slot in slots.iter() {
            let (at, shown) = sequence.place_of(slot);
            if shown {
                sequence.set_hidden(slot, true);
                told.flip(at, slot, false);
            }
        }
        let last = std::mem::replace(winner, slots.last().copied());
        let changed = last != *winner;
        if slots.is_empty() {
            self.0.remove(&element);
        }
        changed
    }
}
