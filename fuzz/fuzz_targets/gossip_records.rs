//! Records of a store that was damaged: named, or a log that can be read, written and restored again.
#![no_main]

use std::sync::Arc;

use dsys_core::{Context, Effect, Input, Machine, Rng, SecretKey, Time, Write};
use dsys_gossip::MemoryStore;
use dsys_gossip::envelope::Timestamp;
use dsys_gossip::router::{Command, Config, Cursor, Event, Router};

fn router(records: &[Vec<u8>]) -> Option<Router> {
    let key = Arc::new(SecretKey::from_bytes([1; 32]));
    let (me, began) = (key.public(), Timestamp::from_millis(1_800_000_000_000));
    let router = Router::new(key, me, MemoryStore::with_budget(1 << 20), began, Config::default());
    router.restore(records.iter().map(Vec::as_slice)).ok()
}

/// Publishes, deletes and reads; what was written meanwhile, and the places that were read.
fn live(router: &mut Router) -> (Vec<Vec<u8>>, Vec<u64>) {
    let (mut rng, mut effects) = (Rng::from_seed(1), Vec::new());
    let topic: dsys_gossip::TopicName = "a".parse().expect("a name");
    let read = Command::Read { topic: topic.clone(), ticket: 0, from: Cursor::Oldest, most: 1_000 };
    let commands = [
        Command::Join { topic: topic.clone(), contacts: vec![] },
        Command::Publish { topic: topic.clone(), ticket: 0, payload: "x".into() },
        Command::Delete { topic, ticket: 0, id: dsys_gossip::MessageId([7; 16]) },
        read,
    ];
    for command in commands {
        router.handle(Input::Command(command), &mut Context::new(Time::ZERO, &mut rng, &mut effects));
    }
    let (mut records, mut places) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Store(_, Write::Append(record)) => records.push(record),
            Effect::Emit(Event::Page { messages, .. }) => places = messages.iter().map(|one| one.place).collect(),
            _ => {}
        }
    }
    (records, places)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Good ones, of which some are altered, left out, or followed by others: two bytes each.
    let (mut records, _) = live(&mut router(&[]).expect("nothing is damaged"));
    let (steps, other) = bytes.split_at(bytes.len().min(8));
    for step in steps.chunks_exact(2) {
        let count = records.len();
        let record = &mut records[usize::from(step[0]) % count];
        let place = usize::from(step[1]) % record.len().max(1);
        match step[0] / 16 % 4 {
            0 => record.truncate(place),
            1 => *record = other.to_vec(),
            2 => *record = [&[1], other].concat(),
            _ => record.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= step[0]),
        }
    }
    let Some(mut first) = router(&records) else { return };
    let (more, places) = live(&mut first);
    assert!(places.windows(2).all(|two| two[0] < two[1]));
    records.extend(more);
    let mut second = router(&records).expect("what it wrote itself it can read");
    let (_, again) = live(&mut second);
    assert!(again.len() >= places.len() && again.starts_with(&places));
});
