//! Documents whose history was cut: they are what they would be with all of it, as long as nobody says anything of what was cut.

use dsys_crdt::change::{Change, Members, Refused};
use dsys_crdt::doc::{Doc, DocError, SnapshotError, Value};
use dsys_crdt::laws::Random;

use crate::converging::{edit, shown};
use crate::{DOCUMENT, json, key, meet};

fn owned(members: u8) -> Doc<Members> {
    let mut doc = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    doc.log_mut(|log| log.grant(&key(0), 0, (1..=members).map(|number| key(number).public()))).unwrap();
    doc
}

/// One that is cut now and then, and its twin that is given the same and never is.
#[derive(Clone)]
struct Pair {
    cut: Doc<Members>,
    whole: Doc<Members>,
}

impl Pair {
    /// Takes in changes; gives whether some could not be without what was cut.
    fn receive(&mut self, changes: &[Change]) -> bool {
        self.whole.receive(changes.to_vec(), 0);
        let (received, _) = self.cut.receive(changes.to_vec(), 0);
        received.refused.iter().any(|(_, why)| *why == Refused::Trimmed)
    }

    fn check(&self, seed: u64) {
        assert_eq!(shown(&self.cut), shown(&self.whole), "seed {seed}");
        assert_eq!(
            (self.cut.heads(), self.cut.summary()),
            (self.whole.heads(), self.whole.summary()),
            "{seed}"
        );
    }
}

/// Gives how many changes were cut, how often one was given what had been cut elsewhere, and how often one had to begin anew.
fn trims(seed: u64, forks: bool) -> (usize, u32, u32) {
    let mut random = Random::new(seed);
    let first = owned(3);
    let mut pairs = vec![Pair { cut: first.clone(), whole: first }; 3];
    let (mut concurrent, mut anew) = (0, 0);
    let mut past = Vec::new();
    for _ in 0..70 {
        let (at, other) = (random.below(3) as usize, random.below(3) as usize);
        match random.below(9) {
            0..4 => {
                let author = 1 + if forks && random.below(12) == 0 { random.below(3) } else { at as u64 };
                let pair = &mut pairs[at];
                if let Ok(change) = pair.cut.change(&key(author as u8), 0, |doc| edit(doc, &mut random)) {
                    assert_eq!(pair.whole.receive([change], 0).0.refused, [], "seed {seed}");
                }
            }
            4 => {
                // It is built again.
                let fails = |doc: &mut dsys_crdt::doc::Edit<'_>| {
                    edit(doc, &mut random)?;
                    Err(DocError::NotFound)
                };
                pairs[at].cut.change(&key(1 + at as u8), 0, fails).unwrap_err();
            }
            5 if forks && at == 0 && random.below(4) == 0 => {
                let revoked = key(1 + random.below(3) as u8).public();
                if let Ok(change) = pairs[0].cut.log_mut(|log| log.revoke(&key(0), 0, [revoked])) {
                    pairs[0].whole.receive([change], 0);
                }
            }
            6 => {
                let version = pairs[other].cut.heads();
                let cut = pairs[at].cut.trim(&version).unwrap();
                assert_eq!(cut, pairs[at].cut.log().trimmed());
                if random.below(2) == 0 {
                    let kept = pairs[at].cut.snapshot(0).unwrap();
                    pairs[at].cut = Doc::restore(Members::owned_by(key(0).public()), &kept).unwrap();
                }
                let cut = pairs[at].cut.cut();
                if !forks {
                    assert_eq!(pairs[at].cut.value_at(&cut), pairs[at].whole.value_at(&cut), "seed {seed}");
                }
            }
            _ => {
                let heads = pairs[at].cut.heads();
                let from = &pairs[other].cut;
                let from = if from.log().is_cut_for(&heads) { &pairs[other].whole } else { from };
                let changes = from.log().since(&heads);
                let late =
                    |change: &Change| change.header.follows().any(|id| pairs[at].cut.log().get(id).is_none());
                concurrent += u32::from(changes.first().is_some_and(late));
                if pairs[at].receive(&changes) {
                    assert!(forks, "seed {seed}");
                    anew += 1;
                    pairs[at].cut = pairs[at].whole.clone();
                }
            }
        }
        pairs[at].check(seed);
        past.push((at, pairs[at].whole.heads(), pairs[at].whole.value()));
    }
    for round in 0..6 {
        let (left, right) = pairs.split_at_mut(1 + round % 2);
        meet(&mut left[0].whole, &mut right[0].whole);
    }
    for pair in &mut pairs {
        let lacking = pair.whole.log().since(&pair.cut.heads());
        if pair.receive(&lacking) {
            assert!(forks, "seed {seed}");
            anew += 1;
            pair.cut = pair.whole.clone();
        }
        pair.check(seed);
    }
    assert!(pairs.iter().all(|pair| shown(&pair.cut) == shown(&pairs[0].whole)), "seed {seed}");
    // What was, is known of all versions that have what was cut.
    for (at, heads, value) in past.iter().filter(|_| !forks) {
        assert_eq!(pairs[*at].whole.value_at(heads).as_ref(), Some(value), "seed {seed}");
        let there = pairs[*at].cut.value_at(heads);
        assert!(there.is_none_or(|there| there == *value), "seed {seed}");
    }
    (pairs.iter().map(|pair| pair.cut.log().trimmed()).sum(), concurrent, anew)
}

#[test]
fn what_is_left_is_what_it_would_be() {
    let plain: Vec<_> = (0..60).map(|seed| trims(seed, false)).collect();
    assert!(plain.iter().map(|it| it.0).sum::<usize>() > 1_000 && plain.iter().any(|it| it.1 > 0));
    let forks: Vec<_> = (0..60).map(|seed| trims(seed, true)).collect();
    assert!(forks.iter().map(|it| it.0).sum::<usize>() > 500);
    assert!(forks.iter().any(|it| it.2 > 0), "forks and revocations of what was cut");
}

#[test]
#[ignore = "long: 4,000 histories"]
fn what_is_left_is_what_it_would_be_over_many_histories() {
    (0..2_000).for_each(|seed| {
        trims(seed, false);
        trims(seed, true);
    });
}

#[test]
fn little_is_left_and_what_was_said_is_gone() {
    let mut doc = owned(1);
    let secret = b"what was said before";
    let mut random = Random::new(1);
    for _ in 0..1_500 {
        let noise: Vec<u8> = (0..200).map(|_| random.below(256) as u8).collect();
        doc.change(&key(1), 0, |doc| doc.set("/a", Value::Bytes([&secret[..], &noise].concat()))).unwrap();
    }
    doc.change(&key(0), 0, |doc| doc.set("/a", "now")).unwrap();
    let size = |doc: &Doc<Members>| {
        let kept = doc.snapshot(0).unwrap();
        kept.head.len() + kept.chunks.iter().map(|(_, chunk)| chunk.len()).sum::<usize>()
    };
    let before = size(&doc);
    assert_eq!(doc.trim(&doc.heads()), Ok(1_502));
    let kept = doc.snapshot(0).unwrap();
    assert!(size(&doc) < before / 6, "{} of {before}", size(&doc));
    let all =
        [kept.head.clone(), kept.chunks.iter().flat_map(|(_, chunk)| chunk).copied().collect()].concat();
    assert!(!all.windows(20).any(|bytes| bytes == secret), "it is gone");
    assert_eq!((doc.log().counting().count(), doc.log().len()), (0, 1_502));
    // Nobody who has nothing gets anything, and who has what was cut gets the rest.
    assert!(doc.log().is_cut_for(&[]) && !doc.log().is_cut_for(&doc.heads()));
    // What was cut for good must be there, and whole.
    let open = |kept: &_| Doc::restore(Members::owned_by(key(0).public()), kept).map(|doc| json(&doc));
    assert_eq!(open(&kept).unwrap(), r#"{"a":"now"}"#);
    let mut bad = kept.clone();
    bad.chunks.pop();
    assert!(matches!(open(&bad), Err(SnapshotError::Damaged(_))));
    let mut bad = kept;
    bad.chunks.last_mut().unwrap().1[20] ^= 1;
    assert!(matches!(open(&bad), Err(SnapshotError::Damaged(_))));
}

/// Who was away while it was cut goes on from where it stood, with marks, moves and text where others have cut.
#[test]
fn who_was_away_is_merged() {
    let mut here = owned(2);
    here.change(&key(1), 0, |doc| {
        doc.set("/text", Value::Text("one two".into()))?;
        doc.set("/list", vec![1, 2, 3])
    })
    .unwrap();
    let mut away = here.clone();
    here.change(&key(1), 0, |doc| doc.insert_text("/text", 7, " three")).unwrap();
    let mut full = here.clone();
    here.trim(&here.heads()).unwrap();
    away.change(&key(2), 0, |doc| {
        doc.mark("/text", 0..3, "bold", "", dsys_crdt::Expand::After)?;
        doc.insert_text("/text", 0, "zero ")?;
        doc.move_to("/list/2", 0)?;
        doc.set("/list/1", 9)
    })
    .unwrap();
    let new = away.log().since(&full.heads());
    for doc in [&mut here, &mut full] {
        assert_eq!(doc.receive(new.clone(), 0).0.refused, []);
    }
    // Both go on, each in its own words.
    let typed = here.change(&key(1), 0, |doc| doc.insert_text("/text", 0, "- ")).unwrap();
    assert_eq!((full.receive([typed], 0).0.accepted, shown(&full)), (1, shown(&here)));
    assert_eq!(json(&here), r#"{"list":[3,9,2],"text":"- zero one two three"}"#);
    assert_eq!(here.spans("/text").unwrap().len(), 3);
}

/// What would make something else of what was cut is named, and nothing of it is taken in.
#[test]
fn what_bears_on_what_was_cut_is_refused() {
    let mut owner = owned(3);
    let mut mallory = owner.clone();
    let unseen = mallory.change(&key(1), 0, |doc| doc.set("/a", "unseen")).unwrap();
    let mut here = owner.clone();
    here.receive([unseen.clone()], 0);
    let mut backed = here.clone();
    let carla = backed.change(&key(2), 0, |doc| doc.set("/b", "on that")).unwrap();
    for doc in [&mut here, &mut backed] {
        doc.trim(&doc.heads()).unwrap();
    }
    let revoked = owner.log_mut(|log| log.revoke(&key(0), 0, [key(1).public()])).unwrap();
    // What Mallory wrote would not count any more.
    let before = shown(&here);
    let (received, events) = here.receive([revoked.clone()], 0);
    assert_eq!((received.accepted, received.refused[0].1, events.len()), (0, Refused::Trimmed, 0));
    assert_eq!(shown(&here), before);
    // Here somebody has built on it, and it counts as before.
    assert_eq!(backed.receive([revoked.clone()], 0).0.accepted, 1);
    let mut full = owner.clone();
    full.receive([unseen, carla.clone()], 0);
    assert_eq!(shown(&full), shown(&backed));
    // A fork where nothing is left to hold against it; behind the cut it is found and proven as ever.
    let mut stolen = owned(3);
    let fork = stolen.change(&key(1), 0, |doc| doc.set("/a", "another first")).unwrap();
    assert_eq!(backed.receive([fork], 0).0.refused[0].1, Refused::Trimmed);
    assert!(backed.log().forks().is_empty());
    let mut twin = backed.clone();
    let left = backed.change(&key(2), 0, |doc| doc.set("/b", "left")).unwrap();
    twin.change(&key(2), 0, |doc| doc.set("/b", "right")).unwrap();
    let (received, _) = twin.receive([left], 0);
    assert_eq!(
        (received.forked, twin.log().forks()[0].verify()),
        (vec![key(2).public()], Ok(key(2).public()))
    );
    assert_eq!(json(&twin), r#"{"a":"unseen","b":"on that"}"#);
}
