//! Changes as bytes.

use dsys_crdt::change::{BundleError, Change, Log, Members, decode, encode};
use proptest::prelude::*;

use crate::{DOCUMENT, key, members};

const IDS: [&str; 4] = ["b21aec0f5d", "89d9a0eef3", "8d4270d69c", "8b2bb25d12"];

fn sample() -> Vec<Change> {
    let mut log = members(2);
    let mut there = log.clone();
    log.commit(&key(1), 1_700_000_000_000, b"milk".to_vec()).unwrap();
    there.commit(&key(2), 1_699_999_999_000, b"eggs".to_vec()).unwrap();
    log.receive(there.since(&log.heads()), 1_700_000_000_000);
    log.commit(&key(1), 1_700_000_001_000, b"".to_vec()).unwrap();
    log.since(&[])
}

#[test]
fn changes_come_back_as_they_were_in_any_order_and_part() {
    let mut changes = sample();
    for _ in 0..changes.len() {
        changes.rotate_left(1);
        for part in 0..=changes.len() {
            assert_eq!(decode(&encode(&changes[..part])).as_deref(), Ok(&changes[..part]));
        }
    }
}

/// Names and signatures are deterministic; the packing is whatever unpacks to the same.
#[test]
fn the_format_is_what_it_was() {
    let hex = include_str!("golden.hex").trim();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    assert_eq!(decode(&bytes), Ok(sample()));
    let ids: Vec<String> = sample().iter().map(|change| format!("{:?}", change.header.id())).collect();
    assert_eq!(ids, IDS);
}

#[test]
fn other_bytes_are_refused_by_name() {
    let mut bytes = encode(&sample());
    assert_eq!(decode(&bytes[..7]), Err(BundleError::NotChanges));
    assert_eq!(decode(b"PK\x03\x04 and more"), Err(BundleError::NotChanges));
    let (mut huge, mut newer) = (bytes[..8].to_vec(), bytes.clone());
    newer[7] = 2;
    assert_eq!(decode(&newer), Err(BundleError::Version(2)));
    huge.extend([0xff; 9]);
    huge.extend([0x01, 0, 0]);
    assert!(matches!(decode(&huge), Err(BundleError::Malformed(_))));
    bytes.truncate(bytes.len() - 1);
    assert!(matches!(decode(&bytes), Err(BundleError::Malformed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is altered on the way, nothing is taken that was not signed.
    #[test]
    fn altered_bytes_bring_nothing_new(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4)) {
        let changes = sample();
        let mut bytes = encode(&changes);
        for (at, mask) in flips {
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= mask;
        }
        if let Ok(read) = decode(&bytes) {
            let mut log = Log::new(DOCUMENT, Members::owned_by(key(0).public()));
            log.receive(read, u64::MAX);
            let ids: Vec<_> = changes.iter().map(|change| change.header.id()).collect();
            prop_assert!(log.counting().all(|(id, _)| ids.contains(id)));
        }
    }
}
