//! A node, and what is thrown at it: each message behind a byte that names the sender and two with its length. A sender
//! beyond the eighth is the passing of time instead, or one of the node's own operations.

use std::fmt::Debug;

use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_dht::records::{Command, Config, Kind, Message, Record, Records, UnixTime, Value};
use dsys_dht::{Key, Overlay, QueryId};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn id(number: u8) -> NodeId {
    let mut bytes = [0; 32];
    Rng::from_seed(number.into()).fill(&mut bytes);
    NodeId::from_bytes(bytes)
}

/// Effects that one input may have.
const MOST: usize = 4_096;

pub fn course<O>(overlay: O, mut bytes: &[u8], holds: impl Fn(&O))
where
    O: Overlay<Message: Clone + Debug + PartialEq + Serialize + DeserializeOwned>,
{
    let mut config = Config::default();
    config.max_bytes = 64 << 10;
    config.max_calls = 64;
    config.max_operations = 4;
    let most = config.max_bytes;
    let mut node = Records::new(overlay, UnixTime(1_800_000_000), config);
    let (mut rng, mut now, mut timers) = (Rng::from_seed(1), Time::ZERO, Vec::new());
    let mut give = |node: &mut Records<O>, input, now| {
        let mut effects = Vec::new();
        node.handle(input, &mut Context::new(now, &mut rng, &mut effects));
        assert!(effects.len() <= MOST, "{} effects of one input", effects.len());
        for effect in effects {
            if let Effect::SetTimer(timer, _) = effect {
                timers.retain(|other| *other != timer);
                timers.push(timer);
            }
        }
        timers.clone()
    };
    give(&mut node, Input::Start, now);
    while let [from, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (message, after) = rest.split_at(length);
        bytes = after;
        if *from < 8 {
            let Ok(message) = postcard::from_bytes::<Message<O::Message>>(message) else { continue };
            let again = postcard::to_allocvec(&message).expect("what was decoded encodes");
            assert_eq!(postcard::from_bytes::<Message<O::Message>>(&again).ok().as_ref(), Some(&message));
            give(&mut node, Input::Message(id(*from), message), now);
        } else {
            now = now + std::time::Duration::from_millis(u64::from(*low));
            let key = Key::from_bytes([*high; 32]);
            let input = match from % 5 {
                0 => Input::Command(Command::Get { op: QueryId(1), key, kind: Kind::Mutable, enough: 2, steps: true }),
                1 => Input::Command(Command::Put { op: QueryId(2), record: record(*high), after: None, steps: true }),
                2 => Input::Command(Command::Sweep { op: QueryId(3), records: (0..*high % 8).map(record).collect() }),
                3 => Input::Command(Command::Bulk { op: QueryId(4), keys: vec![key, record(*high).id().key] }),
                _ => {
                    let timers = give(&mut node, Input::PeerUp(id(from % 8)), now);
                    match timers.get(usize::from(*high) % timers.len().max(1)) {
                        Some(timer) => Input::Timer(*timer),
                        None => Input::PeerDown(id(from % 8)),
                    }
                }
            };
            give(&mut node, input, now);
        }
        assert!(node.stats().bytes <= most);
        holds(node.overlay());
    }
}

fn record(number: u8) -> Record {
    Record::Immutable(Value::new(vec![number; 3]).expect("it is short"))
}
