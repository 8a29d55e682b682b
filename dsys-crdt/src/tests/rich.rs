//! Marks: the examples of the Peritext paper, and random replicas beside a plain definition.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{Agent, DecodeError, Expand, MarkError, RichText, RichUndo, RichVersion, Span};

const REPLICAS: usize = 3;

fn agent(at: usize) -> Agent {
    Agent::new(format!("{at}")).unwrap()
}

/// Two replicas of a text.
fn two(text: &str) -> (RichText, RichText) {
    let mut a = RichText::new(agent(0));
    a.insert(0, text).unwrap();
    let b = RichText::load(&a.save().unwrap(), agent(1)).unwrap();
    (a, b)
}

fn exchange(a: &mut RichText, b: &mut RichText) {
    let (ours, theirs) = (a.changes_since(&b.version()).unwrap(), b.changes_since(&a.version()).unwrap());
    a.apply(&theirs).unwrap();
    b.apply(&ours).unwrap();
    assert_eq!(a.spans().unwrap(), b.spans().unwrap());
}

/// `The <bold>fox</>`: the spans in a row, with the keys and values of each.
fn shown(rich: &mut RichText) -> String {
    let show = |Span { text, marks, .. }: Span| {
        let each = |(key, value): (&String, &String)| {
            if value.is_empty() { key.clone() } else { format!("{key}={value}") }
        };
        let marks: Vec<String> = marks.iter().map(each).collect();
        if marks.is_empty() { text } else { format!("<{}>{text}</>", marks.join(" ")) }
    };
    rich.spans().unwrap().into_iter().map(show).collect()
}

/// Figure numbers are those of the examples in §2.3 and §3 of the paper.
#[test]
fn the_examples_of_the_paper() {
    // 1: what is inserted within a stretch that is made bold is bold.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(0..15, "bold", "", Expand::After).unwrap();
    b.insert(4, "quick ").unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "<bold>The quick fox jumped.</>");
    // 2: overlapping marks of one kind.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(0..7, "bold", "", Expand::After).unwrap();
    b.mark(4..14, "bold", "", Expand::After).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "<bold>The fox jumped</>.");
    // 3: of different kinds.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(0..7, "bold", "", Expand::After).unwrap();
    b.mark(4..14, "italic", "", Expand::After).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "<bold>The </><bold italic>fox</><italic> jumped</>.");
    // 4: of one kind with different values: one holds where both are, the same everywhere.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(0..7, "color", "red", Expand::After).unwrap();
    b.mark(4..14, "color", "blue", Expand::After).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "<color=red>The </><color=blue>fox jumped</>.");
    // 5 and 6: one takes bold from a part of what is bold while another marks a part anew.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(0..15, "bold", "", Expand::After).unwrap();
    exchange(&mut a, &mut b);
    a.unmark(0..7, "bold", Expand::After).unwrap();
    b.mark(4..14, "bold", "", Expand::After).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "The <bold>fox jumped.</>");
    // 7: comments overlap, each under a key of its own.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(0..7, "comment/1", "nice", Expand::Neither).unwrap();
    b.mark(4..14, "comment/2", "fox?", Expand::Neither).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(
        shown(&mut a),
        "<comment/1=nice>The </><comment/1=nice comment/2=fox?>fox</><comment/2=fox?> jumped</>."
    );
    // 8: bold text grows at its end and not at its beginning; a link at neither.
    let (mut a, mut b) = two("The fox jumped.");
    a.mark(4..7, "bold", "", Expand::After).unwrap();
    a.mark(8..14, "link", "u", Expand::Neither).unwrap();
    b.insert(14, "!").unwrap();
    b.insert(8, "_").unwrap();
    b.insert(7, "es").unwrap();
    b.insert(4, "red ").unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "The red <bold>foxes</> _<link=u>jumped</>!.");
    // The end of a link is deleted, and something is typed there.
    a.delete(19..21).unwrap();
    a.insert(19, "ing").unwrap();
    a.delete(6..11).unwrap();
    a.insert(6, "y").unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(shown(&mut a), "The rey<bold>es</> _<link=u>jump</>ing!.");
}

#[test]
fn marks_outside_are_refused_and_limits_are_kept() {
    let (mut a, mut b) = two("abc");
    for range in [1..1, 2..4, 4..5] {
        assert_eq!(a.mark(range, "k", "", Expand::After), Err(MarkError::OutOfRange { length: 3 }));
    }
    assert_eq!(a.mark(0..1, &"k".repeat(257), "", Expand::After), Err(MarkError::Limit("key_bytes")));
    assert_eq!(a.mark(0..1, "k", &"v".repeat(65_537), Expand::After), Err(MarkError::Limit("value_bytes")));
    (0..3).for_each(|_| a.mark(0..3, "k", "v", Expand::Both).unwrap());
    let all = a.changes_since(&RichVersion::default()).unwrap();
    let mut limits = b.mark_limits();
    for (marks, value_bytes, name) in [(2, 9, "marks"), (3, 0, "value_bytes")] {
        (limits.marks, limits.value_bytes) = (marks, value_bytes);
        b.set_mark_limits(limits);
        assert_eq!(b.apply(&all), Err(DecodeError::Limit(name)));
        assert_eq!(shown(&mut b), "abc");
    }
    (limits.marks, limits.value_bytes) = (3, 1);
    b.set_mark_limits(limits);
    b.apply(&all).unwrap();
    // A gap, and a clock that is set forward.
    let last = RichVersion { marks: a.version().marks, ..RichVersion::default() };
    a.mark(0..1, "k", "w", Expand::Before).unwrap();
    let mut c = RichText::new(agent(2));
    assert_eq!(c.apply(&a.changes_since(&last).unwrap()), Err(DecodeError::Missing));
    assert_eq!(c.version(), RichVersion::default());
    let mut early = RichText::of(a.text().clone());
    a.set_times(7);
    let changes = a.changes_since(&RichVersion::default()).unwrap();
    assert_eq!(early.apply(&changes), Err(DecodeError::Missing));
    a.set_times(0);
    let changes = a.changes_since(&RichVersion::default()).unwrap();
    assert_eq!(early.apply(&changes), Err(DecodeError::Malformed("a mark at no time")));
}

/// What somebody pushes may come before the marks of others that it follows.
#[test]
fn marks_that_come_too_early_are_asked_for_again() {
    let (mut a, mut b) = two("abc");
    let mut c = RichText::load(&a.save().unwrap(), agent(2)).unwrap();
    (0..3).for_each(|_| a.mark(0..2, "k", "a", Expand::After).unwrap());
    exchange(&mut a, &mut b);
    let before = b.version();
    b.mark(1..3, "k", "b", Expand::After).unwrap();
    let pushed = b.changes_since(&before).unwrap();
    assert_eq!(c.apply(&pushed), Err(DecodeError::Missing));
    // With as many others it is taken; the missing ones come later, and it is sent on in any order.
    (0..3).for_each(|_| c.mark(2..3, "k", "c", Expand::After).unwrap());
    c.apply(&pushed).unwrap();
    let of_both = c.version();
    exchange(&mut a, &mut c);
    exchange(&mut b, &mut c);
    for rich in [&a, &b, &c] {
        let mut branch = rich.branch(&of_both, agent(3)).unwrap();
        let spans = branch.spans().unwrap();
        assert_eq!(RichText::load(&branch.save().unwrap(), agent(4)).unwrap().spans().unwrap(), spans);
    }
}

#[test]
fn a_link_that_was_taken_back_and_put_again_does_not_grow() {
    let mut rich = RichText::new(agent(0));
    let mut undo = RichUndo::new(&rich);
    rich.insert(0, "ab").unwrap();
    undo.end_group(&rich);
    rich.mark(0..2, "link", "u", Expand::Neither).unwrap();
    assert!(undo.undo(&mut rich).unwrap() && undo.redo(&mut rich).unwrap());
    rich.insert(2, "c").unwrap();
    assert_eq!(shown(&mut rich), "<link=u>ab</>c");
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize, usize),
    Delete(usize, usize, usize),
    Mark(usize, usize, usize, usize),
    Hear(usize, usize),
    Reopen(usize),
    Note(usize),
    Undo(usize),
    Redo(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, at) = (0..REPLICAS, 0usize..500);
    let step = prop_oneof![
        4 => (who.clone(), at.clone(), 1usize..5).prop_map(|(who, at, len)| Step::Insert(who, at, len)),
        3 => (who.clone(), at.clone(), 1usize..5).prop_map(|(who, at, len)| Step::Delete(who, at, len)),
        5 => (who.clone(), at.clone(), 1usize..9, 0usize..48)
            .prop_map(|(who, at, len, what)| Step::Mark(who, at, len, what)),
        3 => (who.clone(), who.clone()).prop_map(|(who, from)| Step::Hear(who, from)),
        1 => who.clone().prop_map(Step::Reopen),
        1 => who.clone().prop_map(Step::Note),
        1 => who.clone().prop_map(Step::Undo),
        1 => who.prop_map(Step::Redo),
    ];
    prop::collection::vec(step, 1..40)
}

/// The marks of each character, by the definition: every mark is looked at for every character.
fn plainly(rich: &mut RichText) -> Vec<(char, BTreeMap<String, String>)> {
    let text: Vec<char> = rich.text().to_string().chars().collect();
    (0..text.len()).map(|at| (text[at], rich.marks_plainly(at))).collect()
}

fn by_character(spans: &[Span]) -> Vec<(char, BTreeMap<String, String>)> {
    spans.iter().flat_map(|span| span.text.chars().map(|each| (each, span.marks.clone()))).collect()
}

struct World {
    texts: Vec<RichText>,
    undos: Vec<RichUndo>,
    seen: Vec<(RichVersion, Vec<Span>)>,
}

impl World {
    fn new() -> World {
        let texts: Vec<RichText> = (0..REPLICAS).map(|at| RichText::new(agent(at))).collect();
        World { undos: texts.iter().map(RichUndo::new).collect(), texts, seen: Vec::new() }
    }

    fn hear(&mut self, who: usize, from: usize) {
        let changes = self.texts[from].changes_since(&self.texts[who].version()).unwrap();
        let before = by_character(&self.texts[who].spans().unwrap());
        let told = self.texts[who].apply_edits(&changes).unwrap();
        // What was not told of has not changed.
        if told.edits.is_empty() {
            let after = by_character(&self.texts[who].spans().unwrap());
            let changed = (0..after.len()).filter(|&at| before[at] != after[at]);
            changed.for_each(|at| assert!(told.marked.iter().any(|range| range.contains(&at))));
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Insert(who, at, len) => {
                let at = at % (self.texts[who].text().len() + 1);
                let link = |rich: &mut RichText, at: Option<usize>| {
                    let at = at.filter(|&at| at < rich.text().len())?;
                    let value = rich.marks_plainly(at).remove("link")?;
                    Some((rich.winner_at(at, "link"), value))
                };
                let rich = &mut self.texts[who];
                let beside = [link(rich, at.checked_sub(1)), link(rich, Some(at))];
                rich.insert(at, &"abcdef"[..len]).unwrap();
                // Not beside a link, and within what is one link.
                if beside.contains(&None) {
                    assert_eq!(link(rich, Some(at)), None);
                } else if beside[0] == beside[1] {
                    assert_eq!(link(rich, Some(at)).unwrap().1, beside[0].as_ref().unwrap().1);
                }
            }
            Step::Delete(who, at, len) => {
                let length = self.texts[who].text().len();
                let at = at % (length + 1);
                self.texts[who].delete(at..(at + len).min(length)).unwrap();
            }
            Step::Mark(who, at, len, what) if !self.texts[who].text().is_empty() => {
                let length = self.texts[who].text().len();
                let at = at % length;
                let range = at..(at + len).min(length);
                let (key, expand) = [
                    ("bold", Expand::After),
                    ("link", Expand::Neither),
                    ("before", Expand::Before),
                    ("both", Expand::Both),
                ][what % 4];
                match what / 4 % 3 {
                    0 => self.texts[who].unmark(range, key, expand).unwrap(),
                    value => self.texts[who].mark(range, key, &value.to_string(), expand).unwrap(),
                }
            }
            Step::Hear(who, from) => self.hear(who, from),
            Step::Reopen(who) => {
                let rich = &mut self.texts[who];
                *rich = RichText::load(&rich.save().unwrap(), agent(who)).unwrap();
                self.undos[who] = RichUndo::new(&self.texts[who]);
            }
            Step::Note(who) => {
                let spans = self.texts[who].spans().unwrap();
                self.seen.push((self.texts[who].version(), spans));
            }
            Step::Undo(who) => drop(self.undos[who].undo(&mut self.texts[who]).unwrap()),
            Step::Redo(who) => drop(self.undos[who].redo(&mut self.texts[who]).unwrap()),
            Step::Mark(..) => {}
        }
    }
}

proptest! {
    #[test]
    fn marks_are_what_the_plain_definition_says(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
            for rich in &mut world.texts {
                prop_assert_eq!(by_character(&rich.spans().unwrap()), plainly(rich));
            }
        }
        for at in 0..2 * REPLICAS * REPLICAS {
            world.hear(at / REPLICAS % REPLICAS, at % REPLICAS);
        }
        let spans = world.texts[0].spans().unwrap();
        for rich in &mut world.texts {
            prop_assert_eq!(&rich.spans().unwrap(), &spans);
            rich.to_markdown().unwrap();
        }
        for (version, spans) in &world.seen {
            let mut branch = world.texts[0].branch(version, agent(8)).unwrap();
            prop_assert_eq!(&branch.spans().unwrap(), spans);
        }
    }

    #[test]
    fn undo_takes_all_back_and_redo_brings_it_back(steps in steps()) {
        let mut world = World::new();
        world.texts[0].insert(0, "some text").unwrap();
        world.texts[0].mark(2..5, "bold", "1", Expand::After).unwrap();
        world.undos[0] = RichUndo::new(&world.texts[0]);
        let mut states = vec![world.texts[0].spans().unwrap()];
        for step in steps {
            let step = match step {
                Step::Insert(_, at, len) => Step::Insert(0, at, len),
                Step::Delete(_, at, len) => Step::Delete(0, at, len),
                Step::Mark(_, at, len, what) => Step::Mark(0, at, len, what),
                _ => continue,
            };
            let before = world.texts[0].version();
            world.run(step);
            world.undos[0].end_group(&world.texts[0]);
            if world.texts[0].version() != before {
                states.push(world.texts[0].spans().unwrap());
            }
        }
        for _ in 0..2 {
            for state in states.iter().rev().skip(1) {
                prop_assert!(world.undos[0].undo(&mut world.texts[0]).unwrap());
                prop_assert_eq!(&world.texts[0].spans().unwrap(), state);
            }
            for state in states.iter().skip(1) {
                prop_assert!(world.undos[0].redo(&mut world.texts[0]).unwrap());
                prop_assert_eq!(&world.texts[0].spans().unwrap(), state);
            }
        }
    }

    #[test]
    fn altered_bytes_are_refused_or_make_sense(steps in steps(), at in any::<usize>(), with in 1u8..) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.run(step));
        let mut changes = world.texts[0].changes_since(&RichVersion::default()).unwrap();
        let body = changes.len() - 4;
        changes[8 + at % (body - 8)] ^= with;
        let checksum = crc32fast::hash(&changes[..body]).to_le_bytes();
        changes[body..].copy_from_slice(&checksum);
        let before = world.texts[1].version();
        if world.texts[1].apply(&changes).is_err() {
            prop_assert_eq!(world.texts[1].version(), before);
        }
        let spans = world.texts[1].spans().unwrap();
        let mut again = RichText::load(&world.texts[1].save().unwrap(), agent(7)).unwrap();
        prop_assert_eq!(again.spans().unwrap(), spans);
    }
}

/// The bytes of version 1. If this fails, the format changed: it wants another version.
#[test]
fn golden_bytes() {
    let mut rich = RichText::new(Agent::new("a").unwrap());
    rich.insert(0, "abc").unwrap();
    rich.mark(0..2, "bold", "x", Expand::After).unwrap();
    rich.unmark(1..3, "bold", Expand::Both).unwrap();
    let all = rich.changes_since(&RichVersion::default()).unwrap();
    let hex: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
}

const GOLDEN: &str = "64737973726368012464737973747874010002016101000403616263030200030302000003020303007b7dc8c5\
    1d0101610104626f6c6400000179000000000201780001025a00000100022b3aa43d";
