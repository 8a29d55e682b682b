//! An author who signs two changes in one place.

use dsys_crdt::change::{Change, ChangeId, Log, NoFork, Open, Refused};

use crate::{key, open};

/// A base, and two branches of key 1 that begin behind its second change.
fn forked() -> (Log<Open>, [Log<Open>; 2]) {
    let mut base = open();
    (0..2).for_each(|step| drop(base.commit(&key(1), 0, vec![step]).unwrap()));
    let branches = [b"left", b"rite"].map(|name| {
        let mut log = base.clone();
        (0..4).for_each(|_| drop(log.commit(&key(1), 0, name.to_vec()).unwrap()));
        log
    });
    (base, branches)
}

fn counting(log: &Log<Open>) -> Vec<ChangeId> {
    let mut ids: Vec<ChangeId> = log.counting().map(|(id, _)| *id).collect();
    ids.sort();
    ids
}

#[test]
fn a_fork_is_found_proven_and_counts_from_neither_side() {
    let (base, [left, right]) = forked();
    let mut meets = [left.clone(), right.clone()];
    let first = meets[0].receive(right.since(&base.heads()), 0);
    let second = meets[1].receive(left.since(&base.heads()), 0);
    for (log, received) in meets.iter().zip([first, second]) {
        assert_eq!((received.accepted, received.counting.len(), received.rebuild), (4, 0, true));
        assert_eq!(received.forked, [key(1).public()]);
        assert_eq!((counting(log), log.heads()), (counting(&base), base.heads()));
        // The proof stands by itself; altered, it proves nothing.
        let [proof] = &log.forks()[..] else { panic!("one proof") };
        assert_eq!(proof.verify(), Ok(key(1).public()));
        let bytes = postcard::to_allocvec(proof).unwrap();
        assert_eq!(postcard::from_bytes::<dsys_crdt::change::Fork>(&bytes).as_ref(), Ok(proof));
        let mut same = proof.clone();
        same.right = same.left.clone();
        assert_eq!(same.verify(), Err(NoFork::Apart));
        let mut longer = proof.clone();
        longer.left.headers.swap_remove(0);
        assert!(longer.verify().is_err());
        let mut altered = proof.clone();
        altered.right.headers[0].wall += 1;
        assert_eq!(altered.verify(), Err(NoFork::Broken));
    }
    // The forked key is of no use here any more; others go on.
    assert_eq!(meets[0].commit(&key(1), 0, vec![]), Err(Refused::Suspended));
    let next = meets[0].commit(&key(2), 0, b"on".to_vec()).unwrap();
    assert_eq!(meets[1].receive([next], 0).counting.len(), 1);
    assert_eq!(counting(&meets[0]), counting(&meets[1]));
}

#[test]
fn what_others_have_built_on_counts_on_both_sides() {
    let (base, [mut left, mut right]) = forked();
    // Each side is believed by somebody who does not know of the other.
    left.commit(&key(2), 0, b"on the left".to_vec()).unwrap();
    let mut alone = left.clone();
    let both: Vec<Change> = right.since(&base.heads());
    let received = left.receive(both.clone(), 0);
    assert_eq!((received.counting.len(), received.rebuild, left.heads()), (0, false, alone.heads()));
    right.commit(&key(3), 0, b"on the right".to_vec()).unwrap();
    let received = left.receive(right.since(&base.heads()), 0);
    assert_eq!((received.counting.len(), received.rebuild), (5, false), "four older ones count now");
    right.receive(left.since(&base.heads()), 0);
    alone.receive(right.since(&base.heads()), 0);
    assert_eq!((counting(&left).len(), left.heads().len()), (12, 2));
    for log in [&right, &alone] {
        assert_eq!((counting(log), log.heads()), (counting(&left), left.heads()));
    }
}

/// What was the version before a branch, and is none any more when somebody has built on the branch.
#[test]
fn a_branch_that_begins_to_count_takes_the_place_of_what_it_follows() {
    let mut log = open();
    let before = log.commit(&key(1), 0, b"before".to_vec()).unwrap().header.id();
    let (mut left, mut right) = (log.clone(), log.clone());
    let branches = [left.commit(&key(1), 0, b"left".to_vec()), right.commit(&key(1), 0, b"right".to_vec())];
    log.receive(branches.map(Result::unwrap), 0);
    assert_eq!((log.heads(), log.counting().count()), (vec![before], 1));
    let built = left.commit(&key(2), 0, b"built on it".to_vec()).unwrap();
    let received = log.receive([built.clone()], 0);
    assert_eq!((received.counting.len(), received.rebuild), (2, false));
    assert_eq!((log.heads(), log.counting().count()), (vec![built.header.id()], 3));
}

#[test]
fn the_first_change_of_all_can_fork_and_branches_are_bounded() {
    let mut log = open();
    for byte in 0..80 {
        let change = open().commit(&key(1), 0, vec![byte]).unwrap();
        let received = log.receive([change], 0);
        assert_eq!(received.refused.is_empty(), byte < 64);
    }
    assert_eq!((log.len(), log.counting().count(), log.heads().len()), (64, 0, 0));
    assert_eq!(log.forks()[0].verify(), Ok(key(1).public()));
}
