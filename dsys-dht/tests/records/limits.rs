//! Every bound holds, and is counted when it is hit.

use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_dht::kademlia::{self, Kademlia};
use dsys_dht::records::{
    Ask, Command, Config, Event, GetError, Kind, Letter, Message, Offered, Record, RecordId, Records,
    Refused, Tell, Value,
};
use dsys_dht::{Key, QueryId};
use proptest::prelude::*;

use crate::world::{EPOCH, mutable, provider, value};

type Node = Records<Kademlia>;

fn node(config: Config) -> Node {
    Records::new(Kademlia::new(id(0), Vec::new(), kademlia::Config::default()), EPOCH, config)
}

fn id(number: u64) -> NodeId {
    let mut bytes = [0; 32];
    Rng::from_seed(number).fill(&mut bytes);
    NodeId::from_bytes(bytes)
}

fn give(node: &mut Node, at: Duration, input: Input<Node>) -> Vec<Effect<Node>> {
    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(0));
    node.handle(input, &mut Context::new(Time::ZERO + at, &mut rng, &mut effects));
    effects
}

fn ask(node: &mut Node, at: Duration, from: NodeId, ask: Ask) -> Tell {
    let letter = Some(Letter::Ask { call: 1, ask });
    let effects = give(node, at, Input::Message(from, Message { overlay: None, letter }));
    let told = effects.into_iter().find_map(|effect| match effect {
        Effect::Send(to, Message { letter: Some(Letter::Tell { tell, .. }), .. }) if to == from => Some(tell),
        _ => None,
    });
    told.expect("it answers")
}

fn store(number: u32, length: usize, cached: bool) -> Ask {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length.max(4), 0);
    Ask::Store { record: Record::Immutable(Value::new(bytes).unwrap()), ttl: 1_000, after: None, cached }
}

#[test]
fn the_budget_of_bytes_holds_and_mere_copies_go_first() {
    let mut config = Config::default();
    config.max_bytes = 100_000;
    let mut node = node(config);
    let kept = |tell: Tell| tell == Tell::Stored;
    for number in 0..200 {
        assert!(kept(ask(&mut node, Duration::ZERO, id(1), store(number, 1_000, true))), "{number}");
        assert!(node.stats().bytes <= 100_000);
    }
    let copies = node.stats().records;
    assert!((60..=100).contains(&copies));
    // In earnest: each takes the place of a copy, until there is none.
    let stored =
        (1_000..1_200).filter(|n| kept(ask(&mut node, Duration::ZERO, id(1), store(*n, 1_000, false))));
    assert_eq!(stored.count(), copies);
    assert_eq!(
        ask(&mut node, Duration::ZERO, id(1), store(5_000, 4, false)),
        Tell::Stored,
        "a small one fits"
    );
    let full = Tell::Refused(Refused::Full);
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(6_000, 60_000, false)), full);
    assert!(node.stats().refused_full > 100 && node.stats().bytes <= 100_000);
    // When their time is over there is room again.
    let later = Duration::from_secs(1_001);
    assert_eq!(ask(&mut node, later, id(1), store(7_000, 60_000, false)), Tell::Stored);
    assert_eq!(node.stats().records, 1);
}

#[test]
fn a_flood_of_one_peer_ends_at_its_share_and_others_go_on() {
    let mut config = Config::default();
    config.peer_burst = (100, 50_000);
    let mut node = node(config);
    let too_fast = Tell::Refused(Refused::TooFast);
    let tells: Vec<Tell> =
        (0..1_000).map(|number| ask(&mut node, Duration::ZERO, id(1), store(number, 4, false))).collect();
    assert_eq!(tells.iter().filter(|tell| **tell == Tell::Stored).count(), 100);
    assert_eq!(tells.last(), Some(&too_fast));
    assert_eq!(node.stats().refused_too_fast, 900);
    assert_eq!(ask(&mut node, Duration::ZERO, id(2), store(9_000, 4, false)), Tell::Stored);
    // By bytes too.
    assert_eq!(ask(&mut node, Duration::ZERO, id(3), store(9_001, 40_000, false)), Tell::Stored);
    assert_eq!(ask(&mut node, Duration::ZERO, id(3), store(9_002, 40_000, false)), too_fast);
    // A tenth comes back in 100 s.
    let later = Duration::from_secs(100);
    let stored =
        (0..50).filter(|n| ask(&mut node, later, id(1), store(10_000 + n, 4, false)) == Tell::Stored);
    assert_eq!(stored.count(), 10);
}

#[test]
fn many_peers_are_not_remembered_for_ever() {
    let mut config = Config::default();
    config.max_peers = 100;
    config.peer_burst = (10, 1 << 20);
    let mut node = node(config);
    // One that floods is still known when many others have come by.
    for number in 0..10 {
        assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(number, 4, false)), Tell::Stored);
    }
    for peer in 2..2_000 {
        ask(&mut node, Duration::ZERO, id(peer), store(1, 4, false));
    }
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(99, 4, false)), Tell::Refused(Refused::TooFast));
}

#[test]
fn operations_beyond_the_bound_are_refused_at_once() {
    let mut config = Config::default();
    config.max_operations = 3;
    let mut node = node(config);
    give(
        &mut node,
        Duration::ZERO,
        Input::Command(Command::Overlay(dsys_dht::Command::Bootstrap(vec![id(1).into()]))),
    );
    let get = |op| Command::Get {
        op: QueryId(op),
        key: Key::from_bytes([1; 32]),
        kind: Kind::Immutable,
        enough: 1,
        steps: false,
    };
    for op in 0..3 {
        let effects = give(&mut node, Duration::ZERO, Input::Command(get(op)));
        assert!(effects.iter().all(|effect| !matches!(effect, Effect::Emit(_))), "it runs");
    }
    let refused = |effects: Vec<Effect<Node>>| {
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Emit(Event::Got { result: Err(GetError::Busy), .. })))
    };
    assert!(refused(give(&mut node, Duration::ZERO, Input::Command(get(3)))));
    give(&mut node, Duration::ZERO, Input::Command(Command::Cancel(QueryId(1))));
    assert!(!refused(give(&mut node, Duration::ZERO, Input::Command(get(3)))));
    assert!(refused(give(&mut node, Duration::ZERO, Input::Command(get(3)))), "the name is taken");
    assert_eq!(node.stats().operations_refused, 2);
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let record = prop_oneof![
        (0..8_u32).prop_map(|n| value(&n.to_string())),
        (1..4_u8, 0..4_u64).prop_map(|(who, seq)| mutable(who, seq, "x")),
        (1..6_u8).prop_map(|who| provider(who, Key::from_bytes([3; 32]))),
    ];
    prop_oneof![
        (record, any::<u32>(), any::<Option<u64>>(), any::<bool>())
            .prop_map(|(record, ttl, after, cached)| Ask::Store { record, ttl, after, cached }),
        (any::<[u8; 32]>()).prop_map(|key| Ask::Get { key: Key::from_bytes(key), kind: Kind::Provider }),
        (any::<u64>()).prop_map(|version| {
            let id = RecordId { key: Key::from_bytes([1; 32]), kind: Kind::Mutable, owner: id(0) };
            Ask::Offer(vec![Offered { id, version }; 3].into())
        }),
        Just(Ask::Pull),
    ]
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = postcard::from_bytes::<Message<kademlia::Message>>(&bytes) {
            let mut node = node(Config::default());
            give(&mut node, Duration::ZERO, Input::Message(id(1), message.clone()));
            let again = postcard::to_allocvec(&message).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Message<kademlia::Message>>(&again).unwrap(), message);
        }
    }

    /// Whatever is asked, in any order and at any time, the bounds hold and every question has one answer.
    #[test]
    fn no_sequence_of_questions_breaks_a_node(
        course in proptest::collection::vec((0..6_u64, any_ask(), 0..2_000_u64), 1..60),
    ) {
        let mut config = Config::default();
        config.max_bytes = 3_000;
        config.max_providers = 2;
        config.peer_burst = (20, 10_000);
        config.max_peers = 3;
        let mut node = node(config);
        let mut now = 0;
        for (from, question, passed) in course {
            now += passed;
            ask(&mut node, Duration::from_secs(now), id(from), question);
            prop_assert!(node.stats().bytes <= 3_000);
            let providers = (1..6).filter(|who| node.keeps(&provider(*who, Key::from_bytes([3; 32])).id()));
            prop_assert!(providers.count() <= 2);
        }
    }
}

#[test]
fn who_leaves_takes_nothing_and_says_so() {
    let mut node = node(Config::default());
    let offer = || Ask::Offer(vec![Offered { id: value("x").id(), version: 0 }].into());
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), offer()), Tell::Wanted(vec![0].into()));
    give(&mut node, Duration::ZERO, Input::Command(Command::Leave(QueryId(1))));
    // Else the asker would believe that it is in good hands here.
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), offer()), Tell::Refused(Refused::Full));
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(1, 4, false)), Tell::Refused(Refused::Full));
}

#[test]
fn a_holder_compares_before_it_swaps() {
    let mut node = node(Config::default());
    let store = |seq, after| Ask::Store { record: mutable(1, seq, "x"), ttl: 1_000, after, cached: false };
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(1, None)), Tell::Stored);
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(3, Some(1))), Tell::Stored);
    let overtaken = Tell::Refused(Refused::Newer(Box::new(mutable(1, 3, "x"))));
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(4, Some(1))), overtaken);
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), store(4, Some(3))), Tell::Stored);
}

#[test]
fn a_copy_of_what_may_change_is_not_served() {
    let mut node = node(Config::default());
    let record = mutable(1, 1, "x");
    let get = || Ask::Get { key: record.id().key, kind: Kind::Mutable };
    let store = |cached| Ask::Store { record: record.clone(), ttl: 1_000, after: None, cached };
    ask(&mut node, Duration::ZERO, id(1), store(true));
    assert_eq!(ask(&mut node, Duration::ZERO, id(1), get()), Tell::Found(Vec::new().into()));
    ask(&mut node, Duration::ZERO, id(1), store(false));
    assert!(matches!(ask(&mut node, Duration::ZERO, id(1), get()), Tell::Found(found) if found.len() == 1));
}
