//! Resolved changes say what changes with positions say, and a liar is found out.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::merging::{run, steps, text};
use super::plain::{Edit, Event, Plain};
use crate::encoding::bytes::{put, put_bytes};
use crate::encoding::{self, RESOLVED};
use crate::{Agent, DecodeError, Text, Undo, VersionVector};

/// The history of a text as changes of both kinds; none if it is not of the kind that can be resolved.
fn both(text: &Text) -> Option<[Vec<u8>; 2]> {
    let whole = text.whole().unwrap();
    let positions = encoding::changes(&whole, &VersionVector::default());
    text.resolved(&whole).map(|resolved| [resolved, positions])
}

proptest! {
    /// Who was given resolved changes cannot be told from one who was given positions, whatever happens then.
    #[test]
    fn a_text_goes_on_as_its_twin(
        steps in steps(), here in 0usize..4, at in any::<usize>(), read in any::<bool>(), reopen in any::<bool>()
    ) {
        let all = run(4, steps);
        let source = &all[here];
        let [resolved, positions] = both(source).unwrap();
        let mut twins = [text("twin"), text("twin")];
        let mut undos: Vec<Undo> = twins.iter().map(Undo::new).collect();
        for (twin, changes) in twins.iter_mut().zip([&resolved, &positions]) {
            let edits = twin.apply_edits(changes).unwrap();
            prop_assert_eq!(edits.len(), usize::from(!source.is_empty()));
            prop_assert_eq!(twin.apply(&resolved), Ok(0));
            prop_assert_eq!(twin.apply(&positions), Ok(0));
            prop_assert_eq!(twin.to_string(), source.to_string());
            prop_assert_eq!((twin.version(), twin.events()), (source.version(), source.events()));
        }
        prop_assert_eq!(twins[0].past.is_some(), source.events() > 0);
        prop_assert_eq!(twins[0].history.graph.heads(), twins[1].history.graph.heads());
        if read {
            twins[0].read_past().unwrap();
        }
        if reopen {
            twins[0] = Text::load(&twins[0].save().unwrap(), twins[0].agent().clone()).unwrap();
        }
        for (twin, undo) in twins.iter_mut().zip(&mut undos) {
            let known = twin.version();
            let before = twin.to_string();
            let at = at % (twin.len() + 1);
            twin.insert(at, "mine").unwrap();
            twin.delete(0..at.min(2)).unwrap();
            undo.end_group(twin);
            let after = twin.to_string();
            let mut other = source.clone();
            other.apply(&twin.changes_since(&known).unwrap()).unwrap();
            prop_assert_eq!(other.to_string(), after.clone());
            if !reopen {
                prop_assert!(undo.undo(twin).unwrap());
                prop_assert_eq!(twin.to_string(), before);
                prop_assert!(undo.redo(twin).unwrap());
                prop_assert_eq!(twin.to_string(), after);
            }
        }
        // Others come in, in another order at each.
        for (twin, order) in twins.iter_mut().zip([[0, 1, 2, 3], [3, 1, 0, 2]]) {
            for from in order {
                twin.apply(&all[from].changes_since(&twin.version()).unwrap()).unwrap();
            }
            twin.insert(at % (twin.len() + 1), "once more").unwrap();
        }
        let [a, b] = &mut twins;
        prop_assert_eq!(a.to_string(), b.to_string());
        prop_assert_eq!(a.version(), b.version());
        let then = source.version();
        prop_assert_eq!(a.branch(&then, Agent::reader()).unwrap().to_string(), source.to_string());
        prop_assert_eq!(a.diff(&then, &a.version()).unwrap(), b.diff(&then, &b.version()).unwrap());
        let saved = a.save().unwrap();
        prop_assert_eq!(Text::load(&saved, Agent::reader()).unwrap().to_string(), b.to_string());
        prop_assert_eq!(text("late").apply(&a.changes_since(&VersionVector::default()).unwrap()), Ok(b.events()));
    }

    /// One who has something merges them as they merge positions.
    #[test]
    fn a_text_with_something_in_it_takes_them(steps in steps(), here in 0usize..3, there in 0usize..3) {
        let all = run(3, steps);
        let Some([resolved, positions]) = both(&all[here]) else { return Ok(()) };
        let mut twins = [all[there].clone(), all[there].clone()];
        for (twin, changes) in twins.iter_mut().zip([&resolved, &positions]) {
            twin.insert(0, "mine").unwrap();
            twin.apply(changes).unwrap();
            twin.save().unwrap();
        }
        prop_assert_eq!(twins[0].to_string(), twins[1].to_string());
        prop_assert_eq!(twins[0].version(), twins[1].version());
    }

    /// Operations that name any characters are taken if, and only if, each names one that stood in the text then; and the
    /// positions that are found say the same.
    #[test]
    fn names_that_make_no_sense_are_refused(turns in prop::collection::vec(turn(), 1..14), lie in 0u8..3) {
        let history = history(&turns, lie > 0);
        let mut receiver = text("receiver");
        let applied = receiver.apply(&history.file());
        let Some(plain) = history.plain() else {
            prop_assert!(matches!(applied, Err(DecodeError::Malformed(_))), "{:?}", applied);
            prop_assert_eq!((receiver.events(), receiver.is_empty()), (0, true));
            let mut other = text("other");
            other.insert(0, "mine").unwrap();
            prop_assert!(other.apply(&history.file()).is_err());
            prop_assert_eq!(other.to_string(), "mine");
            return Ok(());
        };
        prop_assert_eq!(applied, Ok(plain.events.len()));
        prop_assert!(encoding::keeps_to_its_estimate(&history.file()));
        prop_assert_eq!(receiver.to_string(), plain.text());
        receiver.read_past().unwrap();
        let positions = encoding::changes(&receiver.history, &VersionVector::default());
        let mut walked = text("walked");
        prop_assert_eq!(walked.apply(&positions), Ok(plain.events.len()));
        prop_assert_eq!(walked.to_string(), plain.text());
        prop_assert_eq!(walked.save().unwrap(), receiver.save().unwrap());
    }
}

/// Two who never hear of each other write in turns, and two more, each of whom hears of one of them: from turn to turn
/// everything is taken back and put forward.
fn to_and_fro(turns: usize) -> NamedHistory {
    let mut all = NamedHistory::default();
    let mut push = |agent: usize, parents: Vec<u32>, ops: Vec<NamedOp>| {
        let start = all.turns.last().map_or(0, |turn: &Turn| turn.start + turn.len);
        let turn = Turn::new(start, agent, parents, ops);
        let last = start + turn.len - 1;
        all.turns.push(turn);
        last
    };
    let insert = |character| NamedOp { kind: 0, len: 1, character };
    // In front of each other: no two of them join.
    let long = vec![insert(None); turns];
    let long = [push(0, vec![], long.clone()), push(1, vec![], long)];
    let mut last = [None; 2];
    for turn in 0..turns {
        let (side, own) = (turn % 2, last[turn % 2]);
        let parents = if let Some(own) = own { vec![own] } else { vec![long[side]] };
        last[side] = Some(push(2 + side, parents, vec![insert(own)]));
    }
    all
}

#[test]
fn a_walk_to_and_fro_ends_at_the_limit() {
    let file = |turns| to_and_fro(turns).file_of(["x".repeat(3 * turns), String::new()]);
    // Two authors' 300 characters, 300 times: as nobody knows which order the walk will take, it is tried at once.
    let mut receiver = text("receiver");
    let mut limits = receiver.limits();
    assert_eq!(receiver.apply(&file(300)), Ok(900));
    assert!(receiver.past.is_some());
    let many = file(1_500);
    let mut receiver = text("receiver");
    assert_eq!(receiver.apply(&many), Err(DecodeError::Limit("steps_per_edit")));
    assert_eq!((receiver.events(), receiver.is_empty()), (0, true));
    limits.steps_per_edit = u32::MAX;
    receiver.set_limits(limits);
    assert_eq!(receiver.apply(&many), Ok(4_500));
    receiver.read_past().unwrap();
    // An honest sender does not ask for that.
    assert!(receiver.resolved(&receiver.history).is_none());
    // Who allows few branches allows few here too.
    let mut limits = text("receiver").limits();
    limits.branches = 3;
    let mut receiver = text("receiver");
    receiver.set_limits(limits);
    assert_eq!(receiver.apply(&file(3)), Ok(9));
    limits.branches = 1;
    let mut receiver = text("receiver");
    receiver.set_limits(limits);
    assert_eq!(receiver.apply(&file(3)), Err(DecodeError::Limit("branches")));
}

#[test]
fn events_that_are_only_claimed_get_no_memory() {
    let insert = NamedOp { kind: 0, len: 1, character: None };
    let mut claims = NamedHistory::default();
    claims.turns.push(Turn::new(0, 0, vec![], vec![insert]));
    let delete = NamedOp { kind: 1, len: (1 << 31) - 10, character: Some(0) };
    claims.turns.push(Turn::new(1, 1, vec![0], vec![delete]));
    let file = claims.file_of(["x".into(), String::new()]);
    assert!(file.len() < 100);
    assert!(matches!(text("a").apply(&file), Err(DecodeError::Malformed(_))));
}

#[test]
fn what_two_deleted_is_gone_for_who_knows_either() {
    let op = |kind, character| NamedOp { kind, len: 1, character };
    let turns = |knows: Vec<u32>, kind| {
        vec![
            Turn::new(0, 0, vec![], vec![op(0, None)]),
            Turn::new(1, 1, vec![0], vec![op(1, Some(0))]),
            Turn::new(2, 2, vec![0], vec![op(1, Some(0))]),
            Turn::new(3, 3, vec![0], vec![op(1, Some(0))]),
            Turn::new(4, 4, knows, vec![op(kind, Some(0))]),
        ]
    };
    for kind in [0, 1] {
        let inserted = 1 - usize::from(kind);
        let applied = |knows| {
            let history = NamedHistory { turns: turns(knows, kind), ..NamedHistory::default() };
            text("a").apply(&history.file_of(["x".repeat(inserted), "y".into()]))
        };
        assert_eq!(applied(vec![0]), Ok(5));
        for knows in [vec![1], vec![2], vec![3], vec![1, 3]] {
            assert!(matches!(applied(knows.clone()), Err(DecodeError::Malformed(_))), "{kind} {knows:?}");
        }
    }
}

#[test]
fn turns_that_make_no_sense_are_refused() {
    let insert = |len, character| NamedOp { kind: 0, len, character };
    let applied = |turns: Vec<Turn>| {
        let len = turns.iter().map(|turn| turn.len).sum::<u32>() as usize;
        text("a").apply(
            &NamedHistory { turns, ..NamedHistory::default() }.file_of(["x".repeat(len), String::new()]),
        )
    };
    let first = Turn::new(0, 0, vec![], vec![insert(2, None)]);
    let other = Turn::new(2, 1, vec![], vec![insert(2, None)]);
    assert_eq!(applied(vec![first.clone(), other.clone()]), Ok(4));
    let refused = [
        // The author did not know what the author did before.
        vec![first.clone(), Turn { agent: 0, ..other.clone() }],
        // A run that goes on where somebody else begins, who does not know how it began.
        vec![Turn { len: 1, ..first.clone() }, Turn { start: 1, len: 1, ops: vec![], ..other.clone() }],
        // More or fewer operations than events.
        vec![first.clone(), Turn { len: 3, ..other.clone() }],
        vec![first, Turn { len: 1, ..other }],
    ];
    for turns in refused {
        assert!(matches!(applied(turns.clone()), Err(DecodeError::Malformed(_))), "{turns:?}");
    }
}

#[test]
fn no_more_and_no_less_text_than_was_inserted() {
    let honest = to_and_fro(4);
    for (shown, deleted) in [(11, 0), (13, 0), (11, 1), (12, 1)] {
        let file = honest.file_of(["x".repeat(shown), "y".repeat(deleted)]);
        assert!(matches!(text("a").apply(&file), Err(DecodeError::Malformed(_))), "{shown} {deleted}");
    }
    assert_eq!(text("a").apply(&honest.file_of(["é".repeat(12), String::new()])), Ok(12));
}

#[test]
fn who_writes_on_two_branches_at_once_is_sent_positions() {
    let mut a = text("a");
    a.insert(0, "hello").unwrap();
    let mut twin = a.clone();
    let mut b = text("b");
    b.apply(&a.changes_since(&b.version()).unwrap()).unwrap();
    // One author on two devices under one name has the same events twice; with a name for each, two lines.
    twin.set_agent(Agent::new("a'").unwrap());
    a.insert(5, " world").unwrap();
    twin.insert(0, "oh, ").unwrap();
    b.apply(&a.changes_since(&b.version()).unwrap()).unwrap();
    b.apply(&twin.changes_since(&b.version()).unwrap()).unwrap();
    assert!(both(&b).is_some());
    // Nine authors are too many; eight are not.
    for more in 0..7 {
        assert_eq!(both(&b).is_some(), more < 7, "{more}");
        let mut other = text(&format!("{more}"));
        other.insert(0, "x").unwrap();
        b.apply(&other.changes_since(&b.version()).unwrap()).unwrap();
    }
    assert_eq!(both(&b), None);
    let changes = b.changes_since(&VersionVector::default()).unwrap();
    assert!(changes.starts_with(encoding::MAGIC));
    assert_eq!(text("c").apply(&changes), Ok(b.events()));
}

/// The bytes of version 2. If this fails, the format changed: it wants another version.
#[test]
fn golden_bytes() {
    let mut a = text("a");
    a.insert(0, "wörld").unwrap();
    let mut b = text("b");
    b.insert(0, "hello ").unwrap();
    b.delete(5..6).unwrap();
    a.apply(&b.changes_since(&a.version()).unwrap()).unwrap();
    a.insert(5, ", ").unwrap();
    assert_eq!(a.to_string(), "wörld, hello");
    let changes = a.changes_since(&VersionVector::default()).unwrap();
    assert_eq!(changes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), CHANGES);
    let mut c = text("c");
    assert_eq!(c.apply(&changes), Ok(a.events()));
    assert_eq!(c.to_string(), a.to_string());
    // It goes on to the next as it came.
    assert_eq!(c.changes_since(&VersionVector::default()).unwrap(), changes);
    assert_eq!(c.past.as_deref(), Some(&changes[..]));
    assert!(matches!(Text::load(&changes, Agent::reader()), Err(DecodeError::Malformed(_))));
    assert!(c.trimmed().is_none());
}

const CHANGES: &str = "64737973747874020004016101620e0d77c3b6726c642c2068656c6c6f02012007060005020700020807000005\
    0007130408070405040609440200ea6b5710";

/// What somebody does in a row: who, what they have heard, and operations.
#[derive(Clone, Debug)]
struct Doing {
    agent: usize,
    hears: Vec<bool>,
    ops: Vec<(bool, bool, u32, u32, bool)>,
}

fn turn() -> impl Strategy<Value = Doing> {
    let op = (prop::bool::weighted(0.6), any::<bool>(), any::<u32>(), 1u32..4, prop::bool::weighted(0.04));
    (0usize..4, prop::collection::vec(any::<bool>(), 4), prop::collection::vec(op, 1..4))
        .prop_map(|(agent, hears, ops)| Doing { agent, hears, ops })
}

/// An operation by name: 0 inserts behind a character, 1 deletes forwards, 2 deletes backwards.
#[derive(Clone, Copy, Debug)]
struct NamedOp {
    kind: u8,
    len: u32,
    character: Option<u32>,
}

#[derive(Clone, Debug)]
struct Turn {
    start: u32,
    len: u32,
    agent: usize,
    parents: Vec<u32>,
    ops: Vec<NamedOp>,
}

impl Turn {
    fn new(start: u32, agent: usize, parents: Vec<u32>, ops: Vec<NamedOp>) -> Turn {
        Turn { start, len: ops.iter().map(|op| op.len).sum(), agent, parents, ops }
    }
}

/// A history with names, written without the crate's help.
#[derive(Clone, Debug, Default)]
struct NamedHistory {
    turns: Vec<Turn>,
    /// By event: its agent, what its agent knew, and the character that it deletes or the one to the left of what it inserts.
    events: Vec<(usize, BTreeSet<u32>, bool, Option<u32>)>,
}

/// Turns as they say; where they `lie`, some operations name any event.
fn history(turns: &[Doing], lie: bool) -> NamedHistory {
    let mut all = NamedHistory::default();
    // The last event of each agent.
    let mut last = [None::<u32>; 4];
    for turn in turns {
        let heard = (0..4).filter(|&other| other == turn.agent || turn.hears[other]);
        let parents: Vec<u32> = heard.filter_map(|other| last[other]).collect();
        let mut known = BTreeSet::new();
        for &parent in &parents {
            known.extend(all.events[parent as usize].1.iter().copied().chain([parent]));
        }
        let (start, mut ops) = (all.events.len() as u32, Vec::new());
        for &(inserts, back, at, len, lies) in &turn.ops {
            let standing: Vec<u32> = known.iter().copied().filter(|&each| all.stands(each, &known)).collect();
            let count = all.events.len() as u32;
            let any = |choices: &[u32]| choices.get(at as usize % choices.len().max(1)).copied();
            let character = match any(&standing) {
                _ if lie && lies => Some(at % count.max(1)).filter(|_| count > 0),
                _ if inserts && at.is_multiple_of(7) => None,
                other => other,
            };
            let (kind, len) = match character {
                _ if inserts => (0, len),
                None => continue,
                Some(first) => {
                    let step = |i: u32| if back { first.checked_sub(i) } else { Some(first + i) };
                    let there =
                        (0..len).take_while(|&i| step(i).is_some_and(|each| all.stands(each, &known)));
                    let there = there.count() as u32;
                    let kind = 1 + u8::from(back);
                    let can = if back { first + 1 } else { count - first };
                    (kind, if lie && lies { len.min(can) } else { there })
                }
            };
            ops.push(NamedOp { kind, len, character });
            for i in 0..len {
                let event = all.events.len() as u32;
                let named = match (kind, i) {
                    (0, 0) => character,
                    (0, _) => Some(event - 1),
                    (1, _) => character.map(|first| first + i),
                    _ => character.map(|first| first - i),
                };
                all.events.push((turn.agent, known.clone(), kind == 0, named));
                known.insert(event);
            }
        }
        if !ops.is_empty() {
            last[turn.agent] = Some(all.events.len() as u32 - 1);
            all.turns.push(Turn::new(start, turn.agent, parents, ops));
        }
    }
    all
}

impl NamedHistory {
    /// Whether an event inserted a character that stands in the text of one who knows some events.
    fn stands(&self, character: u32, known: &BTreeSet<u32>) -> bool {
        let deletes = |&event: &u32| {
            let (_, _, inserts, named) = self.events[event as usize];
            !inserts && named == Some(character)
        };
        known.contains(&character) && self.events[character as usize].2 && !known.iter().any(deletes)
    }

    /// By the plain definition, with positions; none if a name makes no sense.
    fn plain(&self) -> Option<Plain> {
        let mut plain = Plain::default();
        for (event, (agent, known, inserts, named)) in self.events.iter().enumerate() {
            if named.is_some_and(|character| !self.stands(character, known)) {
                return None;
            }
            let knows: Vec<bool> = (0..event as u32).map(|each| known.contains(&each)).collect();
            let place = |character: &u32| {
                plain.events_at(&knows).iter().position(|each| *each == *character as usize).unwrap()
            };
            let at = named.as_ref().map(place);
            let edit = match at {
                at if *inserts => Edit::Insert(at.map_or(0, |at| at + 1), value(event)),
                at => Edit::Delete(at?),
            };
            plain.push(Event { name: format!("{agent}"), known: knows, edit });
        }
        Some(plain)
    }

    /// The texts that stand there and were deleted, the second in the order of the events.
    fn texts(&self) -> [String; 2] {
        let everything: BTreeSet<u32> = (0..self.events.len() as u32).collect();
        let chars = everything.iter().filter(|&&event| self.events[event as usize].2);
        let (shown, deleted): (Vec<u32>, Vec<u32>) = chars.partition(|&&each| self.stands(each, &everything));
        let text = |events: Vec<u32>| events.iter().map(|&event| value(event as usize)).collect();
        [self.plain().map_or_else(|| text(shown), |plain| plain.text()), text(deleted)]
    }

    fn file(&self) -> Vec<u8> {
        self.file_of(self.texts())
    }

    /// With these texts, standing and deleted.
    fn file_of(&self, texts: [String; 2]) -> Vec<u8> {
        let mut names = Vec::new();
        // Only those who write are named.
        let writers: BTreeSet<usize> = self.turns.iter().map(|turn| turn.agent).collect();
        writers.iter().for_each(|agent| put_bytes(&mut names, agent.to_string().as_bytes()));
        let (mut agents, mut graph, mut ops) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = 0;
        for turn in &self.turns {
            put(&mut agents, 2 * writers.iter().position(|&each| each == turn.agent).unwrap() as u64);
            put(&mut agents, u64::from(turn.len));
            put(&mut graph, u64::from(turn.start - last));
            last = turn.start;
            if turn.parents.is_empty() {
                put(&mut graph, 0);
            }
            for (at, parent) in turn.parents.iter().enumerate() {
                let more = u64::from(at + 1 < turn.parents.len());
                put(&mut graph, u64::from(turn.start - parent + 1) << 1 | more);
            }
            let mut at = turn.start;
            for op in &turn.ops {
                let distance = op.character.map_or(0, |character| at - character);
                put(&mut ops, u64::from(distance) << 3 | 4 | u64::from(op.kind));
                put(&mut ops, u64::from(op.len));
                at += op.len;
            }
        }
        let [text, deleted] = texts.each_ref().map(|text| {
            let mut section = Vec::new();
            put_bytes(&mut section, text.as_bytes());
            section
        });
        let [agents, graph, ops] = [agents, graph, ops].map(|section| encoding::packed(&section));
        let mut out = RESOLVED.to_vec();
        for section in [&[], &names[..], &text, &deleted, &agents, &graph, &ops, &[]] {
            put_bytes(&mut out, section);
        }
        encoding::sealed(out)
    }
}

fn value(event: usize) -> char {
    char::from_u32(0x4e00 + event as u32).unwrap()
}
