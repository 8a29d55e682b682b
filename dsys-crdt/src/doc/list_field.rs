//! A list within a document: a [`List`] whose history takes its parents from the changes.
//!
//! An element is an [`Entry`], and named in changes by the stamp of the operation that inserted it; what is set in its place has
//! an entry of its own, under the element's name. Which slot of the list that is, [`ListField`] knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::{Entry, resolve};
use super::events::{Events, SavedEvents};
use super::op::{ListOp, Name, Op};
use crate::change::graph::Graph;
use crate::list::{Element, Item, SlotEdit};
use crate::types::Stamp;
use crate::{Agent, List, ListEdit};

#[derive(Clone, Debug)]
pub(super) struct ListField {
    pub(super) list: List<Entry>,
    /// By the stamp of an entry: the event that put it into the list first.
    slots: BTreeMap<Stamp, u32>,
    events: Events,
}

impl ListField {
    pub(super) fn new(agent: Agent) -> ListField {
        ListField { list: List::within(agent), slots: BTreeMap::new(), events: Events::default() }
    }

    /// Nobody is told of what was done up to now.
    pub(super) fn tell_nobody(&mut self) {
        self.list.listen();
    }

    /// The edits that nobody was told of yet.
    pub(super) fn take_told(&mut self) -> Vec<ListEdit<Entry>> {
        self.list.take_told()
    }

    /// Where an entry is shown.
    pub(super) fn index_of(&self, stamp: &Stamp) -> Option<usize> {
        self.list.index_of(*self.slots.get(stamp)?, |entry| entry.stamp == *stamp)
    }

    /// The event of the entry that an operation names, among those that its author had seen.
    fn slot(
        &self,
        name: Name,
        agents: &[Agent],
        here: &dyn Fn(u32) -> Stamp,
        sees: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        let entry = |stamp: &Stamp| self.list.slot(*self.slots.get(stamp)?)?.1;
        let known = |stamp: &Stamp| entry(stamp).is_some_and(|entry| sees(entry.by));
        let stamp = match name {
            Name::Root => None,
            Name::Here(at) => Some(here(at)).filter(known),
            Name::Other(agent, time) => resolve(agents.get(agent as usize)?, time, known, |from| {
                let later = self.slots.range(from..).map(|(stamp, _)| stamp);
                later.take_while(|stamp| stamp.time == time).cloned().collect()
            }),
        };
        self.slots.get(&stamp?).copied()
    }

    /// Appends what an operation does, to be shown by [`ListField::show`]. None if it names what its author had not seen, or
    /// what is no element, or the history is full. Gives whether it brought a new entry, of this stamp.
    pub(super) fn push(
        &mut self,
        graph: &Graph,
        (number, own, stamp): (u32, &Agent, Stamp),
        (at, op): (u32, ListOp),
        agents: &[Agent],
        here: &dyn Fn(u32) -> Stamp,
    ) -> Option<bool> {
        let sees = |by: u32| graph.has_seen(number, by);
        let named = |name: Name| self.slot(name, agents, here, &sees);
        // An element is what its own slot says.
        let element = |name| named(name).filter(|&slot| self.list.slot(slot).is_some_and(|it| it.0 == slot));
        let id = |name| element(name).map(|element| self.list.element_name(element));
        let entry = |item| Entry { stamp: stamp.clone(), by: number, item };
        let is_new = matches!(op, ListOp::Insert(_) | ListOp::Set(..));
        let edit = match op {
            ListOp::Delete(count) => SlotEdit::Delete(at, count),
            ListOp::Insert(item) => SlotEdit::Insert(at, Item::New(entry(item))),
            ListOp::Move(it) => SlotEdit::Insert(at, Item::Moved(id(it)?)),
            ListOp::Set(it, item) => SlotEdit::Insert(at, Item::Set(id(it)?, entry(item))),
            ListOp::SetAgain(it, value) => {
                let (of, value) = self.list.slot(named(value)?)?;
                let value = value.filter(|_| element(it) == Some(of))?.clone();
                SlotEdit::Insert(at, Item::Set(id(it)?, value))
            }
        };
        let parents = self.events.version(graph, number);
        let last = self.list.append(own, &parents, edit)?;
        self.events.note(graph, number, last);
        if is_new {
            self.slots.insert(stamp, last);
        }
        Some(is_new)
    }

    /// Whether all that was pushed lies within the list as its author saw it.
    pub(super) fn makes_sense(&self) -> bool {
        self.list.makes_sense()
    }

    /// Shows what was pushed, which makes sense.
    pub(super) fn show(&mut self) {
        self.list.show();
    }

    /// Forgets what was pushed and not shown; the entries by [`ListField::drop_entry`].
    pub(super) fn forget(&mut self) {
        self.list.forget();
        self.events.truncate(self.list.shown());
    }

    /// Forgets an entry that was pushed.
    pub(super) fn drop_entry(&mut self, stamp: &Stamp) {
        self.slots.remove(stamp);
    }

    /// Notes that the events from one on are a change's, made here and shown already.
    pub(super) fn note(&mut self, graph: &Graph, change: u32) {
        if let Some(last) = self.list.shown().checked_sub(1) {
            self.events.note(graph, change, last);
        }
    }

    /// What the events from one on, made here, are as operations on the list `at`. Among them there is one new entry at most.
    pub(super) fn ops(
        &mut self,
        from: u32,
        at: Name,
        new: &Stamp,
        name: &mut dyn FnMut(&Stamp) -> Name,
    ) -> Vec<Op> {
        let mut ops = Vec::new();
        for (event, edit) in self.list.since(from) {
            let element = |id| self.list.slot(self.list.event_of(id)?)?.1.map(|entry| &entry.stamp);
            let (slot, op) = match edit {
                SlotEdit::Delete(slot, count) => (slot, Some(ListOp::Delete(count))),
                SlotEdit::Insert(slot, item) => {
                    let is_new = item.value().is_some_and(|entry| entry.stamp == *new);
                    if is_new {
                        self.slots.insert(new.clone(), event);
                    }
                    let op = match item {
                        Item::New(entry) => Some(ListOp::Insert(entry.item)),
                        Item::Moved(id) => element(&id).map(|it| ListOp::Move(name(it))),
                        Item::Set(id, entry) => element(&id).map(|it| match is_new {
                            true => ListOp::Set(name(it), entry.item),
                            false => ListOp::SetAgain(name(it), name(&entry.stamp)),
                        }),
                    };
                    (slot, op)
                }
            };
            ops.extend(op.map(|op| Op::List(at, slot, op)));
        }
        ops
    }
}

/// A list as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedList {
    agent: Agent,
    file: Vec<u8>,
    events: SavedEvents,
}

impl ListField {
    pub(super) fn save(&self) -> SavedList {
        let (agent, file) = (self.list.agent().clone(), self.list.save());
        SavedList { agent, file, events: self.events.save() }
    }
}

impl SavedList {
    /// None if the file is damaged.
    pub(super) fn load(self) -> Option<ListField> {
        let mut field = ListField::new(self.agent);
        field.list.apply(&self.file).ok()?;
        field.tell_nobody();
        field.events = self.events.load();
        // An entry may come back: the first event is the one that brought it.
        for (event, entry) in field.list.all_values() {
            field.slots.entry(entry.stamp.clone()).or_insert(event);
        }
        Some(field)
    }
}

impl Element for Entry {
    fn write(&self, to: &mut Vec<u8>) {
        // Writing to memory fails only for types that postcard does not know.
        to.extend(postcard::to_allocvec(self).unwrap_or_default());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}
