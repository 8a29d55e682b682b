//! Replicas that exchange encoded changes, and files.

use proptest::prelude::*;

use super::data::trace;
use crate::{Agent, DecodeError, Text};

fn text(name: &str) -> Text {
    Text::new(Agent::new(name).unwrap())
}

/// One replica for each author; each hears what the author knew, in pieces, before it makes the author's edits.
fn by_their_authors(name: &str) {
    let Some(trace) = trace(name) else { return };
    let authors = 1 + trace.txns.iter().map(|txn| txn.agent).max().unwrap() as usize;
    let mut replicas: Vec<Text> = (0..authors).map(|at| text(&format!("author {at}"))).collect();
    // What each author knows of the transactions, and the encoded change that each transaction was.
    let mut known = vec![vec![false; trace.txns.len()]; authors];
    let mut changes: Vec<Vec<u8>> = Vec::new();
    for (at, txn) in trace.txns.iter().enumerate() {
        let author = txn.agent as usize;
        let (mut missing, mut queue) = (Vec::new(), txn.parents.clone());
        while let Some(parent) = queue.pop() {
            if !std::mem::replace(&mut known[author][parent], true) {
                missing.push(parent);
                queue.extend(&trace.txns[parent].parents);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        let replica = &mut replicas[author];
        for parent in missing {
            replica.apply(&changes[parent]).unwrap();
        }
        let before = replica.version();
        for (at, deleted, inserted) in &txn.patches {
            let at = *at as usize;
            replica.delete(at..at + *deleted as usize).unwrap();
            replica.insert(at, inserted).unwrap();
        }
        changes.push(replica.changes_since(&before));
        known[author][at] = true;
    }
    // Then all hear everything from one who has heard everything.
    let mut all = text("all");
    for replica in &replicas {
        all.apply(&replica.changes_since(&all.version())).unwrap();
    }
    assert!(all.to_string() == trace.end_content);
    for replica in &mut replicas {
        replica.apply(&all.changes_since(&replica.version())).unwrap();
        assert!(replica.to_string() == trace.end_content);
        assert_eq!(replica.version(), all.version());
    }
    let saved = all.save();
    assert!(Text::read_saved(&saved).unwrap() == trace.end_content);
    let mut loaded = Text::load(&saved, Agent::new("later").unwrap()).unwrap();
    assert!(loaded.to_string() == trace.end_content);
    assert!(loaded.save() == saved);
    // It goes on as if it had never been closed.
    loaded.insert(0, "more").unwrap();
    all.apply(&loaded.changes_since(&all.version())).unwrap();
    assert_eq!(all.to_string(), loaded.to_string());
}

#[test]
fn friendsforever_by_its_authors() {
    by_their_authors("friendsforever");
}

#[test]
fn clownschool_by_its_authors() {
    by_their_authors("clownschool");
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize, String),
    Delete(usize, usize, usize),
    Sync(usize, usize),
    Reopen(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, at) = (0usize..5, 0usize..500);
    let step = prop_oneof![
        4 => (who.clone(), at.clone(), "[a-cé漢😀]{1,6}").prop_map(|(who, at, text)| Step::Insert(who, at, text)),
        3 => (who.clone(), at, 1usize..5).prop_map(|(who, at, len)| Step::Delete(who, at, len)),
        3 => (who.clone(), who.clone()).prop_map(|(who, from)| Step::Sync(who, from)),
        1 => who.prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..80)
}

fn run(count: usize, steps: Vec<Step>) -> Vec<Text> {
    let mut all: Vec<Text> = (0..count).map(|at| text(&format!("{at}"))).collect();
    for step in steps {
        match step {
            Step::Insert(who, at, inserted) => {
                let replica = &mut all[who % count];
                let at = at % (replica.len() + 1);
                replica.insert(at, &inserted).unwrap();
            }
            Step::Delete(who, at, len) => {
                let replica = &mut all[who % count];
                let at = at % (replica.len() + 1);
                let end = (at + len).min(replica.len());
                replica.delete(at..end).unwrap();
            }
            Step::Sync(who, from) => {
                let changes = all[from % count].changes_since(&all[who % count].version());
                all[who % count].apply(&changes).unwrap();
            }
            Step::Reopen(who) => {
                let replica = &mut all[who % count];
                *replica = Text::load(&replica.save(), replica.agent().clone()).unwrap();
            }
        }
    }
    all
}

proptest! {
    #[test]
    fn replicas_converge(count in 3usize..=5, steps in steps()) {
        let mut all = run(count, steps);
        for to in 0..count {
            for from in 0..count {
                let changes = all[from].changes_since(&all[to].version());
                all[to].apply(&changes).unwrap();
                // Once more: nothing is new.
                let all_of_it = all[from].changes_since(&Default::default());
                prop_assert_eq!(all[to].apply(&all_of_it), Ok(0));
            }
        }
        for replica in &all {
            prop_assert_eq!(replica.to_string(), all[0].to_string());
            prop_assert_eq!(replica.version(), all[0].version());
        }
    }

    #[test]
    fn damaged_bytes_are_refused_and_change_nothing(
        steps in steps(), cut in any::<usize>(), bit in any::<usize>(), mend in any::<bool>()
    ) {
        let all = run(3, steps);
        let changes = all[0].changes_since(&Default::default());
        let mut replica = all[1].clone();
        let before = (replica.to_string(), replica.version(), replica.save());
        let cut = &changes[..cut % changes.len()];
        prop_assert!(replica.apply(cut).is_err());
        let mut flipped = changes.clone();
        flipped[bit / 8 % changes.len()] ^= 1 << (bit % 8);
        if mend {
            // As malice would: the checksum fits.
            let body = flipped.len() - 4;
            let checksum = crc32fast::hash(&flipped[..body]);
            flipped[body..].copy_from_slice(&checksum.to_le_bytes());
        }
        match replica.apply(&flipped) {
            Err(_) => prop_assert_eq!((replica.to_string(), replica.version(), replica.save()), before),
            Ok(_) => prop_assert!(mend),
        }
        // Whatever came in, what it holds can be walked, saved and opened.
        let saved = replica.save();
        let mut other = text("other");
        other.apply(&replica.changes_since(&Default::default())).unwrap();
        prop_assert_eq!(other.to_string(), replica.to_string());
        prop_assert_eq!(Text::load(&saved, Agent::new("x").unwrap()).unwrap().to_string(), replica.to_string());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), steps in steps()) {
        // Arbitrary sections behind a proper head, with a proper checksum.
        let mut file = super::super::encoding::MAGIC.to_vec();
        file.extend(bytes);
        file.extend(crc32fast::hash(&file).to_le_bytes());
        let mut replica = run(3, steps).swap_remove(0);
        let before = replica.to_string();
        if replica.apply(&file).is_err() {
            prop_assert_eq!(replica.to_string(), before);
        }
        let _ = Text::load(&file, Agent::new("x").unwrap()).map(|mut text| text.apply(&file));
    }
}

#[test]
fn changes_that_follow_unknown_ones_are_refused() {
    let mut a = text("a");
    a.insert(0, "one").unwrap();
    let version = a.version();
    a.insert(3, "two").unwrap();
    let mut b = text("b");
    assert_eq!(b.apply(&a.changes_since(&version)), Err(DecodeError::Missing));
    assert!(b.is_empty() && b.events() == 0);
    assert_eq!(b.apply(&a.changes_since(&b.version())), Ok(6));
    assert_eq!(b.to_string(), "onetwo");
}

#[test]
fn an_edit_outside_the_text_is_refused() {
    // Made by a replica whose own text was a lie: "x" follows a file that says there are 9 characters where none are.
    let mut honest = text("a");
    honest.insert(0, "123456789").unwrap();
    let mut liar = text("b");
    liar.rope = honest.rope.clone();
    liar.insert(9, "x").unwrap();
    assert_eq!(text("c").apply(&liar.changes_since(&Default::default())), Err(DecodeError::OutOfRange));
    assert_eq!(honest.apply(&liar.changes_since(&Default::default())), Err(DecodeError::OutOfRange));
    assert_eq!((honest.to_string().as_str(), honest.events()), ("123456789", 9));
}

#[test]
fn a_version_from_the_future_is_named() {
    let mut saved = text("a").save();
    saved[7] = 2;
    assert_eq!(Text::read_saved(&saved), Err(DecodeError::Version(2)));
    assert_eq!(Text::read_saved(b"something else altogether"), Err(DecodeError::NotText));
    let mut changes = text("a").changes_since(&Default::default());
    assert!(matches!(Text::load(&changes, Agent::new("a").unwrap()), Err(DecodeError::Malformed(_))));
    *changes.last_mut().unwrap() ^= 1;
    assert_eq!(text("b").apply(&changes), Err(DecodeError::Checksum));
}

/// The bytes of version 1. If this fails, the format changed: it wants another version.
#[test]
fn golden_bytes() {
    let mut a = text("a");
    a.insert(0, "hello wörld").unwrap();
    let mut b = text("b");
    b.apply(&a.changes_since(&b.version())).unwrap();
    a.delete(9..11).unwrap();
    b.insert(5, ",").unwrap();
    b.delete(5..6).unwrap();
    a.apply(&b.changes_since(&a.version())).unwrap();
    a.insert(9, "!").unwrap();
    assert_eq!(a.to_string(), "hello wör!");
    let hex: String = a.save().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
    assert_eq!(Text::load(&a.save(), Agent::new("c").unwrap()).unwrap().to_string(), "hello wör!");
}

const GOLDEN: &str = "647379737478740104016101620706000d02020001080700000d080209040807030b16022a0730\
    0f0e68656c6c6f2077c3b6726c642c210c0b68656c6c6f2077c3b6722167f64c91";
