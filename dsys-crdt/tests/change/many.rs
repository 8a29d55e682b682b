//! Very many at once.

use dsys_crdt::change::{Log, LogConfig, Open, Refused};

use crate::{DOCUMENT, open};

fn key(number: u32) -> dsys_core::SecretKey {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    dsys_core::SecretKey::from_bytes(bytes)
}

/// A log of what so many wrote who have never met.
fn heads(count: u32) -> Log<Open> {
    let mut all = open();
    for number in 0..count {
        let change = open().commit(&key(number), 0, vec![1]).unwrap();
        all.receive([change], 0);
    }
    all
}

#[test]
fn a_thousand_heads_are_joined_before_a_change() {
    for (count, joins) in [(256, 0), (257, 1), (512, 1), (513, 2), (1_000, 3)] {
        let mut log = heads(count);
        // A stranger, and one of them.
        for author in [count + 5, 3] {
            let mut log = log.clone();
            let before = log.heads();
            let change = log.commit(&key(author), 0, b"said".to_vec()).unwrap();
            let others = count as usize - usize::from(author == 3);
            assert_eq!(log.len() - count as usize - 1, others.saturating_sub(1) / 256, "{count} {joins}");
            assert_eq!((log.heads(), change.header.others.len() <= 256), (vec![change.header.id()], true));
            // Everybody takes it in, and one who has all but these in one piece.
            let lacking = log.since(&before);
            assert_eq!(lacking.len(), log.len() - count as usize);
            let mut there = heads(count);
            let received = there.receive(lacking, 0);
            assert_eq!((received.refused, there.heads()), (vec![], log.heads()));
            assert_eq!(open().decode_and_receive(&log.encode_since(&[]), 0).unwrap().accepted, log.len());
        }
        log.commit(&key(count + 5), 0, vec![]).unwrap();
        assert_eq!(log.len(), count as usize + joins + 1);
    }
}

#[test]
fn what_cannot_be_said_joins_nothing() {
    let mut config = LogConfig::default();
    (config.max_body, config.max_follows) = (3, 2);
    let mut log = Log::with_config(DOCUMENT, Open, config);
    log.receive(heads(9).since(&[]), 0);
    let refused = log.commit(&key(20), 0, b"long".to_vec());
    assert!(matches!(refused, Err(Refused::Malformed(_))));
    // The policy would have the joins, but not the change.
    assert!(matches!(log.grant(&key(20), 0, [key(3).public()]), Err(Refused::Denied(_))));
    assert_eq!((log.len(), log.heads().len()), (9, 9));
    log.commit(&key(20), 0, b"ok".to_vec()).unwrap();
    assert_eq!((log.len(), log.heads().len()), (9 + 4 + 1, 1));
}
