//! Envelopes: their bytes, what the door lets in, and what each refusal costs.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::SecretKey;
use dsys_gossip::MessageId;
use dsys_gossip::envelope::{Door, DoorConfig, Envelope, Refusal, Timestamp, TopicId, TopicName};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

fn topic() -> TopicName {
    "news.announce".parse().unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn envelope(payload: &'static str) -> Envelope {
    Envelope::sign(&key(7), topic(), 258, now(), now().plus(HOUR), payload.into())
}

fn door() -> Door {
    Door::new(topic(), DoorConfig { max_payload: 100, ..DoorConfig::default() })
}

#[test]
fn an_envelope_has_these_bytes_and_this_name() {
    let envelope = envelope("hello");
    let bytes = envelope.encode();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&bytes[64..96]), hex(key(7).public().as_bytes()));
    assert_eq!(
        hex(&bytes[96..]),
        "0000000000000102000001a3185c5000000001a318933e80000d6e6577732e616e6e6f756e636568656c6c6f"
    );
    assert_eq!(hex(&envelope.digest().id().0), "997a37b3e3813ac5cc8aee78b0093710");
    assert_eq!(
        hex(&bytes[..64]),
        "ba7665b540a5e9cff59a52522206448742f5175f15743e5aa0cc874d7c9c0a6f\
         4e85f1740ecc699ac8d007a700fe5afd8e936805019d1c72104cc605108af40c"
    );
    assert_eq!(bytes.len(), Envelope::overhead(&topic()) + 5);
    assert_eq!(Envelope::decode(&bytes), Some(envelope));
    assert_eq!(topic().id(), TopicId([0x49, 0xbf, 0x24, 0xf0, 0x9b, 0x31, 0xf8, 0xff]));
}

#[test]
fn a_certificate_has_these_bytes_and_is_no_message() {
    let deleted = MessageId([9; 16]);
    let certificate = Envelope::certify(&key(7), topic(), 258, now(), now().plus(HOUR), deleted);
    let bytes = certificate.encode();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (head, nines) =
        ("0000000000000102000001a3185c5000000001a318933e80010d6e6577732e616e6e6f756e6365", "09".repeat(16));
    assert_eq!(hex(&bytes[96..]), format!("{head}{nines}"));
    assert_eq!(hex(&certificate.digest().id().0), "3f52b782c948c8c69383149022e69dac");
    assert_eq!(certificate.deletes(), Some(deleted));
    let name = certificate.digest().id();
    assert_eq!(door().check(name, &bytes, now(), |_, _| false), Ok(certificate.clone()));
    assert_eq!(Envelope::decode(&bytes), Some(certificate));
    // The same bytes as a message are another message, which nobody has signed; and a name has sixteen bytes.
    let with = |place: usize, byte: u8| {
        let mut other = bytes.to_vec();
        other[place] = byte;
        Envelope::decode(&other.into())
    };
    let message = with(120, 0).unwrap();
    assert_eq!((message.deletes(), message.digest().id() == name), (None, false));
    assert!(!message.is_signed(&message.digest()));
    assert_eq!((with(120, 2), with(121, 12)), (None, None));
}

#[test]
fn two_equal_payloads_are_two_messages_and_times_are_no_part_of_the_name() {
    let (first, later) = (now(), now().plus(HOUR));
    let sign = |seq, time| Envelope::sign(&key(7), topic(), seq, time, later, "same".into()).digest().id();
    assert_ne!(sign(1, first), sign(2, first));
    assert_eq!(sign(1, first), sign(1, first.plus(Duration::from_secs(1))));
}

/// What comes, and what it must cost: payloads hashed, signatures checked.
#[test]
fn each_refusal_costs_no_more_than_it_must() {
    let good = envelope("good");
    let name = good.digest().id();
    let with = |change: fn(&mut Envelope)| {
        let mut envelope = good.clone();
        change(&mut envelope);
        envelope.encode()
    };
    let again = |envelope: &Envelope| envelope.digest().id();
    let old = Envelope::sign(&key(7), topic(), 1, now(), now(), "old".into());
    let older =
        Envelope::sign(&key(7), topic(), 1, Timestamp::from_millis(1), now().plus(HOUR), "older".into());
    let ahead = now().plus(Duration::from_secs(31));
    let early = Envelope::sign(&key(7), topic(), 1, ahead, ahead.plus(HOUR), "early".into());
    let other = Envelope::sign(&key(7), "news".parse().unwrap(), 1, now(), now().plus(HOUR), "x".into());
    type Case = (&'static str, MessageId, Bytes, bool, Refusal, (u64, u64));
    let cases: Vec<Case> = vec![
        ("oversized", name, envelope(&*"x".repeat(101).leak()).encode(), false, Refusal::Oversized, (0, 0)),
        ("cut", name, good.encode().slice(..121), false, Refusal::Malformed, (0, 0)),
        ("another topic", again(&other), other.encode(), false, Refusal::OtherTopic, (0, 0)),
        ("expired", again(&old), old.encode(), false, Refusal::Expired, (0, 0)),
        ("older than any may be", again(&older), older.encode(), false, Refusal::Expired, (0, 0)),
        ("future-dated", again(&early), early.encode(), false, Refusal::FutureDated, (0, 0)),
        ("replayed", name, good.encode(), true, Refusal::Duplicate, (0, 0)),
        ("under another name", again(&old), good.encode(), false, Refusal::WrongName, (1, 0)),
        ("altered", name, with(|one| one.payload = "evil".into()), false, Refusal::WrongName, (1, 0)),
        (
            "kept alive",
            name,
            with(|one| one.expires = one.expires.plus(HOUR)),
            false,
            Refusal::Forged,
            (1, 1),
        ),
        (
            "back-dated",
            name,
            with(|one| one.time = Timestamp::from_millis(1_799_999_999_999)),
            false,
            Refusal::Forged,
            (1, 1),
        ),
    ];
    for (what, name, bytes, seen, refusal, cost) in cases {
        let mut door = door();
        assert_eq!(door.check(name, &bytes, now(), |_, _| seen), Err(refusal), "{what}");
        let stats = door.stats();
        assert_eq!((stats.hashed, stats.signatures_checked), cost, "{what}");
        assert_eq!(stats.passed, 0);
        let honest = matches!(refusal, Refusal::Expired | Refusal::FutureDated | Refusal::Duplicate);
        assert_eq!(refusal.is_violation(), !honest);
    }
    // Somebody else's name on it.
    let mut forged = good.clone();
    forged.origin = key(8).public();
    let mut door = door();
    assert_eq!(door.check(forged.digest().id(), &forged.encode(), now(), |_, _| false), Err(Refusal::Forged));
    assert_eq!(door.check(name, &good.encode(), now(), |_, _| false), Ok(good));
    let stats = door.stats();
    assert_eq!((stats.passed, stats.forged, stats.signatures_checked), (1, 1, 2));
}

#[test]
fn a_name_of_a_topic_is_what_it_looks_like() {
    for bad in ["", ".", "a.", ".a", "a..b", "A", "ä", "a b", &"a".repeat(64), &["a"; 129].join(".")] {
        assert!(bad.parse::<TopicName>().is_err(), "{bad:?}");
    }
    let longest = [&*"a".repeat(63); 4].join(".");
    assert_eq!(longest.parse::<TopicName>().unwrap().labels().count(), 4);
    let within =
        |one: &str, other: &str| one.parse::<TopicName>().unwrap().is_within(&other.parse().unwrap());
    assert!(within("a.b.c", "a.b") && within("a", "a") && !within("a", "a.b") && !within("ab", "a"));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_as_what_they_are(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200), length in 0u8..30,
    ) {
        // Often enough with a topic.
        if let Some(place) = bytes.get_mut(121) {
            *place = length;
            bytes[122..].fill(b'a');
        }
        let bytes = Bytes::from(bytes);
        if let Some(envelope) = Envelope::decode(&bytes) {
            prop_assert_eq!(envelope.encode(), bytes);
        }
    }

    #[test]
    fn no_bit_of_an_envelope_can_be_changed(bit in 0usize..8 * (64 + 32 + 24 + 2 + 13 + 5)) {
        let good = envelope("hello");
        let mut bytes = good.encode().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let checked = door().check(good.digest().id(), &bytes.into(), now(), |_, _| false);
        prop_assert!(checked.is_err(), "bit {}", bit);
    }
}
