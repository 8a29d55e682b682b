//! The replicated list.

mod item;
mod moves;
mod sets;
mod told;
mod undo;
mod versions;
#[cfg(feature = "keys")]
mod within;

use std::ops::Range;

use crate::agent::{Agent, VersionVector};
use crate::encoding::{self, DecodeError};
use crate::history::{History, Limits, Version};
use crate::text::EditError;
use crate::walk::{Refused, Sequence};

pub(crate) use item::Item;
pub use item::{Element, ElementId};
use moves::Moves;
use sets::Sets;
use told::Told;
pub use undo::ListUndo;
#[cfg(feature = "keys")]
pub(crate) use within::SlotEdit;

/// A list that many agents edit at once, each on a replica of its own, and that merges without conflict. Elements are
/// inserted, deleted and moved, and set as a whole. What changes in parts stands elsewhere, under an element's
/// [`ElementId`].
///
/// It stands on the engine of [`Text`](crate::Text): one event graph, one walk, no interleaving of concurrent insertions.
/// An element that is moved by two at once ends up in one place, the same everywhere (Kleppmann, "Moving Elements in List
/// CRDTs", PaPoC 2020); one that is moved and deleted at once stays. Of values that are set at once one holds, the same
/// everywhere; who sets an element neither moves it nor keeps it.
///
/// A list that is open keeps, beside the elements, 8 bytes an event and 20 a run.
///
/// ```
/// use dsys_crdt::{Agent, List};
///
/// let mut ours: List<String> = List::new(Agent::new("anna")?);
/// ours.insert_all(0, ["milk", "eggs", "bread"].map(String::from))?;
/// let mut theirs: List<String> = List::load(&ours.save(), Agent::new("ben")?)?;
///
/// ours.move_to(2, 0)?;
/// theirs.move_to(2, 1)?;
/// theirs.delete(0..1)?;
/// ours.apply(&theirs.changes_since(&ours.version()))?;
/// theirs.apply(&ours.changes_since(&theirs.version()))?;
/// assert!(ours.iter().eq(theirs.iter()));
/// assert_eq!((ours.len(), ours.iter().filter(|each| *each == "bread").count()), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct List<T> {
    history: History<Vec<Item<T>>>,
    /// The slots, prepared at the present version. A slot that has lost against another of its element is hidden.
    sequence: Sequence,
    moves: Moves,
    sets: Sets,
    told: Told,
    agent: u32,
}

/// One place of a list where elements are taken away, then others put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEdit<T> {
    /// Where, in the list as it is before this edit and after those before it.
    pub at: usize,
    /// How many are taken away from there on.
    pub deleted: usize,
    /// What is put there.
    pub inserted: Vec<T>,
}

impl<T: Element> List<T> {
    /// An empty list that `agent` edits here.
    pub fn new(agent: Agent) -> List<T> {
        let mut history = History::default();
        let agent = history.agents.number(&agent);
        let (sequence, moves, sets, told) = Default::default();
        List { history, sequence, moves, sets, told, agent }
    }

    /// The agent to whom edits made here belong.
    pub fn agent(&self) -> &Agent {
        self.history.agents.name(self.agent)
    }

    /// From now on edits made here belong to `agent`.
    pub fn set_agent(&mut self, agent: Agent) {
        self.agent = self.history.agents.number(&agent);
    }

    /// The bounds on what others' changes may cost.
    pub fn limits(&self) -> Limits {
        self.history.limits
    }

    /// Sets other bounds.
    pub fn set_limits(&mut self, limits: Limits) {
        self.history.limits = limits;
    }

    /// Inserts an element before the one at `position`, or at the end if that is the length.
    ///
    /// # Errors
    /// If the position lies past the end, or the history is full. Nothing changed.
    pub fn insert(&mut self, position: usize, element: T) -> Result<(), EditError> {
        self.insert_all(position, [element])
    }

    /// Inserts elements before the one at `position`, or at the end if that is the length.
    ///
    /// # Errors
    /// As [`List::insert`].
    pub fn insert_all(
        &mut self,
        position: usize,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), EditError> {
        self.check(position)?;
        let items: Vec<_> = elements.into_iter().map(Item::New).collect();
        self.room(items.len())?;
        if !items.is_empty() {
            let at = self.slots_before(position as u32);
            self.history.push_local(self.agent, items.len() as u32);
            self.history.ops.insert(at, &items, items.len() as u32);
            self.go_on();
        }
        Ok(())
    }

    /// Deletes a range of elements; one that ends before it starts is empty.
    ///
    /// # Errors
    /// If the range ends past the end, or the history is full. Nothing changed.
    pub fn delete(&mut self, range: Range<usize>) -> Result<(), EditError> {
        self.check(range.end)?;
        let count = range.end.saturating_sub(range.start);
        let hidden = self.moves.live().saturating_sub(self.moves.elements());
        self.room(count + hidden)?;
        let end = self.len() - count;
        while self.len() > end {
            let Some(characters) = self.sequence.at(range.start as u32) else { break };
            let most = (self.len() - end) as u32;
            self.delete_slots(characters.event, characters.len.min(most));
        }
        Ok(())
    }

    /// Moves the element at `from` so that it stands at `to` afterwards.
    ///
    /// # Errors
    /// If one of them lies at the end or past it, or the history is full. Nothing changed.
    pub fn move_to(&mut self, from: usize, to: usize) -> Result<(), EditError> {
        let length = self.len();
        let Some(characters) = self.sequence.at(from.min(u32::MAX as usize) as u32).filter(|_| to < length)
        else {
            return Err(EditError::OutOfRange { position: from.max(to), length });
        };
        let element = self.element_in(characters.event);
        self.room(self.moves.live_of(element).max(1) + 1)?;
        if from != to {
            let id = self.name(element);
            self.delete_slots(characters.event, 1);
            self.put(to as u32, Item::Moved(id));
        }
        Ok(())
    }

    /// Gives the element at a position another value. It stays where it is, under the name that it has.
    ///
    /// # Errors
    /// If the position lies at the end or past it, or the history is full. Nothing changed.
    pub fn set(&mut self, position: usize, value: T) -> Result<(), EditError> {
        let length = self.len();
        let slot = self.sequence.at(position.min(u32::MAX as usize) as u32);
        let Some(element) = slot.map(|slot| self.element_in(slot.event)) else {
            return Err(EditError::OutOfRange { position, length });
        };
        self.room(self.sets.of(element).len() + 1)?;
        self.put_value(element, position as u32, value);
        Ok(())
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.sequence.shown() as usize
    }

    /// Whether there is no element. There may be a history.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a position.
    pub fn get(&self, position: usize) -> Option<&T> {
        self.value_in(self.sequence.at(u32::try_from(position).ok()?)?.event)
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let shown = self.sequence.characters().into_iter().filter(|each| !each.deleted);
        shown.flat_map(|each| self.values(each.event, each.event + each.len))
    }

    /// The name of the element at a position, which it keeps wherever it is moved.
    pub fn id(&self, position: usize) -> Option<ElementId> {
        let slot = self.sequence.at(u32::try_from(position).ok()?)?.event;
        Some(self.name(self.element_in(slot)))
    }

    /// Where the element of a name stands; none if it is deleted, or not known here.
    pub fn position(&self, id: &ElementId) -> Option<usize> {
        let slot = self.shown_slot(self.find(id)?)?;
        Some(self.sequence.place_of(slot).0 as usize)
    }

    /// The value of the element of a name, deleted by now or not.
    pub fn value(&self, id: &ElementId) -> Option<&T> {
        self.value_of(self.find(id)?)
    }

    /// What is known here: all events that the list includes.
    pub fn version(&self) -> VersionVector {
        self.history.agents.version()
    }

    /// How many events there are: elements inserted, deleted, and two for each move and nearly each value that is set.
    pub fn events(&self) -> usize {
        self.history.len() as usize
    }

    /// Everything, to be kept.
    pub fn save(&self) -> Vec<u8> {
        self.changes_since(&VersionVector::default())
    }

    /// Opens what [`List::save`] gave; edits made from now on belong to `agent`.
    ///
    /// # Errors
    /// As [`List::apply`].
    pub fn load(saved: &[u8], agent: Agent) -> Result<List<T>, DecodeError> {
        let mut list = List::new(agent);
        list.apply(saved)?;
        Ok(list)
    }

    /// What a replica at `version` lacks, for [`List::apply`] there.
    pub fn changes_since(&self, version: &VersionVector) -> Vec<u8> {
        encoding::changes(&self.history, version)
    }

    /// Merges changes that another replica made. What is known already is skipped. Gives how many events were new.
    ///
    /// # Errors
    /// If the changes are damaged, make no sense, or follow others that are not here; nothing is changed then.
    pub fn apply(&mut self, changes: &[u8]) -> Result<usize, DecodeError> {
        let before = self.events();
        self.merge(changes)?;
        Ok(self.events() - before)
    }

    /// As [`List::apply`], and gives the edits that it made, in order, so that a view can make them too. A move is an
    /// edit that takes away and one that puts back.
    ///
    /// # Errors
    /// As [`List::apply`].
    pub fn apply_edits(&mut self, changes: &[u8]) -> Result<Vec<ListEdit<T>>, DecodeError> {
        self.listen();
        let merged = self.merge(changes);
        let edits = self.take_told();
        self.told = Told::default();
        merged.map(|()| edits)
    }

    fn check(&self, position: usize) -> Result<(), EditError> {
        let length = self.len();
        if position > length { Err(EditError::OutOfRange { position, length }) } else { Ok(()) }
    }

    fn room(&self, events: usize) -> Result<(), EditError> {
        if self.history.has_room(events, events) { Ok(()) } else { Err(EditError::Full) }
    }

    /// Inserts one slot at a position.
    fn put(&mut self, position: u32, item: Item<T>) {
        let at = self.slots_before(position);
        self.history.push_local(self.agent, 1);
        self.history.ops.insert(at, &[item], 1);
        self.go_on();
    }

    /// Inserts the value of an element, in place of those that it has.
    fn put_value(&mut self, element: u32, position: u32, value: T) {
        let (old, id) = (self.sets.of(element).to_vec(), self.name(element));
        self.put(position, Item::Set(id, value));
        old.into_iter().rev().for_each(|slot| self.delete_run(slot, 1));
    }

    /// How many slots stand before what is inserted at a position, hidden ones too.
    fn slots_before(&self, position: u32) -> u32 {
        let left = position.checked_sub(1).and_then(|left| self.sequence.at(left));
        left.map_or(0, |left| self.sequence.prepared_before(left.event) + 1)
    }

    /// Deletes the elements in slots that are shown in a row, with all other slots of theirs.
    fn delete_slots(&mut self, first: u32, count: u32) {
        let mut others = Vec::new();
        for slot in (first..first + count).filter(|_| self.moves.elements() > 0) {
            others.extend(self.moves.slots(self.element_in(slot)).filter(|&other| other != slot));
        }
        self.delete_run(first, count);
        others.into_iter().for_each(|slot| self.delete_run(slot, 1));
    }

    fn delete_run(&mut self, first: u32, count: u32) {
        let at = self.sequence.prepared_before(first);
        self.history.push_local(self.agent, count);
        self.history.ops.delete(at, count);
        self.go_on();
    }

    /// Takes in what was done here, which follows everything.
    fn go_on(&mut self) {
        let done = self.walk();
        debug_assert_eq!(done, Ok(()), "our own edits are in range, and cost nothing");
        if done.is_err() {
            self.rebuild();
        }
    }

    fn merge(&mut self, changes: &[u8]) -> Result<(), DecodeError> {
        let heads = self.history.graph.heads().to_vec();
        let old = Version { len: self.history.len(), heads: &heads };
        if let Err(error) =
            encoding::append(&mut self.history, changes).and_then(|()| self.check_moves(old.len))
        {
            self.history.truncate(old);
            return Err(error);
        }
        if let Err(refused) = self.walk() {
            self.history.truncate(old);
            self.rebuild();
            return Err(refused.into());
        }
        Ok(())
    }

    /// Whether what was appended moves and sets elements that were there.
    fn check_moves(&self, old: u32) -> Result<(), DecodeError> {
        for op in self.history.ops.slices(old, self.history.len()) {
            for (item, slot) in self.history.ops.content(&op).iter().zip(op.start..) {
                let Some(id) = item.about() else { continue };
                let element = self.find(id).filter(|&element| element < slot).ok_or(DecodeError::Missing)?;
                if !matches!(self.item(element), Some(Item::New(_))) {
                    return Err(DecodeError::Malformed("what is moved or set is no element"));
                }
            }
        }
        Ok(())
    }

    /// Walks the events that are new, then hides and shows slots of elements that have several.
    fn walk(&mut self) -> Result<(), Refused> {
        let mut told = std::mem::take(&mut self.told);
        let known = told.len();
        let walked = self.walk_telling(&mut told);
        if walked.is_err() {
            told.truncate(known);
        }
        self.told = told;
        walked
    }

    fn walk_telling(&mut self, told: &mut Told) -> Result<(), Refused> {
        let old = self.sequence.events();
        self.sequence.update(&self.history, told)?;
        self.sequence.prepare(&self.history, self.history.graph.heads())?;
        let mut touched = Vec::new();
        for op in self.history.ops.slices(old, self.history.len()) {
            if op.inserts() {
                for (item, slot) in self.history.ops.content(&op).iter().zip(op.start..) {
                    let Some(element) = item.about().and_then(|id| self.find(id)) else { continue };
                    match item {
                        Item::Set(..) => self.sets.add(element, slot),
                        _ => self.moves.add(element, slot),
                    }
                    touched.push(element);
                }
            } else if self.moves.elements() > 0 || !self.sets.is_empty() {
                let targets = (op.start..op.start + op.len).map(|event| self.sequence.target_of(event));
                touched.extend(targets.map(|slot| self.element_in(slot)));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for element in touched {
            self.moves.settle(element, &mut self.sequence, &self.history.agents, told);
            if self.sets.settle(element, &mut self.sequence, &self.history.agents, told)
                && let Some(slot) = self.shown_slot(element)
            {
                let at = self.sequence.place_of(slot).0;
                told.flip(at, slot, false);
                told.flip(at, slot, true);
            }
            // Slots of one element are concurrent, or somebody made them with malice.
            let live = self.moves.live_of(element).max(self.sets.of(element).len());
            if live > self.history.limits.branches as usize {
                return Err(Refused::Limit("branches"));
            }
        }
        Ok(())
    }

    /// Walks everything again, which was allowed once.
    fn rebuild(&mut self) {
        let limits = self.history.limits;
        self.history.limits =
            Limits { branches: u32::MAX, events_in_walk: u32::MAX, steps_per_edit: u32::MAX };
        (self.sequence, self.moves, self.sets) = Default::default();
        let done = self.walk_telling(&mut Told::default());
        debug_assert_eq!(done, Ok(()), "it was walked before");
        self.history.limits = limits;
    }

    fn item(&self, slot: u32) -> Option<&Item<T>> {
        let op = self.history.ops.slices(slot, slot + 1).next()?;
        self.history.ops.content(&op).first()
    }

    /// Whether an event inserts a slot.
    fn inserts(&self, event: u32) -> bool {
        self.history.ops.slices(event, event + 1).next().is_some_and(|op| op.inserts())
    }

    /// The slot in which an element is shown.
    fn shown_slot(&self, element: u32) -> Option<u32> {
        self.moves.slots(element).find(|&slot| self.sequence.place_of(slot).1)
    }

    /// The element that stands in a slot, by the event that inserted it.
    fn element_in(&self, slot: u32) -> u32 {
        self.item(slot).and_then(Item::about).and_then(|id| self.find(id)).unwrap_or(slot)
    }

    fn value_in(&self, slot: u32) -> Option<&T> {
        self.value_of(self.element_in(slot))
    }

    /// The value of an element.
    fn value_of(&self, element: u32) -> Option<&T> {
        self.item(self.valued_by(element))?.value()
    }

    /// The event that gave an element its value.
    fn valued_by(&self, element: u32) -> u32 {
        self.sets.of(element).last().copied().unwrap_or(element)
    }

    /// What stands in the slots of some events that insert.
    fn values(&self, from: u32, to: u32) -> impl Iterator<Item = &T> {
        let ops = self.history.ops.slices(from, to);
        let items = ops.flat_map(|op| self.history.ops.content(&op).iter().zip(op.start..));
        items.filter_map(|(item, slot)| match item {
            Item::New(value) if self.sets.is_empty() => Some(value),
            _ => self.value_in(slot),
        })
    }

    fn name(&self, event: u32) -> ElementId {
        let (agent, seq) = self.history.agents.id(event);
        ElementId { agent: self.history.agents.name(agent).clone(), seq }
    }

    fn find(&self, id: &ElementId) -> Option<u32> {
        self.history.agents.local(self.history.agents.find(&id.agent)?, id.seq)
    }
}

#[cfg(test)]
impl<T: Element> List<T> {
    /// Puts an element into one more slot, and leaves the others.
    pub(crate) fn forge(&mut self, id: &ElementId) {
        self.history.push_local(self.agent, 1);
        self.history.ops.insert(0, &[Item::Moved(id.clone())], 1);
    }
}
