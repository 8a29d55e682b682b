//! The list agrees with its plain definition: the slots are the plain list's, and an element stands in the greatest of
//! those that nobody has deleted.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::plain::{Edit, Event, Plain};
use crate::{Agent, DecodeError, ElementId, List, ListEdit};

const REPLICAS: usize = 4;

fn agent(at: usize) -> Agent {
    Agent::new(format!("{at}")).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize, usize),
    Delete(usize, usize, usize),
    Move(usize, usize, usize),
    Set(usize, usize),
    Hear(usize, usize),
    Reopen(usize),
    /// Hears changes of which one byte was altered.
    Damage(usize, usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, at) = (0..REPLICAS, 0usize..500);
    // Few elements are moved and deleted, so that they meet.
    let few = 0usize..4;
    let step = prop_oneof![
        2 => (who.clone(), at.clone(), 1usize..4).prop_map(|(who, at, len)| Step::Insert(who, at, len)),
        2 => (who.clone(), few.clone(), 1usize..3).prop_map(|(who, at, len)| Step::Delete(who, at, len)),
        6 => (who.clone(), few.clone(), at.clone()).prop_map(|(who, from, to)| Step::Move(who, from, to)),
        3 => (who.clone(), few).prop_map(|(who, at)| Step::Set(who, at)),
        5 => (who.clone(), who.clone()).prop_map(|(who, from)| Step::Hear(who, from)),
        1 => who.clone().prop_map(Step::Reopen),
        1 => (who, at.clone(), at).prop_map(|(who, at, with)| Step::Damage(who, at, with)),
    ];
    prop::collection::vec(step, 1..60)
}

struct World {
    lists: Vec<List<u32>>,
    views: Vec<Vec<u32>>,
    plain: Plain,
    known: Vec<Vec<bool>>,
    /// By event that inserts: the element that stands there, by the event that inserted it first.
    element: BTreeMap<usize, usize>,
    /// By event that sets an element: the element.
    sets: BTreeMap<usize, usize>,
}

impl World {
    fn new() -> World {
        World {
            lists: (0..REPLICAS).map(|at| List::new(agent(at))).collect(),
            views: vec![Vec::new(); REPLICAS],
            plain: Plain::default(),
            known: vec![Vec::new(); REPLICAS],
            element: BTreeMap::new(),
            sets: BTreeMap::new(),
        }
    }

    /// The slots that stand at a replica, each with whether its element is shown there.
    fn slots(&self, who: usize) -> Vec<(usize, bool)> {
        let slots = self.plain.events_at(&self.known[who]);
        let rank = |slot: usize| (self.plain.events[slot].name.clone(), slot);
        let shown = |slot: usize| {
            let element = self.element.get(&slot);
            let rivals = slots.iter().filter(|other| self.element.get(other) == element);
            element.is_some() && rivals.copied().all(|other| rank(other) <= rank(slot))
        };
        slots.iter().map(|&slot| (slot, shown(slot))).collect()
    }

    /// The slots at a replica that set an element, the greatest last.
    fn sets(&self, who: usize, element: usize) -> Vec<usize> {
        let mut slots = self.plain.events_at(&self.known[who]);
        slots.retain(|slot| self.sets.get(slot) == Some(&element));
        slots.sort_by_key(|&slot| (self.plain.events[slot].name.clone(), slot));
        slots
    }

    fn shown(&self, who: usize) -> Vec<u32> {
        let slots = self.slots(who).into_iter().filter(|slot| slot.1);
        let value = |element| self.sets(who, element).last().copied().unwrap_or(element);
        slots.map(|(slot, _)| value(self.element[&slot]) as u32).collect()
    }

    fn push(&mut self, who: usize, edit: Edit) -> usize {
        let event = self.plain.events.len();
        self.plain.push(Event { name: format!("{who}"), known: self.known[who].clone(), edit });
        self.known.iter_mut().enumerate().for_each(|(at, known)| known.push(at == who));
        event
    }

    /// How many slots stand before what is inserted at a position.
    fn slots_before(&self, who: usize, position: usize) -> usize {
        let slots = self.slots(who);
        let shown: Vec<usize> = (0..slots.len()).filter(|&at| slots[at].1).collect();
        position.checked_sub(1).map_or(0, |left| shown[left] + 1)
    }

    /// Deletes all slots of the element at a position; gives the element.
    fn delete(&mut self, who: usize, position: usize) -> usize {
        let slot = self.slots(who).into_iter().filter(|slot| slot.1).nth(position).unwrap().0;
        let element = self.element[&slot];
        while let Some(at) =
            self.slots(who).iter().position(|(slot, _)| self.element.get(slot) == Some(&element))
        {
            self.push(who, Edit::Delete(at));
        }
        element
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Insert(who, at, len) => {
                let at = at % (self.lists[who].len() + 1);
                let first = self.plain.events.len();
                let new = first as u32..(first + len) as u32;
                self.lists[who].insert_all(at, new).unwrap();
                let at = self.slots_before(who, at);
                for i in 0..len {
                    let event = self.push(who, Edit::Insert(at + i, 'x'));
                    self.element.insert(event, event);
                }
            }
            Step::Delete(who, at, len) => {
                let length = self.lists[who].len();
                let at = at % (length + 1);
                let end = (at + len).min(length);
                self.lists[who].delete(at..end).unwrap();
                for _ in at..end {
                    self.delete(who, at);
                }
            }
            Step::Move(who, from, to) if !self.lists[who].is_empty() => {
                let (from, to) = (from % self.lists[who].len(), to % self.lists[who].len());
                let id = self.lists[who].id(from);
                self.lists[who].move_to(from, to).unwrap();
                assert_eq!(self.lists[who].id(to), id);
                if from != to {
                    let element = self.delete(who, from);
                    let event = self.push(who, Edit::Insert(self.slots_before(who, to), 'x'));
                    self.element.insert(event, element);
                }
            }
            Step::Set(who, at) if !self.lists[who].is_empty() => {
                let at = at % self.lists[who].len();
                let slot = self.slots(who).into_iter().filter(|slot| slot.1).nth(at).unwrap().0;
                let element = self.element[&slot];
                while let Some(&slot) = self.sets(who, element).last() {
                    let at = self.slots(who).iter().position(|other| other.0 == slot).unwrap();
                    self.push(who, Edit::Delete(at));
                }
                let event = self.push(who, Edit::Insert(self.slots_before(who, at), 'x'));
                self.sets.insert(event, element);
                self.lists[who].set(at, event as u32).unwrap();
            }
            Step::Hear(who, from) => {
                let changes = self.lists[from].changes_since(&self.lists[who].version());
                for ListEdit { at, deleted, inserted } in self.lists[who].apply_edits(&changes).unwrap() {
                    self.views[who].splice(at..at + deleted, inserted);
                }
                let heard = self.known[from].clone();
                self.known[who].iter_mut().zip(heard).for_each(|(ours, theirs)| *ours |= theirs);
            }
            Step::Reopen(who) => {
                let list = &mut self.lists[who];
                *list = List::<u32>::load(&list.save(), list.agent().clone()).unwrap();
            }
            Step::Damage(who, at, with) => {
                let mut changes = self.lists[who].save();
                let body = changes.len() - 4;
                changes[8 + at % (body - 8)] ^= (with % 255) as u8 + 1;
                let checksum = crc32fast::hash(&changes[..body]).to_le_bytes();
                changes[body..].copy_from_slice(&checksum);
                for other in 0..REPLICAS {
                    let mut copy = self.lists[other].clone();
                    if copy.apply(&changes).is_ok() {
                        let again = List::<u32>::load(&copy.save(), agent(9)).unwrap();
                        assert!(again.iter().eq(copy.iter()));
                    } else {
                        assert_eq!(copy.version(), self.lists[other].version());
                        assert!(copy.iter().eq(self.lists[other].iter()));
                        copy.insert(0, 7).unwrap();
                    }
                }
                return;
            }
            Step::Move(..) | Step::Set(..) => {}
        }
        if let Step::Insert(who, ..) | Step::Delete(who, ..) | Step::Move(who, ..) | Step::Set(who, _) = step
        {
            self.views[who] = self.lists[who].iter().copied().collect();
        }
        for who in 0..REPLICAS {
            assert_eq!(self.lists[who].iter().copied().collect::<Vec<_>>(), self.shown(who));
            assert_eq!(self.views[who], self.shown(who));
        }
    }
}

proptest! {
    #[test]
    fn a_list_is_what_its_plain_definition_says(steps in steps()) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.run(step));
        for at in 0..2 * REPLICAS * REPLICAS {
            world.run(Step::Hear(at / REPLICAS % REPLICAS, at % REPLICAS));
        }
        let first = &world.lists[0];
        for list in &world.lists {
            prop_assert!(list.iter().eq(first.iter()));
            for at in 0..list.len() {
                let id = list.id(at).unwrap();
                prop_assert!(first.id(at).is_some_and(|first| first == id));
                prop_assert_eq!((list.position(&id), list.value(&id)), (Some(at), list.get(at)));
            }
            prop_assert_eq!(list.get(list.len()), None);
        }
    }
}

fn three() -> List<u32> {
    let mut list = List::new(agent(0));
    list.insert_all(0, [1, 2, 3]).unwrap();
    list
}

#[test]
fn an_element_that_is_set_may_be_moved_and_deleted_at_once() {
    let (mut a, mut b) = (three(), List::<u32>::load(&three().save(), agent(1)).unwrap());
    let now = a.version();
    a.set(0, 10).unwrap();
    a.set(0, 11).unwrap();
    a.set(1, 20).unwrap();
    a.set(2, 30).unwrap();
    b.set(1, 21).unwrap();
    b.move_to(0, 2).unwrap();
    b.delete(1..2).unwrap();
    let edits = a.apply_edits(&b.changes_since(&now)).unwrap();
    b.apply(&a.changes_since(&now)).unwrap();
    assert!(a.iter().eq(&[21, 11]) && b.iter().eq(a.iter()));
    let mut view = vec![11, 20, 30];
    edits.into_iter().for_each(|edit| drop(view.splice(edit.at..edit.at + edit.deleted, edit.inserted)));
    assert_eq!(view, [21, 11]);
}

/// The three cases that the paper is about, and who wins.
#[test]
fn concurrent_moves_neither_double_nor_lose() {
    let (mut a, mut b) = (three(), List::<u32>::load(&three().save(), agent(1)).unwrap());
    let now = a.version();
    a.move_to(0, 2).unwrap();
    b.move_to(0, 1).unwrap();
    b.delete(2..3).unwrap();
    let (ours, theirs) = (a.changes_since(&now), b.changes_since(&now));
    a.apply(&theirs).unwrap();
    b.apply(&ours).unwrap();
    assert!(a.iter().eq(&[2, 1]) && b.iter().eq(a.iter()));
    // Deleted by one and moved by another at once, it stays; deleted by one who knows, all of it goes.
    let now = a.version();
    a.delete(0..1).unwrap();
    b.move_to(0, 1).unwrap();
    a.apply(&b.changes_since(&now)).unwrap();
    assert!(a.iter().eq(&[1, 2]));
    a.delete(0..2).unwrap();
    b.apply(&a.changes_since(&b.version())).unwrap();
    assert_eq!((a.len(), b.len()), (0, 0));
}

#[test]
fn what_moves_nothing_is_refused() {
    let (a, mut b) = (three(), three());
    let first = a.id(0).unwrap();
    // Slots of an element that nobody knows, and of one that is a slot itself.
    let unknown = ElementId { agent: agent(7), seq: 0 };
    for (id, error) in [
        (unknown, DecodeError::Missing),
        (ElementId { agent: agent(1), seq: 0 }, DecodeError::Malformed("what is moved or set is no element")),
    ] {
        let mut forged = List::<u32>::load(&a.save(), agent(1)).unwrap();
        forged.forge(&first);
        forged.forge(&id);
        assert_eq!(b.apply(&forged.save()), Err(error));
        assert!(b.iter().eq(a.iter()));
    }
    b.insert(0, 0).unwrap();
    assert_eq!(b.len(), 4);
}

#[test]
fn one_element_in_too_many_places_is_refused() {
    let mut forged = List::<u32>::load(&three().save(), agent(1)).unwrap();
    let first = forged.id(0).unwrap();
    (0..20).for_each(|_| forged.forge(&first));
    let mut list = three();
    let mut limits = list.limits();
    limits.branches = 20;
    list.set_limits(limits);
    assert_eq!(list.apply(&forged.save()), Err(DecodeError::Limit("branches")));
    assert!(list.iter().eq(&[1, 2, 3]));
    limits.branches = 21;
    list.set_limits(limits);
    list.apply(&forged.save()).unwrap();
    assert_eq!(list.len(), 3);
}

#[test]
fn positions_past_the_end_are_refused() {
    let mut list = three();
    assert!(list.insert(4, 0).is_err() && list.delete(2..4).is_err());
    assert!(
        list.move_to(3, 0).is_err()
            && list.move_to(0, 3).is_err()
            && list.move_to(usize::MAX, 0).is_err()
            && list.set(3, 0).is_err()
    );
    assert_eq!((list.get(usize::MAX), list.events()), (None, 3));
    let text = crate::Text::new(agent(0)).changes_since(&Default::default()).unwrap();
    assert_eq!(list.apply(&text), Err(DecodeError::NotText));
}

/// The bytes of version 1. If this fails, the format changed: it wants another version.
#[test]
fn golden_bytes() {
    let mut list = List::new(Agent::new("a").unwrap());
    list.insert_all(0, ["milk".to_string(), String::new()]).unwrap();
    list.move_to(1, 0).unwrap();
    let moved: String = list.save().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(moved, GOLDEN);
    list.set(1, "oat milk".into()).unwrap();
    let hex: String = list.save().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN_SET);
}

const GOLDEN: &str =
    "647379736c7374010002016101000b0a056d696c6b01000161010302000403020000050403020706000ddeae0a";
const GOLDEN_SET: &str = "647379736c7374010002016101001918056d696c6b01000161010000016100086f6174206d696c6b03020005030200\
    000605030207090200e44cda69";
