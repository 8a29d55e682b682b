//! An envelope is what its bytes are, and no byte of one that was signed can be another.
#![no_main]

use dsys_core::SecretKey;
use dsys_gossip::MessageId;
use dsys_gossip::envelope::{Door, DoorConfig, Envelope, Timestamp};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let end = Timestamp::from_millis(1_800_000_060_000);
    let topic: dsys_gossip::TopicName = "a".parse().expect("a name");
    if let Some(envelope) = Envelope::decode(&bytes.to_vec().into()) {
        assert_eq!(envelope.encode(), bytes);
        let mut door = Door::new(envelope.topic.clone(), DoorConfig::default());
        let id = envelope.digest().id();
        assert!(door.check(id, &bytes.to_vec().into(), now, |_, _| false).is_err() || envelope.is_signed(&envelope.digest()));
    }
    // The first byte says which byte of a good one is altered, the second how.
    let [at, by, rest @ ..] = bytes else { return };
    let key = SecretKey::from_bytes([1; 32]);
    let good = match rest.first_chunk::<16>() {
        Some(name) if by % 2 == 1 => Envelope::certify(&key, topic, 1, now, end, MessageId(*name)),
        _ => Envelope::sign(&key, topic, 1, now, end, rest.to_vec().into()),
    };
    let id = good.digest().id();
    let mut altered = good.encode().to_vec();
    let place = usize::from(*at) % altered.len();
    altered[place] ^= by;
    let mut door = Door::new(good.topic.clone(), DoorConfig::default());
    let checked = door.check(id, &altered.into(), now, |_, _| false);
    assert_eq!(checked.is_ok(), *by == 0);
});
