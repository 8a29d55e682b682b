//! What an editor needs, on random replicas in which no two characters are the same, so that a character is its identity.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::walk::Sequence;
use crate::{Agent, Anchor, Edit, Side, Text, Undo, Units, VersionError, VersionVector};

const REPLICAS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize, usize),
    Delete(usize, usize, usize),
    Hear(usize, usize),
    Reopen(usize),
    Undo(usize),
    Redo(usize),
    Note(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, at) = (0..REPLICAS, 0usize..500);
    let step = prop_oneof![
        4 => (who.clone(), at.clone(), 1usize..5).prop_map(|(who, at, len)| Step::Insert(who, at, len)),
        3 => (who.clone(), at.clone(), 1usize..5).prop_map(|(who, at, len)| Step::Delete(who, at, len)),
        3 => (who.clone(), who.clone()).prop_map(|(who, from)| Step::Hear(who, from)),
        1 => who.clone().prop_map(Step::Reopen),
        1 => who.clone().prop_map(Step::Undo),
        1 => who.clone().prop_map(Step::Redo),
        2 => (who, at).prop_map(|(who, at)| Step::Note(who, at)),
    ];
    prop::collection::vec(step, 1..50)
}

/// What somebody saw once.
struct Seen {
    version: VersionVector,
    text: String,
    /// An anchor, the position that it was made for, and the character that it stays with.
    anchor: (Anchor, Side, Option<char>),
}

struct World {
    texts: Vec<Text>,
    /// What a view shows that follows the edits of each replica.
    views: Vec<String>,
    undos: Vec<Undo>,
    seen: Vec<Seen>,
    authors: BTreeMap<char, Agent>,
    next: u32,
}

fn agent(at: usize) -> Agent {
    Agent::new(format!("{at}")).unwrap()
}

/// Makes an edit of a plain string, and checks what it says of itself.
fn make(view: &mut String, edit: &Edit) {
    let byte = |at: usize| view.char_indices().nth(at).map_or(view.len(), |(byte, _)| byte);
    let (from, to) = (byte(edit.at.chars), byte(edit.at.chars + edit.deleted.chars));
    assert_eq!(Units::of(&view[..from]), edit.at);
    assert_eq!(Units::of(&view[from..to]), edit.deleted);
    view.replace_range(from..to, &edit.inserted);
}

/// What is kept up to date is what a walk from nothing finds, and tells what looking at everything tells.
fn check_kept(text: &mut Text, seen: &[Seen]) {
    let (kept, history) = text.sequence().unwrap();
    let fresh = Sequence::of(history).unwrap();
    assert_eq!(kept.characters(), fresh.characters());
    let deletes = history.ops.slices(0, history.len()).filter(|op| !op.inserts());
    for event in deletes.flat_map(|op| op.start..op.start + op.len) {
        assert_eq!(kept.target_of(event), fresh.target_of(event));
    }
    let now = text.version();
    for version in seen.iter().map(|seen| &seen.version).filter(|version| now.includes(version)) {
        let edits = text.diff_all(version, &now).unwrap();
        assert_eq!(text.diff_recent(version, false).unwrap().unwrap(), edits);
        let edits = text.diff_all(&now, version).unwrap();
        assert_eq!(text.diff_recent(version, true).unwrap().unwrap(), edits);
    }
}

impl World {
    fn new() -> World {
        let texts: Vec<Text> = (0..REPLICAS).map(|at| Text::new(agent(at))).collect();
        World {
            undos: texts.iter().map(Undo::new).collect(),
            views: vec![String::new(); REPLICAS],
            texts,
            seen: Vec::new(),
            authors: BTreeMap::new(),
            next: 0,
        }
    }

    /// Characters that are nowhere yet: of three bytes and one unit, or of four and two.
    fn fresh(&mut self, who: usize, len: usize) -> String {
        let first = self.next;
        self.next += len as u32;
        let all = (first..self.next).map(|at| if at % 3 == 0 { 0x1_0000 + at } else { 0x4e00 + at });
        let all: String = all.filter_map(char::from_u32).collect();
        self.authors.extend(all.chars().map(|each| (each, agent(who))));
        all
    }

    fn hear(&mut self, who: usize, from: usize) {
        let changes = self.texts[from].changes_since(&self.texts[who].version()).unwrap();
        for edit in self.texts[who].apply_edits(&changes).unwrap() {
            make(&mut self.views[who], &edit);
        }
    }

    fn run(&mut self, steps: &[Step], undo: bool) {
        for step in steps {
            match *step {
                Step::Insert(who, at, len) => {
                    let inserted = self.fresh(who, len);
                    let at = at % (self.texts[who].len() + 1);
                    self.texts[who].insert(at, &inserted).unwrap();
                }
                Step::Delete(who, at, len) => {
                    let length = self.texts[who].len();
                    let at = at % (length + 1);
                    self.texts[who].delete(at..(at + len).min(length)).unwrap();
                }
                Step::Hear(who, from) => self.hear(who, from),
                Step::Reopen(who) if !undo => {
                    let saved = self.texts[who].save().unwrap();
                    self.texts[who] = Text::load(&saved, agent(who)).unwrap();
                }
                Step::Undo(who) if undo => drop(self.undos[who].undo(&mut self.texts[who]).unwrap()),
                Step::Redo(who) if undo => drop(self.undos[who].redo(&mut self.texts[who]).unwrap()),
                Step::Note(who, at) => {
                    let text = &mut self.texts[who];
                    check_kept(text, &self.seen);
                    let at = at % (text.len() + 1);
                    let side = if at.is_multiple_of(2) { Side::Left } else { Side::Right };
                    let beside = if side == Side::Left { at.checked_sub(1) } else { Some(at) };
                    let character = beside.and_then(|at| text.to_string().chars().nth(at));
                    let places = text.places().unwrap();
                    let anchor = places.anchor(at, side);
                    assert_eq!(places.position(&anchor), Some(at));
                    let text = text.to_string();
                    self.seen.push(Seen {
                        version: self.texts[who].version(),
                        text,
                        anchor: (anchor, side, character),
                    });
                }
                _ => {}
            }
            for (view, text) in self.views.iter_mut().zip(&self.texts) {
                if !matches!(step, Step::Hear(..)) {
                    *view = text.to_string();
                }
                assert_eq!(*view, text.to_string());
            }
        }
    }

    fn converge(&mut self) {
        for _ in 0..2 {
            for who in 0..REPLICAS {
                (0..REPLICAS).for_each(|from| self.hear(who, from));
            }
        }
        assert!(self.texts.iter().all(|text| text.to_string() == self.texts[0].to_string()));
    }
}

proptest! {
    #[test]
    fn views_follow_and_versions_come_back(steps in steps()) {
        let mut world = World::new();
        world.run(&steps, false);
        world.converge();
        let text = &mut world.texts[0];
        for from in &world.seen {
            let branch = text.branch(&from.version, Agent::new("branch").unwrap()).unwrap();
            prop_assert_eq!(&branch.to_string(), &from.text);
            for to in &world.seen {
                let mut view = from.text.clone();
                text.diff(&from.version, &to.version).unwrap().iter().for_each(|edit| make(&mut view, edit));
                prop_assert_eq!(&view, &to.text);
            }
        }
    }

    #[test]
    fn anchors_stay_with_their_characters_and_authors_with_theirs(steps in steps()) {
        let mut world = World::new();
        world.run(&steps, false);
        world.converge();
        let all: Vec<char> = world.texts[0].to_string().chars().collect();
        let places: Vec<_> = world.texts.iter_mut().map(|text| text.places().unwrap()).collect();
        let mut positions = BTreeMap::new();
        for (at, seen) in world.seen.iter().enumerate() {
            let (anchor, side, character) = &seen.anchor;
            let position = places[0].position(anchor).unwrap();
            prop_assert!(places.iter().all(|places| places.position(anchor) == Some(position)));
            match character.map(|character| all.iter().position(|&each| each == character)) {
                None => prop_assert_eq!(position, if *side == Side::Left { 0 } else { all.len() }),
                Some(Some(at)) => prop_assert_eq!(position, at + usize::from(*side == Side::Left)),
                // Deleted: it is where it would be, between the anchors of those that stood around it.
                Some(None) => drop(positions.insert(at, position)),
            }
            let before: Vec<char> = seen.text.chars().collect();
            if let Some(at) = character.and_then(|character| before.iter().position(|&each| each == character)) {
                let survivor = |range: &[char]| all.iter().rposition(|each| range.contains(each));
                prop_assert!(survivor(&before[..at]).is_none_or(|left| left < position));
                let right = all.iter().position(|each| before[at + 1..].contains(each));
                prop_assert!(right.is_none_or(|right| position <= right));
            }
        }
        let mut end = 0;
        for (range, author) in places[0].authors() {
            prop_assert_eq!(range.start, end);
            prop_assert!(all[range.clone()].iter().all(|each| world.authors[each] == author));
            end = range.end;
        }
        prop_assert_eq!(end, all.len());
    }

    #[test]
    fn edits_shift_positions_as_anchors_do(steps in steps(), at in 0usize..100, left in any::<bool>()) {
        let side = if left { Side::Left } else { Side::Right };
        let mut world = World::new();
        world.run(&steps, false);
        let text = &mut world.texts[0];
        let at = at % (text.len() + 1);
        let anchor = text.places().unwrap().anchor(at, side);
        let mut position = at;
        for from in 1..REPLICAS {
            let changes = world.texts[from].changes_since(&world.texts[0].version()).unwrap();
            for edit in world.texts[0].apply_edits(&changes).unwrap() {
                position = edit.shift(position, side);
            }
        }
        let text = &mut world.texts[0];
        let exact = text.places().unwrap().position(&anchor).unwrap();
        // They agree but where the character is gone: a shifted position has forgotten what it stood beside.
        let stays = match &anchor {
            Anchor::Beside { .. } => {
                let beside = if left { exact.checked_sub(1) } else { Some(exact) };
                beside.is_some_and(|at| text.places().unwrap().anchor(at + usize::from(left), side) == anchor)
            }
            _ => true,
        };
        prop_assert!(!stays || position == exact);
    }

    #[test]
    fn undo_takes_everything_back_and_redo_brings_it_back(steps in steps()) {
        let alone: Vec<Step> = steps.into_iter().filter_map(|step| match step {
            Step::Insert(_, at, len) => Some(Step::Insert(0, at, len)),
            Step::Delete(_, at, len) => Some(Step::Delete(0, at, len)),
            Step::Undo(_) => Some(Step::Undo(0)),
            Step::Redo(_) => Some(Step::Redo(0)),
            _ => None,
        }).collect();
        let mut world = World::new();
        let mut undo = Undo::new(&world.texts[0]);
        let mut texts = vec![String::new()];
        for step in alone {
            let before = world.texts[0].events();
            match step {
                Step::Undo(_) => prop_assert_eq!(undo.undo(&mut world.texts[0]).unwrap(), texts.len() > 1),
                Step::Redo(_) => drop(undo.redo(&mut world.texts[0]).unwrap()),
                step => world.run(&[step], false),
            }
            undo.end_group(&world.texts[0]);
            if world.texts[0].events() > before {
                texts.truncate(undo.len());
                texts.push(world.texts[0].to_string());
            }
            prop_assert_eq!(texts.len(), undo.len() + 1);
            texts[undo.len()] = world.texts[0].to_string();
        }
        while undo.redo(&mut world.texts[0]).unwrap() {
            texts.truncate(undo.len());
            texts.push(world.texts[0].to_string());
        }
        let last = texts;
        for text in last.iter().rev().skip(1) {
            prop_assert!(undo.undo(&mut world.texts[0]).unwrap());
            prop_assert_eq!(&world.texts[0].to_string(), text);
        }
        prop_assert!(!undo.undo(&mut world.texts[0]).unwrap());
        for text in last.iter().skip(1) {
            prop_assert!(undo.redo(&mut world.texts[0]).unwrap());
            prop_assert_eq!(&world.texts[0].to_string(), text);
        }
        prop_assert!(!undo.redo(&mut world.texts[0]).unwrap());
    }

    #[test]
    fn undo_leaves_what_others_did(base in 0usize..20, mine in steps(), theirs in steps()) {
        let mut world = World::new();
        let inserted = world.fresh(2, base);
        world.texts[2].insert(0, &inserted).unwrap();
        (0..2).for_each(|who| world.hear(who, 2));
        let mut undo = Undo::new(&world.texts[0]);
        let only = |who: usize, steps: Vec<Step>| -> Vec<Step> {
            steps.into_iter().filter_map(|step| match step {
                Step::Insert(_, at, len) => Some(Step::Insert(who, at, len)),
                Step::Delete(_, at, len) => Some(Step::Delete(who, at, len)),
                _ => None,
            }).collect()
        };
        for step in only(0, mine) {
            world.run(&[step], false);
            undo.end_group(&world.texts[0]);
        }
        world.run(&only(1, theirs), false);
        // What is there without me.
        let without = world.texts[1].to_string();
        world.hear(0, 1);
        while undo.undo(&mut world.texts[0]).unwrap() {}
        // A character of the base that I deleted stands for itself again; everything is where it was.
        prop_assert_eq!(world.texts[0].to_string(), without);
        world.converge();
    }

    #[test]
    fn undo_in_company_converges(steps in steps()) {
        let mut world = World::new();
        world.run(&steps, true);
        world.converge();
    }
}

#[test]
fn versions_that_never_were_are_refused() {
    let mut a = Text::new(agent(0));
    a.insert(0, "abc").unwrap();
    let first = a.version();
    a.set_agent(agent(1));
    a.insert(3, "d").unwrap();
    let torn = VersionVector([(agent(1), 1)].into());
    let unknown = VersionVector([(agent(0), 4)].into());
    for (version, error) in [(torn, VersionError::Torn), (unknown, VersionError::Unknown)] {
        assert_eq!(a.branch(&version, agent(2)).err(), Some(error));
        assert_eq!(a.diff(&first, &version).err(), Some(error));
    }
    // A branch is a text of its own, and what is done there comes back.
    let mut branch = a.branch(&first, agent(2)).unwrap();
    branch.insert(0, ">").unwrap();
    a.apply(&branch.changes_since(&a.version()).unwrap()).unwrap();
    assert_eq!(a.to_string(), ">abcd");
}
