//! A list within a document: its events come one by one with the parents that the document gives them, and are looked at
//! before any is shown.

use super::{Element, ElementId, Item, List};
use crate::agent::Agent;
use crate::history::{Kind, Limits, MAX_EVENTS, Version};
use crate::walk::{self, Nowhere};

/// What one operation does to the slots that its author saw.
#[derive(Clone, Debug)]
pub(crate) enum SlotEdit<T> {
    Insert(u32, Item<T>),
    /// So many from a place on.
    Delete(u32, u32),
}

impl<T: Element> List<T> {
    /// An empty list, whose edits are told. What makes sense must not depend on what else comes with it, or replicas would
    /// decide differently; so there are no limits. Who may write is the policy's business.
    pub(crate) fn within(agent: Agent) -> List<T> {
        let mut list = List::new(agent);
        list.set_limits(Limits { branches: u32::MAX, events_in_walk: u32::MAX, steps_per_edit: u32::MAX });
        list.listen();
        list
    }

    /// Appends what an agent did where it saw the events up to `parents`, to be shown by [`List::show`]; gives the last
    /// event. None if the history is full, or it does nothing, or lies beyond any list.
    pub(crate) fn append(&mut self, agent: &Agent, parents: &[u32], edit: SlotEdit<T>) -> Option<u32> {
        let history = &mut self.history;
        let (at, events) = match edit {
            SlotEdit::Insert(at, _) => (at, 1),
            SlotEdit::Delete(at, count) => (at, count),
        };
        let end = at as usize + events as usize;
        if events == 0 || end > MAX_EVENTS as usize || !history.has_room(events as usize, 1) {
            return None;
        }
        let agent = history.agents.number(agent);
        history.agents.push(agent, history.len(), events);
        history.graph.push(parents, events);
        match edit {
            SlotEdit::Insert(at, item) => history.ops.push_run(Kind::Insert, at, 1, &[item]),
            SlotEdit::Delete(at, count) => history.ops.push_run(Kind::Delete, at, count, &[]),
        }
        history.len().checked_sub(1)
    }

    /// So many events are shown.
    pub(crate) fn shown(&self) -> u32 {
        self.sequence.events()
    }

    /// Whether all that was appended lies within the list as its author saw it.
    pub(crate) fn makes_sense(&self) -> bool {
        let shown = Version { len: self.shown(), heads: self.sequence.heads() };
        walk::walk(&self.history, shown, self.sequence.prepared(), &mut Nowhere).is_ok()
    }

    /// Shows what was appended, which makes sense.
    pub(crate) fn show(&mut self) {
        self.go_on();
    }

    /// Forgets what was appended and not shown.
    pub(crate) fn forget(&mut self) {
        let heads = self.sequence.heads().to_vec();
        self.history.truncate(Version { len: self.shown(), heads: &heads });
    }

    /// The event that inserted the element which a slot is about, and the slot's own value if it has one.
    pub(crate) fn slot(&self, slot: u32) -> Option<(u32, Option<&T>)> {
        Some((self.element_in(slot), self.item(slot)?.value()))
    }

    /// Where the element whose value a slot has is shown, if that is its value still.
    pub(crate) fn index_of(&self, slot: u32, is_it: impl Fn(&T) -> bool) -> Option<usize> {
        let element = self.element_in(slot);
        self.value_of(element).filter(|value| is_it(value))?;
        Some(self.sequence.place_of(self.shown_slot(element)?).0 as usize)
    }

    /// The name of the element that an event inserted.
    pub(crate) fn element_name(&self, element: u32) -> ElementId {
        self.name(element)
    }

    /// The event of a name.
    pub(crate) fn event_of(&self, id: &ElementId) -> Option<u32> {
        self.find(id)
    }

    /// What the events from one on did, in order: runs of deletions, and slots with the events that inserted them.
    pub(crate) fn since(&self, from: u32) -> Vec<(u32, SlotEdit<T>)> {
        let mut edits = Vec::new();
        for op in self.history.ops.slices(from, self.history.len()).filter(|op| op.len > 0) {
            if op.inserts() {
                let items = self.history.ops.content(&op).iter().cloned();
                edits.extend(
                    items
                        .zip(op.start..)
                        .zip(op.at..)
                        .map(|((item, event), at)| (event, SlotEdit::Insert(at, item))),
                );
            } else {
                edits.push((op.start, SlotEdit::Delete(op.low(), op.len)));
            }
        }
        edits
    }

    /// All values with the events that gave them, those that no element has any more too.
    pub(crate) fn all_values(&self) -> impl Iterator<Item = (u32, &T)> {
        let ops = self.history.ops.slices(0, self.history.len());
        let items = ops.flat_map(|op| self.history.ops.content(&op).iter().zip(op.start..));
        items.filter_map(|(item, event)| Some((event, item.value()?)))
    }
}
