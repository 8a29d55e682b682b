//! Taking back what one author did to a list.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Element, Item, List};
use crate::Agent;
use crate::text::EditError;
use crate::undo::{EventGroups, Way};

/// As [`Undo`](crate::Undo), for a [`List`]: takes back what its agent inserted, deleted and moved, in groups, and brings it back.
///
/// What was deleted comes back as the same element, under the name that it had, unless somebody else deleted it too; what
/// was moved goes back, and what was set gets the value that it had, unless somebody has done the same to it since.
#[derive(Clone, Debug)]
pub struct ListUndo {
    groups: EventGroups,
    agent: Agent,
    /// By slot that the agent has deleted: the event that did; of its events up to this one.
    deleted: BTreeMap<u32, u32>,
    noted: u32,
    /// Its first event that can be taken back.
    #[cfg_attr(not(feature = "keys"), allow(dead_code))]
    begun: u32,
}

/// Where an element stood before a group, or which slot had its value.
#[derive(Clone, Copy, Debug, Default)]
struct Stood {
    slot: Option<u32>,
    /// The group has put it into a slot of its own.
    is_put: bool,
    /// It has put it there again: what it deletes by now is not what stood before.
    is_over: bool,
}

impl ListUndo {
    /// What the list's agent does from now on can be taken back.
    pub fn new<T: Element>(list: &List<T>) -> ListUndo {
        let seen = list.history.agents.events(list.agent);
        let (groups, agent) = (EventGroups::new(list.agent, seen), list.agent().clone());
        ListUndo { groups, agent, deleted: BTreeMap::new(), noted: seen, begun: seen }
    }

    /// Goes on in a list that was built again, in which the agent's events are the same but for the last ones, and others have
    /// come or gone.
    #[cfg(feature = "keys")]
    pub(crate) fn revive<T: Element>(&mut self, list: &mut List<T>) {
        list.set_agent(self.agent.clone());
        let now = self.events(list);
        self.groups.revive(list.agent, now);
        self.deleted.clear();
        self.noted = self.begun.min(now);
    }

    /// As [`Undo::end_group`](crate::Undo::end_group).
    pub fn end_group<T: Element>(&mut self, list: &List<T>) -> bool {
        self.groups.end(self.events(list))
    }

    fn events<T: Element>(&self, list: &List<T>) -> u32 {
        let agents = &list.history.agents;
        agents.find(&self.agent).map_or(0, |agent| agents.events(agent))
    }

    /// How many groups can be taken back, [`Undo::GROUPS`](crate::Undo::GROUPS) at most.
    pub fn len(&self) -> usize {
        self.groups.groups.len()
    }

    /// Whether none can be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Undo::undo`](crate::Undo::undo).
    ///
    /// # Errors
    /// If the history is full. Nothing changed.
    pub fn undo<T: Element>(&mut self, list: &mut List<T>) -> Result<bool, EditError> {
        self.turn(list, Way::Back)
    }

    /// As [`Undo::redo`](crate::Undo::redo).
    ///
    /// # Errors
    /// As [`ListUndo::undo`].
    pub fn redo<T: Element>(&mut self, list: &mut List<T>) -> Result<bool, EditError> {
        self.turn(list, Way::Forth)
    }

    fn turn<T: Element>(&mut self, list: &mut List<T>, way: Way) -> Result<bool, EditError> {
        let now = self.events(list);
        let Some(group) = self.groups.next(way, list.agent, now) else { return Ok(false) };
        self.invert(list, group)?;
        self.groups.turned(way, self.events(list));
        Ok(true)
    }

    /// Does the opposite of a group.
    fn invert<T: Element>(&mut self, list: &mut List<T>, group: Range<u32>) -> Result<(), EditError> {
        self.note_deletions(list);
        let events: Vec<u32> =
            group.filter_map(|seq| list.history.agents.local(self.groups.agent, seq)).collect();
        let Some(&start) = events.first() else { return Ok(()) };
        let by_group = |slot: u32| events.binary_search(&slot).is_ok();
        // Of each element that the group is about, the slot in which it stood before; and the one with its value.
        let mut before: BTreeMap<u32, Stood> = BTreeMap::new();
        let mut valued: BTreeMap<u32, Stood> = BTreeMap::new();
        for &event in &events {
            let slot = if list.inserts(event) { event } else { list.sequence.target_of(event) };
            let of = if let Some(Item::Set(..)) = list.item(slot) { &mut valued } else { &mut before };
            let stood = of.entry(list.element_in(slot)).or_default();
            if slot == event {
                stood.is_over |= std::mem::replace(&mut stood.is_put, true) || stood.slot.is_some();
            } else if !by_group(slot) && !stood.is_over {
                // Of several the one that was shown; in which order they were deleted depends on who tells it.
                let others = stood.slot.into_iter().chain([slot]);
                stood.slot = others.max_by(|&a, &b| list.history.agents.compare(a, b));
            }
        }
        let slots = |of: BTreeMap<u32, Stood>| of.into_iter().map(|(element, stood)| (element, stood.slot));
        let (before, mut valued): (Vec<_>, Vec<_>) = (slots(before).collect(), slots(valued).collect());
        let (mut away, mut back) = (Vec::new(), Vec::new());
        for (element, stood) in before {
            let now = list.shown_slot(element);
            away.extend(
                now.filter(|&slot| stood.is_none() || self.put(list, slot)).map(|slot| (slot, element)),
            );
            let Some(stood) = stood else { continue };
            // Elsewhere by another's doing, or gone by another's too, it stays there.
            let is_ours =
                now.map_or_else(|| list.sequence.deletions(stood) == 1, |slot| self.put(list, slot));
            back.extend(is_ours.then_some((stood, element)));
        }
        valued.retain(|&(element, _)| list.sets.of(element).last().is_some_and(|&slot| self.put(list, slot)));
        let slots: usize = away.iter().map(|&(_, element)| list.moves.live_of(element).max(1)).sum();
        let values: usize = valued.iter().map(|&(element, _)| list.sets.of(element).len() + 1).sum();
        list.room(slots + back.len() + values)?;
        // In an order that does not depend on who was heard of first.
        away.sort_unstable_by(|a, b| list.sequence.compare(a.0, b.0));
        for (_, element) in away {
            if let Some(slot) = list.shown_slot(element) {
                list.delete_slots(slot, 1);
            }
        }
        back.sort_unstable_by(|a, b| list.sequence.compare(a.0, b.0));
        for (stood, element) in back {
            let at = self.place_behind(list, stood, start);
            let id = list.name(element);
            list.put(at, Item::Moved(id));
        }
        valued.sort_unstable_by(|a, b| list.sequence.compare(a.0, b.0));
        for (element, stood) in valued {
            if let Some(value) = list.item(stood.unwrap_or(element)).and_then(Item::value).cloned() {
                list.put_value(element, 0, value);
            }
        }
        Ok(())
    }

    /// Where what stood in a slot is to stand again: behind the next one before it that stood there when the group began,
    /// and that is in the list.
    fn place_behind<T: Element>(&self, list: &List<T>, slot: u32, start: u32) -> u32 {
        for span in list.sequence.before(slot) {
            for other in (span.event..span.event + span.len).rev().filter(|&other| other < start) {
                // What sets an element stands nowhere.
                if let Some(Item::Set(..)) = list.item(other) {
                    continue;
                }
                let Some(now) = list.shown_slot(list.element_in(other)) else { continue };
                let since = self.deleted.get(&other).is_some_and(|&by| by >= start);
                if now == other || since && self.put(list, now) {
                    return list.sequence.place_of(now).0 + 1;
                }
            }
        }
        0
    }

    /// Whether it was the agent who put an element into a slot.
    fn put<T: Element>(&self, list: &List<T>, slot: u32) -> bool {
        list.history.agents.id(slot).0 == self.groups.agent
    }

    /// Takes note of what the agent has deleted since it was looked at last.
    fn note_deletions<T: Element>(&mut self, list: &List<T>) {
        let now = list.history.agents.events(self.groups.agent);
        let events = (self.noted..now).filter_map(|seq| list.history.agents.local(self.groups.agent, seq));
        let deletes = events.filter(|&event| !list.inserts(event));
        self.deleted.extend(deletes.map(|event| (list.sequence.target_of(event), event)));
        self.noted = now;
    }
}
