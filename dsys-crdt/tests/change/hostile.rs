//! Changes that no honest replica makes: each is refused by name, and the log stays as it was.

use dsys_core::Domain;
use dsys_crdt::change::{Access, Change, ChangeId, DocumentId, Header, Log, LogConfig, Open, Refused};

use crate::{DOCUMENT, key, members, open};

const DOMAIN: Domain = Domain::from_static("dsys/crdt/change/1");

/// Alters a header and signs it anew, as its author could.
fn resigned(change: &Change, author: u8, alter: impl FnOnce(&mut Header)) -> Change {
    let mut change = change.clone();
    alter(&mut change.header);
    change.signature = Some(key(author).sign(DOMAIN, change.header.id().as_bytes()));
    change
}

/// Refuses a change for this reason and no other, changing nothing.
fn refuses<P: dsys_crdt::change::Policy>(log: &mut Log<P>, change: Change, why: Refused) {
    let (id, before) = (change.header.id(), (log.heads(), log.len(), log.waiting()));
    let received = log.receive([change], 1_000);
    assert_eq!(received.refused, [(id, why)]);
    assert_eq!((log.heads(), log.len(), log.waiting()), before);
}

#[test]
fn what_is_not_the_authors_word_is_refused() {
    let mut log = open();
    let first = log.commit(&key(1), 10, b"first".to_vec()).unwrap();
    let mut there = log.clone();
    let next = there.commit(&key(1), 11, b"next".to_vec()).unwrap();

    let mut forged = next.clone();
    forged.signature = Some(key(2).sign(DOMAIN, next.header.id().as_bytes()));
    refuses(&mut log, forged, Refused::Unsigned);
    let mut altered = next.clone();
    altered.body = b"evil".to_vec();
    refuses(&mut log, altered, Refused::Body);
    let mut altered = next.clone();
    altered.header.wall = 12;
    refuses(&mut log, altered, Refused::Unsigned);
    let mut unsigned = next.clone();
    unsigned.signature = None;
    refuses(&mut log, unsigned, Refused::Unsigned);
    // Signed for another purpose, or for another document.
    let mut other = next.clone();
    other.signature = Some(key(1).sign(Domain::from_static("dsys/other/1"), next.header.id().as_bytes()));
    refuses(&mut log, other, Refused::Unsigned);
    let other = resigned(&next, 1, |header| header.document = DocumentId::from_bytes([8; 32]));
    refuses(&mut log, other, Refused::Document);

    // A gap in the numbers, and the sequence of another author.
    refuses(&mut log, resigned(&next, 1, |header| header.seq = 5), Refused::WrongPrevious);
    refuses(&mut log, resigned(&next, 1, |header| header.seq = 0), Refused::WrongPrevious);
    refuses(&mut log, resigned(&next, 1, |header| header.previous = None), Refused::WrongPrevious);
    refuses(&mut log, resigned(&next, 2, |header| header.author = key(2).public()), Refused::WrongPrevious);

    let late = resigned(&next, 1, |header| header.wall = 1_000 + 86_400_001);
    refuses(&mut log, late, Refused::FarFuture { by: 86_400_001 });
    let twice = resigned(&next, 1, |header| header.others = vec![first.header.id()]);
    refuses(&mut log, twice, Refused::Malformed("what it follows is not in order"));
    refuses(&mut log, resigned(&next, 1, |header| header.access = vec![Access::Grant(key(1).public())]), {
        let denied = members(1).commit(&key(9), 0, vec![]).unwrap_err();
        assert!(matches!(denied, Refused::Denied(_)));
        Refused::Denied(dsys_crdt::change::Denied("here nobody can grant or revoke"))
    });
    assert_eq!(log.receive([next], 1_000).accepted, 1, "and the true one is taken");
}

#[test]
fn bounds_hold() {
    let mut config = LogConfig::default();
    (config.max_body, config.max_follows, config.max_waiting, config.max_waiting_of_author) = (3, 2, 3, 2);
    let mut log = Log::with_config(DOCUMENT, Open, config);
    let mut there = open();
    let long = there.commit(&key(1), 0, b"long".to_vec()).unwrap();
    refuses(&mut log, long.clone(), Refused::Malformed("the body is too long"));
    assert_eq!(log.commit(&key(1), 0, b"long".to_vec()), Err(Refused::Malformed("the body is too long")));
    let many = resigned(&long, 1, |header| {
        header.others = (1..4).map(|byte| ChangeId::from_bytes([byte; 32])).collect();
    });
    refuses(&mut log, many, Refused::Malformed("the body is too long"));
    // What follows something that is kept back waits, so many and no more.
    for (author, waits) in [(2, true), (2, true), (2, false), (3, true), (4, false)] {
        let change = there.commit(&key(author), 0, vec![author]).unwrap();
        match waits {
            true => assert_eq!(log.receive([change], 0).refused, []),
            false => refuses(&mut log, change, Refused::Waiting),
        }
    }
    assert_eq!((log.waiting(), log.len()), (3, 0));
    assert!(log.missing().any(|id| *id == long.header.id()));
    log.commit(&key(5), 0, b"ok".to_vec()).unwrap();
}

#[test]
fn what_is_withheld_holds_up_only_what_follows_it() {
    let mut there = open();
    let withheld = there.commit(&key(1), 0, b"a".to_vec()).unwrap();
    let later: Vec<Change> =
        (0..20).map(|step| there.commit(&key(1 + step % 3), 0, vec![step]).unwrap()).collect();
    let mut log = open();
    let own = log.commit(&key(9), 0, b"own".to_vec()).unwrap();
    let received = log.receive(later.into_iter().rev(), 0);
    assert_eq!((received.accepted, log.waiting(), log.heads()), (0, 20, vec![own.header.id()]));
    assert_eq!(log.missing().collect::<Vec<_>>(), [&withheld.header.id()]);
    let received = log.receive([withheld.clone()], 0);
    assert_eq!((received.accepted, received.counting.len(), log.waiting()), (21, 21, 0));
    assert_eq!(received.counting[0], withheld.header.id());
    assert_eq!(log.missing().count(), 0);
    assert_eq!(log.receive([withheld], 0), Default::default(), "known");
}

#[test]
fn one_signature_vouches_for_all_before_it() {
    let mut there = open();
    for step in 0..60 {
        there.commit(&key(1 + step % 2), 0, vec![step]).unwrap();
    }
    let history = there.since(&[]);
    assert_eq!(history.iter().filter(|change| change.signature.is_some()).count(), 2);
    assert_eq!(open().receive(history.clone(), 0).accepted, 60);
    // One bit anywhere, and nothing behind it is taken.
    let mut altered = history.clone();
    altered[30].body[0] ^= 1;
    let received = open().receive(altered, 0);
    assert!(received.accepted <= 30, "{received:?}");
    // Without the last ones there is nobody's word.
    let mut log = open();
    let received = log.receive(history[..58].to_vec(), 0);
    assert_eq!((received.accepted, received.refused.len(), log.len()), (0, 58, 0));
    // What came signed goes on signed, whatever part of it.
    log.receive(history, 0);
    let mut third = open();
    assert_eq!(third.receive(log.since(&third.heads()), 0).accepted, 60);
}

#[test]
fn a_refused_voucher_takes_those_it_vouched_for_with_it() {
    let mut there = members(1);
    let base = there.since(&[]);
    let own: Vec<Change> = (0..3).map(|step| there.commit(&key(1), 0, vec![step]).unwrap()).collect();
    let other = there.commit(&key(0), 0, b"follows".to_vec()).unwrap();
    // The member grants, which it may not, and sends its earlier changes under that signature alone.
    let tip = resigned(&own[2], 1, |header| {
        (header.seq, header.previous) = (3, Some(own[2].header.id()));
        header.access = vec![Access::Grant(key(5).public())];
    });
    let unsigned = own.iter().cloned().map(|change| Change { signature: None, ..change });
    let batch: Vec<Change> = base.clone().into_iter().chain(unsigned).chain([tip, other]).collect();
    let mut log = Log::new(DOCUMENT, dsys_crdt::change::Members::owned_by(key(0).public()));
    let received = log.receive(batch, 0);
    assert_eq!((received.accepted, log.len(), log.waiting()), (1, 1, 1), "{received:?}");
    assert_eq!(received.refused.len(), 4);
    // Signed each by itself, they are taken, and what waited for them.
    assert_eq!(log.receive(own, 0).accepted, 4);
    assert_eq!(log.heads(), there.heads());
}

#[test]
fn what_waits_joins_the_history_that_brings_what_it_waited_for() {
    let mut there = open();
    let mut live = Vec::new();
    for step in 0..12 {
        live.push(there.commit(&key(1 + step % 3), 0, vec![step]).unwrap());
    }
    // Some have come alive, out of order; the whole comes later, nearly without signatures.
    let mut log = open();
    log.receive([live[8].clone(), live[4].clone(), live[5].clone()], 0);
    assert_eq!(log.waiting(), 3);
    let received = log.receive(there.since(&log.heads()), 0);
    assert_eq!((received.accepted, received.refused, log.waiting()), (12, vec![], 0));
}

#[test]
fn a_summary_says_what_is_known_though_the_last_is_not() {
    let mut log = open();
    let mut there = log.clone();
    for step in 0..200u64 {
        log.commit(&key(1 + (step % 2) as u8), step, vec![]).unwrap();
        if step == 150 {
            there.receive(log.since(&[]), step);
            // The other goes on by itself, so that its head is unknown here.
            (0..9).for_each(|_| drop(there.commit(&key(3), step, vec![]).unwrap()));
        }
    }
    assert_eq!(log.since(&there.heads()).len(), 200, "heads alone say nothing here");
    assert_eq!(log.since(&there.summary()).len(), 49);
    // The other way round the last that both know lies within twice the distance.
    assert_eq!(there.since(&log.summary()).len(), 9 + 13);
    assert!(log.summary().len() < 20);
}
