//! Random logs with forks and revocations: which changes count is what the definition says, whatever came when.

use std::collections::{BTreeMap, BTreeSet};

use dsys_crdt::change::{Access, Change, ChangeId, Log, Members};
use dsys_crdt::laws::Random;

use crate::{DOCUMENT, key, members};

/// All changes of a history in which the owner revokes, and members fork.
fn history(random: &mut Random) -> Vec<Change> {
    let mut replicas: Vec<Log<Members>> = vec![members(4); 4];
    let mut all = replicas[0].since(&[]);
    for step in 0..30 {
        let (at, other) = (random.below(4) as usize, random.below(4) as usize);
        // A key belongs to a replica; now and then another uses it too.
        let author = if random.below(12) == 0 { 1 + random.below(4) as u8 } else { 1 + at as u8 };
        let made = match random.below(8) {
            0..4 => replicas[at].commit(&key(author), 0, vec![step]),
            4 if at == 0 && random.below(3) == 0 => {
                replicas[0].revoke(&key(0), 0, [key(1 + random.below(4) as u8).public()])
            }
            _ => {
                let lacking = replicas[other].since(&replicas[at].heads());
                // Not always all of it.
                let part = lacking.len() - random.below(2) as usize * lacking.len() / 3;
                replicas[at].receive(lacking.into_iter().take(part), 0);
                continue;
            }
        };
        all.extend(made.ok());
    }
    all
}

/// The definition, over the sets of what each change has seen.
fn definition(all: &[Change]) -> BTreeSet<ChangeId> {
    let mut seen: BTreeMap<ChangeId, BTreeSet<ChangeId>> = BTreeMap::new();
    for change in all {
        let id = change.header.id();
        let mut past: BTreeSet<ChangeId> =
            change.header.follows().flat_map(|parent| seen[parent].iter().copied()).collect();
        past.insert(id);
        seen.insert(id, past);
    }
    let is_suspended = |change: &Change| {
        let (id, header) = (change.header.id(), &change.header);
        let of_author = || all.iter().filter(|other| other.header.author == header.author);
        let forked = of_author().any(|one| {
            one.header.seq <= header.seq
                && of_author().any(|two| {
                    two.header.previous == one.header.previous && two.header.id() != one.header.id()
                })
        });
        forked
            || all.iter().any(|other| {
                let revokes = other.header.access.contains(&Access::Revoke(header.author));
                let other = other.header.id();
                revokes && !seen[&id].contains(&other) && !seen[&other].contains(&id)
            })
    };
    let sound = all.iter().filter(|change| !is_suspended(change));
    sound.flat_map(|change| seen[&change.header.id()].iter().copied()).collect()
}

/// Gives whether something did not count.
fn agree(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let all = history(&mut random);
    let expected = definition(&all);
    for _ in 0..3 {
        let mut order = all.clone();
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at as u64 + 1) as usize);
        }
        let mut log = Log::new(DOCUMENT, Members::owned_by(key(0).public()));
        let mut applied: Vec<ChangeId> = Vec::new();
        while !order.is_empty() {
            let rest = order.split_off((1 + random.below(6) as usize).min(order.len()));
            let received = log.receive(std::mem::replace(&mut order, rest), 0);
            assert_eq!(received.refused, [], "seed {seed}");
            applied.extend(received.counting);
            if received.rebuild {
                applied = log.counting().map(|(id, _)| *id).collect();
            }
            // What an app has applied is what counts, each behind what it follows.
            let counting: BTreeSet<ChangeId> = log.counting().map(|(id, _)| *id).collect();
            assert_eq!(applied.iter().copied().collect::<BTreeSet<_>>(), counting, "seed {seed}");
            assert_eq!(applied.len(), counting.len(), "seed {seed}");
            for (at, id) in applied.iter().enumerate() {
                let mut follows = log.get(id).unwrap().header.follows();
                assert!(follows.all(|parent| applied[..at].contains(parent)), "seed {seed}");
            }
            let heads = log.counting().filter(|(id, _)| {
                !log.counting().any(|(_, change)| change.header.follows().any(|parent| parent == *id))
            });
            let heads: BTreeSet<ChangeId> = heads.map(|(id, _)| *id).collect();
            assert_eq!(log.heads(), heads.into_iter().collect::<Vec<_>>(), "seed {seed}");
        }
        assert_eq!((log.len(), log.waiting()), (all.len(), 0), "seed {seed}");
        assert_eq!(applied.into_iter().collect::<BTreeSet<_>>(), expected, "seed {seed}");
        for fork in log.forks() {
            fork.verify().unwrap();
        }
        // And to a new replica, in one piece, under few signatures.
        let mut new = Log::new(DOCUMENT, Members::owned_by(key(0).public()));
        let received = new.decode_and_receive(&log.encode_since(&[]), 0).unwrap();
        assert_eq!((received.accepted, received.refused.len()), (all.len(), 0), "seed {seed}");
        assert_eq!(new.heads(), log.heads(), "seed {seed}");
    }
    expected.len() < all.len()
}

#[test]
fn all_agree_on_what_counts() {
    assert!((0..60).filter(|seed| agree(*seed)).count() > 10, "the histories are too tame");
}

#[test]
#[ignore = "long: 3,000 histories"]
fn all_agree_on_what_counts_over_many_histories() {
    assert!((0..3_000).filter(|seed| agree(*seed)).count() > 500);
}
