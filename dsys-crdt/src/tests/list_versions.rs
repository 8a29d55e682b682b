//! Lists at older versions, and what their authors take back.

use proptest::prelude::*;

use crate::{Agent, List, ListEdit, ListUndo, VersionError, VersionVector};

const REPLICAS: usize = 3;

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
    Undo(usize),
    Redo(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, at) = (0..REPLICAS, 0usize..12);
    let step = prop_oneof![
        3 => (who.clone(), at.clone(), 1usize..4).prop_map(|(who, at, len)| Step::Insert(who, at, len)),
        2 => (who.clone(), at.clone(), 1usize..4).prop_map(|(who, at, len)| Step::Delete(who, at, len)),
        3 => (who.clone(), at.clone(), at.clone()).prop_map(|(who, from, to)| Step::Move(who, from, to)),
        2 => (who.clone(), at).prop_map(|(who, at)| Step::Set(who, at)),
        3 => (who.clone(), who.clone()).prop_map(|(who, from)| Step::Hear(who, from)),
        2 => who.clone().prop_map(Step::Undo),
        1 => who.prop_map(Step::Redo),
    ];
    prop::collection::vec(step, 1..50)
}

struct World {
    lists: Vec<List<u32>>,
    undos: Vec<ListUndo>,
    /// No two elements have the same value.
    next: u32,
}

impl World {
    fn new() -> World {
        let lists: Vec<List<u32>> = (0..REPLICAS).map(|at| List::new(agent(at))).collect();
        World { undos: lists.iter().map(ListUndo::new).collect(), lists, next: 0 }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Insert(who, at, len) => {
                let list = &mut self.lists[who];
                let at = at % (list.len() + 1);
                list.insert_all(at, self.next..self.next + len as u32).unwrap();
                self.next += len as u32;
            }
            Step::Delete(who, at, len) => {
                let list = &mut self.lists[who];
                let at = at % (list.len() + 1);
                list.delete(at..(at + len).min(list.len())).unwrap();
            }
            Step::Move(who, from, to) if !self.lists[who].is_empty() => {
                let length = self.lists[who].len();
                self.lists[who].move_to(from % length, to % length).unwrap();
            }
            Step::Set(who, at) if !self.lists[who].is_empty() => {
                let at = at % self.lists[who].len();
                let id = self.lists[who].id(at);
                self.lists[who].set(at, self.next).unwrap();
                assert_eq!((self.lists[who].id(at), self.lists[who].get(at)), (id, Some(&self.next)));
                self.next += 1;
            }
            Step::Hear(who, from) => {
                self.undos[who].end_group(&self.lists[who]);
                let changes = self.lists[from].changes_since(&self.lists[who].version());
                self.lists[who].apply(&changes).unwrap();
            }
            Step::Undo(who) => drop(self.undos[who].undo(&mut self.lists[who]).unwrap()),
            Step::Redo(who) => drop(self.undos[who].redo(&mut self.lists[who]).unwrap()),
            Step::Move(..) | Step::Set(..) => {}
        }
        for list in &self.lists {
            let mut all = content(list);
            all.sort_unstable();
            let count = all.len();
            all.dedup();
            assert_eq!(all.len(), count, "an element stands in two places");
        }
    }
}

fn content(list: &List<u32>) -> Vec<u32> {
    list.iter().copied().collect()
}

proptest! {
    #[test]
    fn branches_and_diffs_lead_to_every_version(steps in steps()) {
        let mut world = World::new();
        let mut seen: Vec<(VersionVector, Vec<u32>)> = Vec::new();
        for (count, step) in steps.iter().enumerate() {
            world.run(step);
            if count % 4 == 0 {
                seen.extend(world.lists.iter().map(|list| (list.version(), content(list))));
            }
        }
        for at in 0..2 * REPLICAS * REPLICAS {
            world.run(&Step::Hear(at / REPLICAS % REPLICAS, at % REPLICAS));
        }
        let all = &world.lists[0];
        prop_assert!(world.lists.iter().all(|list| content(list) == content(all)));
        for (version, then) in &seen {
            let mut branch = all.branch(version, agent(9)).unwrap();
            prop_assert_eq!(&content(&branch), then);
            // What is done there is merged as anything else.
            branch.insert(0, u32::MAX).unwrap();
            let mut merged = all.clone();
            merged.apply(&branch.changes_since(&merged.version())).unwrap();
            prop_assert!(content(&merged).contains(&u32::MAX) && merged.len() == all.len() + 1);
        }
        for (from, before) in &seen {
            for (to, after) in seen.iter().step_by(3) {
                let (mut list, mut last) = (before.clone(), 0);
                for ListEdit { at, deleted, inserted } in all.diff(from, to).unwrap() {
                    prop_assert!(at >= last);
                    last = at;
                    list.splice(at..at + deleted, inserted);
                }
                prop_assert_eq!(&list, after);
            }
        }
    }

    #[test]
    fn undo_takes_all_back_and_redo_brings_it_back(steps in steps()) {
        let mut world = World::new();
        world.lists[0].insert_all(0, 1_000..1_004).unwrap();
        world.undos[0] = ListUndo::new(&world.lists[0]);
        let names = |list: &List<u32>| -> Vec<_> {
            (0..list.len()).map(|at| (list.id(at).unwrap(), *list.get(at).unwrap())).collect()
        };
        let mut states = vec![names(&world.lists[0])];
        for step in steps {
            let step = match step {
                Step::Insert(_, at, len) => Step::Insert(0, at, len),
                Step::Delete(_, at, len) => Step::Delete(0, at, len),
                Step::Move(_, from, to) => Step::Move(0, from, to),
                Step::Set(_, at) => Step::Set(0, at),
                _ => continue,
            };
            let before = world.lists[0].version();
            world.run(&step);
            // Some groups have several steps.
            if !world.lists[0].events().is_multiple_of(3) && world.undos[0].end_group(&world.lists[0]) {
                states.push(names(&world.lists[0]));
            }
            prop_assert!(world.lists[0].version().includes(&before));
        }
        if world.undos[0].end_group(&world.lists[0]) {
            states.push(names(&world.lists[0]));
        }
        for _ in 0..2 {
            for state in states.iter().rev().skip(1) {
                prop_assert!(world.undos[0].undo(&mut world.lists[0]).unwrap());
                prop_assert_eq!(&names(&world.lists[0]), state);
            }
            prop_assert!(!world.undos[0].undo(&mut world.lists[0]).unwrap());
            for state in states.iter().skip(1) {
                prop_assert!(world.undos[0].redo(&mut world.lists[0]).unwrap());
                prop_assert_eq!(&names(&world.lists[0]), state);
            }
        }
    }
}

#[test]
fn undo_leaves_alone_what_others_did() {
    let mut ours = List::new(agent(0));
    ours.insert_all(0, [1, 2, 3, 4]).unwrap();
    let mut theirs = List::<u32>::load(&ours.save(), agent(1)).unwrap();
    let mut undo = ListUndo::new(&ours);
    ours.delete(0..2).unwrap();
    undo.end_group(&ours);
    ours.move_to(0, 1).unwrap();
    // They delete one of ours too, and move another on.
    theirs.delete(1..2).unwrap();
    ours.apply(&theirs.changes_since(&ours.version())).unwrap();
    theirs.apply(&ours.changes_since(&theirs.version())).unwrap();
    theirs.move_to(1, 0).unwrap();
    theirs.insert(2, 9).unwrap();
    ours.apply(&theirs.changes_since(&ours.version())).unwrap();
    assert_eq!(content(&ours), [3, 4, 9]);
    assert!(undo.undo(&mut ours).unwrap());
    assert_eq!(content(&ours), [3, 4, 9], "what they moved stays");
    assert!(undo.undo(&mut ours).unwrap());
    assert_eq!(content(&ours), [1, 3, 4, 9], "what both deleted stays away");
    theirs.apply(&ours.changes_since(&theirs.version())).unwrap();
    assert_eq!(content(&theirs), content(&ours));
}

#[test]
fn versions_that_nobody_was_at_are_refused() {
    let mut ours = List::new(agent(0));
    ours.insert(0, 1).unwrap();
    let mut theirs = List::<u32>::load(&ours.save(), agent(1)).unwrap();
    theirs.insert(1, 2).unwrap();
    let unknown = theirs.version();
    assert_eq!(ours.diff(&unknown, &ours.version()), Err(VersionError::Unknown));
    assert!(matches!(ours.branch(&unknown, agent(2)), Err(VersionError::Unknown)));
    // Theirs without the one that it follows.
    let mut torn = unknown.clone();
    torn.0.remove(&agent(0));
    assert!(matches!(theirs.branch(&torn, agent(2)), Err(VersionError::Torn)));
}
