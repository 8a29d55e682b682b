//! Documents that are kept on a disk and opened again: the same as those that never were.

use std::time::Instant;

use dsys_crdt::change::{Members, encode};
use dsys_crdt::doc::{Doc, SnapshotError};
use dsys_crdt::laws::Random;

use crate::converging::{edit, shown};
use crate::{DOCUMENT, json, key, meet};

/// A document as a disk has it: the last snapshot, and what came later.
#[derive(Clone, Default)]
struct Disk {
    snapshot: dsys_crdt::doc::Snapshot,
    later: Vec<Vec<u8>>,
    changes: u32,
}

impl Disk {
    fn note(&mut self, doc: &Doc<Members>) {
        let new: Vec<_> = doc.log().since(&[]).split_off(self.changes as usize);
        self.later.push(encode(&new));
        self.changes = doc.log().len() as u32;
    }

    fn compact(&mut self, doc: &Doc<Members>) {
        let mut next = doc.snapshot(self.snapshot.changes).unwrap();
        let first = next.chunks.first().map_or(0, |(at, _)| *at) as usize;
        self.snapshot.chunks.truncate(first);
        self.snapshot.chunks.append(&mut next.chunks);
        next.chunks = std::mem::take(&mut self.snapshot.chunks);
        *self = Disk { snapshot: next, later: Vec::new(), changes: doc.log().len() as u32 };
    }

    fn open(&self) -> Doc<Members> {
        let policy = Members::owned_by(key(0).public());
        let mut doc = match self.snapshot.head.is_empty() {
            true => Doc::new(DOCUMENT, policy),
            false => Doc::restore(policy, &self.snapshot).unwrap(),
        };
        self.later.iter().for_each(|bytes| doc.replay(bytes).unwrap());
        doc
    }
}

/// Two of three replicas are opened from their disks again and again; forks and revocations make others of them.
fn opens(seed: u64, forks: bool) {
    let mut random = Random::new(seed);
    let mut first = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    first.log_mut(|log| log.grant(&key(0), 0, (1..=3).map(|number| key(number).public()))).unwrap();
    let mut replicas = vec![first; 3];
    let mut disks = vec![Disk::default(); 3];
    for step in 0..60 {
        let (at, other) = (random.below(3) as usize, random.below(3) as usize);
        match random.below(7) {
            0..4 => {
                let author = 1 + if forks && random.below(12) == 0 { random.below(3) } else { at as u64 };
                let _ = replicas[at].change(&key(author as u8), 0, |doc| edit(doc, &mut random));
            }
            4 if forks && at == 0 && random.below(5) == 0 => {
                let revoked = key(1 + random.below(3) as u8).public();
                let _ = replicas[0].log_mut(|log| log.revoke(&key(0), 0, [revoked]));
            }
            _ => {
                let lacking = replicas[other].log().since(&replicas[at].heads());
                replicas[at].receive(lacking, 0);
            }
        }
        disks[at].note(&replicas[at]);
        if random.below(6) == 0 {
            disks[at].compact(&replicas[at]);
        }
        if at > 0 && random.below(3) == 0 {
            let opened = disks[at].open();
            assert_eq!(shown(&opened), shown(&replicas[at]), "seed {seed}, step {step}");
            assert_eq!(opened.heads(), replicas[at].heads(), "seed {seed}, step {step}");
            assert_eq!(opened.summary(), replicas[at].summary());
            assert_eq!(opened.log().forks(), replicas[at].log().forks());
            replicas[at] = opened;
        }
    }
    for round in 0..6 {
        let (left, right) = replicas.split_at_mut(1 + round % 2);
        meet(&mut left[0], &mut right[0]);
    }
    let replayed = Doc::of(replicas[1].log().clone());
    assert!(replicas.iter().all(|doc| shown(doc) == shown(&replayed)), "seed {seed}");
}

#[test]
fn what_was_kept_opens_as_it_was() {
    (0..60).for_each(|seed| opens(seed, false));
    (0..60).for_each(|seed| opens(seed, true));
}

#[test]
#[ignore = "long: 4,000 histories"]
fn what_was_kept_opens_as_it_was_over_many_histories() {
    (0..2_000).for_each(|seed| opens(seed, seed % 2 == 0));
}

/// An element whose first value came back is the same element, under the name of that value.
#[test]
fn elements_keep_their_names() {
    let policy = Members::owned_by(key(0).public());
    let mut here = Doc::new(DOCUMENT, policy);
    here.change(&key(0), 0, |doc| doc.set("/list", vec![1, 2, 3])).unwrap();
    let mut undo = here.undo(&key(0).public(), "/list").unwrap();
    here.change(&key(0), 0, |doc| doc.set("/list/0", 9)).unwrap();
    here.change(&key(0), 0, |doc| doc.undo(&mut undo).map(|some| assert!(some))).unwrap();
    let mut opened = Doc::restore(policy, &here.snapshot(0).unwrap()).unwrap();
    assert_eq!(json(&opened), r#"{"list":[1,2,3]}"#);
    let moved = here.change(&key(0), 0, |doc| doc.move_to("/list/0", 2)).unwrap();
    opened.receive([moved], 0);
    assert_eq!((json(&opened), opened.void().count()), (r#"{"list":[2,3,1]}"#.into(), 0));
}

#[test]
fn chunks_are_kept_once() {
    let mut doc = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    let mut disk = Disk::default();
    for round in 0..3 {
        for number in 0..900 {
            doc.change(&key(0), 0, |doc| doc.set("/a", number)).unwrap();
        }
        let chunks = doc.snapshot(disk.snapshot.changes).unwrap().chunks.len();
        assert_eq!(chunks, [1, 2, 2][round], "only what is new is written");
        disk.compact(&doc);
        doc = disk.open();
    }
    assert_eq!((doc.log().len(), disk.snapshot.chunks.len()), (2_700, 3));
    let mut other = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    let (received, _) = other.decode_and_receive(&doc.encode_since(&[]), 0).unwrap();
    assert_eq!((received.accepted, received.refused), (2_700, vec![]));
}

#[test]
fn what_is_damaged_or_newer_is_named() {
    let mut doc = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    doc.change(&key(0), 0, |doc| doc.set("/a", 1)).unwrap();
    let kept = doc.snapshot(0).unwrap();
    let open = |kept: &_| Doc::restore(Members::owned_by(key(0).public()), kept).map(|doc| json(&doc));
    assert_eq!(open(&kept).unwrap(), r#"{"a":1}"#);
    for at in 0..kept.head.len() {
        let mut bad = kept.clone();
        bad.head[at] ^= 4;
        assert!(matches!(open(&bad), Err(SnapshotError::Damaged(_))), "byte {at}");
        bad.head = kept.head[..at].to_vec();
        assert!(matches!(open(&bad), Err(SnapshotError::Damaged(_))), "cut at {at}");
    }
    for at in 0..kept.chunks[0].1.len() {
        let mut bad = kept.clone();
        bad.chunks[0].1[at] ^= 4;
        assert!(matches!(open(&bad), Err(SnapshotError::Damaged(_))));
    }
    let mut newer = kept.clone();
    newer.head[7] = 5;
    let checked = newer.head.len() - 4;
    let checksum = crc32fast::hash(&newer.head[..checked]);
    newer.head[checked..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(open(&newer), Err(SnapshotError::Version(5)));
    let mut short = kept;
    short.chunks.clear();
    assert!(matches!(open(&short), Err(SnapshotError::Damaged(_))));
}

/// Prints how long a document takes to open from its changes, and from a snapshot.
#[test]
#[ignore = "a measurement"]
fn measure_opening() {
    for changes in [9_000, 100_000] {
        let mut doc = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
        doc.change(&key(0), 0, |doc| doc.set("/t", dsys_crdt::doc::Value::Text(String::new()))).unwrap();
        for number in 1..changes {
            doc.change(&key(0), 0, |doc| doc.insert_text("/t", number - 1, "x")).unwrap();
        }
        let (mut disk, bytes) = (Disk::default(), doc.encode_since(&[]));
        disk.compact(&doc);
        for round in 0..3 {
            let started = Instant::now();
            let mut replayed = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
            replayed.decode_and_receive(&bytes, 0).unwrap();
            let by_changes = started.elapsed();
            let started = Instant::now();
            let mut opened = disk.open();
            let by_snapshot = started.elapsed();
            opened.change(&key(0), 0, |doc| doc.insert_text("/t", 0, "y")).unwrap();
            let edited = started.elapsed();
            let started = Instant::now();
            doc.snapshot(disk.snapshot.changes).unwrap();
            let written = started.elapsed();
            println!(
                "{changes} changes, round {round}: from changes {by_changes:?}, from a snapshot {by_snapshot:?}, \
                 edited {edited:?}; the snapshot made in {written:?}"
            );
        }
    }
}

/// Prints what a long list takes, and what is left of a history that is cut.
#[test]
#[ignore = "a measurement"]
fn measure_a_list() {
    let policy = Members::owned_by(key(0).public());
    let timed = |what: &str, act: &mut dyn FnMut()| {
        let started = Instant::now();
        act();
        println!("{what}: {:?}", started.elapsed());
    };
    let mut random = Random::new(1);
    let mut doc = Doc::new(DOCUMENT, policy);
    timed("100,000 elements in one change", &mut || {
        doc.change(&key(0), 0, |doc| doc.set("/list", (0..100_000).collect::<Vec<i64>>())).unwrap();
    });
    timed("10,000 moves in one change", &mut || {
        let moved = doc.change(&key(0), 0, |doc| {
            (0..10_000).try_for_each(|_| {
                doc.move_to(&format!("/list/{}", random.below(100_000)), random.below(100_000) as usize)
            })
        });
        moved.unwrap();
    });
    timed("10,000 elements looked at", &mut || {
        (0..10_000).for_each(|_| drop(doc.get(&format!("/list/{}", random.below(100_000)))));
    });
    for number in 0..9_000 {
        doc.change(&key(0), 0, |doc| doc.set("/list/7", number)).unwrap();
    }
    let all = doc.encode_since(&[]);
    timed("taken in by another", &mut || {
        drop(Doc::new(DOCUMENT, policy).decode_and_receive(&all, 0).unwrap());
    });
    let size = |doc: &Doc<Members>| {
        let kept = doc.snapshot(0).unwrap();
        let chunks: Vec<usize> = kept.chunks.iter().map(|(_, chunk)| chunk.len()).collect();
        (kept.head.len(), chunks.iter().sum::<usize>())
    };
    let kept = doc.snapshot(0).unwrap();
    timed("opened from a snapshot", &mut || drop(Doc::restore(policy, &kept).unwrap()));
    println!("kept: state and chunks {:?}", size(&doc));
    timed("cut", &mut || assert_eq!(doc.trim(&doc.heads()), Ok(9_002)));
    println!("kept: state and chunks with the state at the cut {:?}", size(&doc));
}
