//! Replicas that exchange encoded changes, and files.

use proptest::prelude::*;

use super::Builder;
use super::data::trace;
use crate::encoding::RESOLVED;
use crate::{Agent, DecodeError, Text, VersionVector};

pub(super) fn text(name: &str) -> Text {
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
        changes.push(replica.changes_since(&before).unwrap());
        known[author][at] = true;
    }
    // Then all hear everything from one who has heard everything.
    let mut all = text("all");
    for replica in &replicas {
        all.apply(&replica.changes_since(&all.version()).unwrap()).unwrap();
    }
    assert!(all.to_string() == trace.end_content);
    for replica in &mut replicas {
        replica.apply(&all.changes_since(&replica.version()).unwrap()).unwrap();
        assert!(replica.to_string() == trace.end_content);
        assert_eq!(replica.version(), all.version());
    }
    // And one who has nothing, without a walk; the positions that are found afterwards say the same.
    let whole = all.changes_since(&VersionVector::default()).unwrap();
    let mut late = text("late");
    late.apply(&whole).unwrap();
    assert!(whole.starts_with(RESOLVED) && late.past.is_some());
    assert!(late.to_string() == trace.end_content);
    late.read_past().unwrap();
    assert!(Builder { history: late.history, ..Builder::default() }.text() == trace.end_content);
    let saved = all.save().unwrap();
    assert!(Text::read_saved(&saved).unwrap() == trace.end_content);
    let mut loaded = Text::load(&saved, Agent::new("later").unwrap()).unwrap();
    assert!(loaded.to_string() == trace.end_content);
    assert!(loaded.save().unwrap() == saved);
    let mut joined = Text::load(&all.snapshot().unwrap(), Agent::new("joins").unwrap()).unwrap();
    assert!(joined.to_string() == trace.end_content && joined.past.is_some());
    assert!(joined.save().unwrap() == saved && joined.read_past().is_ok());
    // It goes on as if it had never been closed.
    loaded.insert(0, "more").unwrap();
    all.apply(&loaded.changes_since(&all.version()).unwrap()).unwrap();
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
pub(super) enum Step {
    Insert(usize, usize, String),
    Delete(usize, usize, usize),
    Sync(usize, usize),
    Reopen(usize),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, at) = (0usize..5, 0usize..500);
    let step = prop_oneof![
        4 => (who.clone(), at.clone(), "[a-cé漢😀]{1,6}").prop_map(|(who, at, text)| Step::Insert(who, at, text)),
        3 => (who.clone(), at, 1usize..5).prop_map(|(who, at, len)| Step::Delete(who, at, len)),
        3 => (who.clone(), who.clone()).prop_map(|(who, from)| Step::Sync(who, from)),
        1 => who.prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..80)
}

pub(super) fn run(count: usize, steps: Vec<Step>) -> Vec<Text> {
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
                let changes = all[from % count].changes_since(&all[who % count].version()).unwrap();
                all[who % count].apply(&changes).unwrap();
            }
            Step::Reopen(who) => {
                let replica = &mut all[who % count];
                let saved =
                    if replica.events().is_multiple_of(2) { replica.save() } else { replica.snapshot() };
                *replica = Text::load(&saved.unwrap(), replica.agent().clone()).unwrap();
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
                let changes = all[from].changes_since(&all[to].version()).unwrap();
                all[to].apply(&changes).unwrap();
                // Once more: nothing is new.
                let all_of_it = all[from].changes_since(&Default::default()).unwrap();
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
        let changes = all[0].changes_since(&Default::default()).unwrap();
        let mut replica = all[1].clone();
        let before = (replica.to_string(), replica.version(), replica.save().unwrap());
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
            Err(_) => prop_assert_eq!((replica.to_string(), replica.version(), replica.save().unwrap()), before),
            Ok(_) => prop_assert!(mend),
        }
        // A saved text that was tampered with opens or not; what was opened can be edited, and never panics.
        let mut file = all[0].save().unwrap();
        let body = file.len() - 4;
        file[bit / 8 % body] ^= 1 << (bit % 8);
        let checksum = crc32fast::hash(&file[..body]);
        file[body..].copy_from_slice(&checksum.to_le_bytes());
        if let Ok(mut opened) = Text::load(&file, Agent::new("x").unwrap()) {
            let known = opened.version();
            opened.insert(0, "x").unwrap();
            opened.delete(0..1).unwrap();
            prop_assert!(opened.changes_since(&known).is_ok());
            let _ = opened.apply(&changes);
            let saved = opened.save();
            prop_assert_eq!(saved.is_ok(), opened.read_past().is_ok() || opened.trimmed().is_some());
            if let Ok(saved) = saved {
                prop_assert_eq!(Text::read_saved(&saved).unwrap(), opened.to_string());
            }
        }
        // Whatever came in, what it holds can be walked, saved and opened.
        let saved = replica.save().unwrap();
        let mut other = text("other");
        other.apply(&replica.changes_since(&Default::default()).unwrap()).unwrap();
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
    assert_eq!(b.apply(&a.changes_since(&version).unwrap()), Err(DecodeError::Missing));
    assert!(b.is_empty() && b.events() == 0);
    assert_eq!(b.apply(&a.changes_since(&b.version()).unwrap()), Ok(6));
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
    assert_eq!(
        text("c").apply(&liar.changes_since(&Default::default()).unwrap()),
        Err(DecodeError::OutOfRange)
    );
    assert_eq!(honest.apply(&liar.changes_since(&Default::default()).unwrap()), Err(DecodeError::OutOfRange));
    assert_eq!((honest.to_string().as_str(), honest.events()), ("123456789", 9));
}

#[test]
fn a_text_that_was_opened_goes_on_without_its_past() {
    let mut a = text("a");
    let mut b = text("b");
    a.insert(0, "hello world").unwrap();
    b.apply(&a.changes_since(&b.version()).unwrap()).unwrap();
    // Two heads.
    a.insert(5, ",").unwrap();
    b.delete(0..1).unwrap();
    b.insert(0, "H").unwrap();
    a.apply(&b.changes_since(&a.version()).unwrap()).unwrap();
    b.apply(&a.changes_since(&b.version()).unwrap()).unwrap();
    let mut opened = Text::load(&a.save().unwrap(), a.agent().clone()).unwrap();
    let known = opened.version();
    assert_eq!((&known, opened.events()), (&a.version(), a.events()));
    // Edits here and there, each after the other.
    opened.insert(12, "!").unwrap();
    opened.delete(0..1).unwrap();
    b.apply(&opened.changes_since(&b.version()).unwrap()).unwrap();
    b.insert(0, "h").unwrap();
    opened.apply(&b.changes_since(&opened.version()).unwrap()).unwrap();
    assert_eq!(opened.to_string(), "hello, world!");
    assert!(opened.past.is_some(), "nothing of that refers to the past");
    // Somebody who knew the text when it was opened, and edited at once with what came after.
    let mut late = Text::load(&a.save().unwrap(), Agent::new("late").unwrap()).unwrap();
    late.insert(5, " there").unwrap();
    opened.apply(&late.changes_since(&known).unwrap()).unwrap();
    assert!(opened.past.is_some(), "nor does that");
    assert_eq!(opened.to_string(), "hello there, world!");
    // Somebody who edited before.
    let mut earlier = text("earlier");
    let first = VersionVector([(a.agent().clone(), 11)].into());
    earlier
        .apply(&Text::load(&a.save().unwrap(), a.agent().clone()).unwrap().changes_since(&first).unwrap())
        .unwrap_err();
    let mut a = text("a");
    a.insert(0, "hello world").unwrap();
    earlier.apply(&a.changes_since(&Default::default()).unwrap()).unwrap();
    earlier.insert(11, "?").unwrap();
    opened.apply(&earlier.changes_since(&opened.version()).unwrap()).unwrap();
    assert!(opened.past.is_none(), "that does");
    b.apply(&late.changes_since(&b.version()).unwrap()).unwrap();
    b.apply(&earlier.changes_since(&b.version()).unwrap()).unwrap();
    assert_eq!((opened.to_string(), opened.version()), (b.to_string(), b.version()));
    assert_eq!(opened.apply(&b.changes_since(&Default::default()).unwrap()), Ok(0));
}

#[test]
fn a_trimmed_text_goes_on_with_who_has_the_rest() {
    let mut a = text("a");
    let mut b = text("b");
    a.insert(0, &"much that nobody needs any more. ".repeat(100)).unwrap();
    a.delete(0..3_200).unwrap();
    b.apply(&a.changes_since(&b.version()).unwrap()).unwrap();
    let mut behind = b.clone();
    behind.set_agent(Agent::new("behind").unwrap());
    b.insert(5, "!").unwrap();
    a.insert(0, "How ").unwrap();
    a.apply(&b.changes_since(&a.version()).unwrap()).unwrap();
    let known = a.version();
    a.insert(0, "Well: ").unwrap();
    let whole = a.save().unwrap();
    for file in [a.save_since(&known).unwrap(), a.save_since(&a.version()).unwrap()] {
        assert_eq!(Text::read_saved(&file).unwrap(), a.to_string());
        let mut trimmed = Text::load(&file, Agent::new("c").unwrap()).unwrap();
        assert_eq!(
            (trimmed.to_string(), trimmed.version(), trimmed.events()),
            (a.to_string(), a.version(), a.events())
        );
        assert!(trimmed.trimmed().is_some_and(|version| version.includes(&known)));
        trimmed.insert(0, "> ").unwrap();
        // What was done since is there after the next start, too; and it saves again what is there.
        let again = trimmed.save().unwrap();
        assert_eq!(Text::read_saved(&again).unwrap(), trimmed.to_string());
        let mut trimmed = Text::load(&again, Agent::new("d").unwrap()).unwrap();
        assert_eq!(trimmed.to_string(), format!("> {a}"));
        assert_eq!(trimmed.save().unwrap(), again);
        // To and fro with one who has everything.
        let mut peer = Text::load(&whole, Agent::new("e").unwrap()).unwrap();
        peer.delete(0..1).unwrap();
        trimmed.apply(&peer.changes_since(&trimmed.version()).unwrap()).unwrap();
        peer.apply(&trimmed.changes_since(&peer.version()).unwrap()).unwrap();
        assert_eq!((peer.to_string(), peer.version()), (trimmed.to_string(), trimmed.version()));
        // Somebody who was behind: refused, and nothing changed; who has everything takes it.
        let mut late = behind.clone();
        late.insert(0, "late").unwrap();
        let changes = late.changes_since(&trimmed.version()).unwrap();
        let before = trimmed.to_string();
        assert_eq!(trimmed.apply(&changes), Err(DecodeError::Trimmed));
        assert_eq!(trimmed.changes_since(&late.version()), Err(DecodeError::Trimmed));
        assert_eq!(trimmed.read_past(), Err(DecodeError::Trimmed));
        assert_eq!(trimmed.to_string(), before);
        // A gap is a gap.
        late.insert(0, "r").unwrap();
        let gap = VersionVector([(late.agent().clone(), 4)].into());
        let mut only = trimmed.version();
        only.0.extend(gap.0);
        assert_eq!(trimmed.apply(&late.changes_since(&only).unwrap()), Err(DecodeError::Missing));
        peer.apply(&changes).unwrap();
    }
    assert_eq!(a.save_since(&Default::default()).map(|file| Text::read_saved(&file)), Ok(Ok(a.to_string())));
    assert_eq!(
        text("x").save_since(&Default::default()).map(|file| Text::read_saved(&file)),
        Ok(Ok(String::new()))
    );
}

#[test]
fn a_past_that_makes_no_sense_is_found_when_it_is_needed() {
    let mut a = text("a");
    a.insert(0, "hello").unwrap();
    let mut saved = a.save().unwrap();
    // The history inserts at 1 of nothing; the text is the same.
    let at = saved.len() - 4 - 3;
    assert_eq!(saved[at..at + 2], [3, 5]);
    saved[at] += 12;
    let checksum = crc32fast::hash(&saved[..saved.len() - 4]).to_le_bytes();
    saved.truncate(saved.len() - 4);
    saved.extend(checksum);
    let mut opened = Text::load(&saved, Agent::new("b").unwrap()).unwrap();
    opened.insert(5, "!").unwrap();
    assert_eq!(opened.read_past(), Err(DecodeError::Past));
    assert_eq!(opened.save(), Err(DecodeError::Past));
    assert_eq!(opened.changes_since(&Default::default()), Err(DecodeError::Past));
    assert_eq!(text("c").apply(&saved), Err(DecodeError::OutOfRange));
    // Nothing is lost: whoever has the honest history takes what was added.
    a.apply(&opened.changes_since(&a.version()).unwrap()).unwrap();
    assert_eq!((a.to_string().as_str(), opened.to_string().as_str()), ("hello!", "hello!"));
}

#[test]
fn a_version_from_the_future_is_named() {
    let mut saved = text("a").save().unwrap();
    saved[7] = 3;
    assert_eq!(Text::read_saved(&saved), Err(DecodeError::Version(3)));
    assert_eq!(Text::read_saved(b"something else altogether"), Err(DecodeError::NotText));
    let mut changes = text("a").changes_since(&Default::default()).unwrap();
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
    b.apply(&a.changes_since(&b.version()).unwrap()).unwrap();
    a.delete(9..11).unwrap();
    b.insert(5, ",").unwrap();
    b.delete(5..6).unwrap();
    a.apply(&b.changes_since(&a.version()).unwrap()).unwrap();
    a.insert(9, "!").unwrap();
    assert_eq!(a.to_string(), "hello wör!");
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(a.save().unwrap()), SAVED);
    assert_eq!(hex(a.changes_since(&Default::default()).unwrap()), CHANGES);
    assert_eq!(hex(a.save_since(&b.version()).unwrap()), TRIMMED);
    let opened = Text::load(&a.save().unwrap(), Agent::new("c").unwrap()).unwrap();
    assert_eq!(opened.to_string(), "hello wör!");
}

const SAVED: &str = "647379737478740106100e0201000004016101620c0b68656c6c6f2077c3b6722104036c642c0706000d020200\
    01080700000d080209040807030b16022a0730009e6c5728";
const CHANGES: &str = "647379737478740100040161016201000f0e68656c6c6f2077c3b6726c642c210706000d0202000108070000\
    0d080209040807030b16022a073000c92f4266";
const TRIMMED: &str = "6473797374787401060d0b0201010004016101620d0c68656c6c6f2077c3b6726c64000000002f6473797374\
    7874010004016101620100020121060501020b00010a090002000a0205020101040370020000f3899f2da3137be6";
