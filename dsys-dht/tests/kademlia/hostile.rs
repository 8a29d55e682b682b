//! Peers that break the rules cost memory and time only within bounds, and no state.

use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeAddr, NodeId, Rng, Time};
use dsys_dht::kademlia::{Addresses, Ask, Config, Kademlia, Message, Nodes};
use dsys_dht::{Key, Overlay};
use proptest::prelude::*;

use crate::world::{find, fresh, random_key};

fn id(number: u64) -> NodeId {
    let mut bytes = [0; 32];
    Rng::from_seed(number).fill(&mut bytes);
    NodeId::from_bytes(bytes)
}

/// Hands a machine one message and returns what it does.
fn give(node: &mut Kademlia, at: u64, from: NodeId, message: Message) -> Vec<Effect<Kademlia>> {
    let mut effects = Vec::new();
    let mut rng = Rng::from_seed(0);
    let now = Time::from_nanos(at * 1_000_000_000);
    node.handle(Input::Message(from, message), &mut Context::new(now, &mut rng, &mut effects));
    effects
}

fn find_node(number: u64, server: Option<Addresses>) -> Message {
    Message::Request { call: 0, server, ask: Ask::FindNode(Key::of_node(id(number))) }
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut node = Kademlia::new(id(0), Vec::new(), Config::default());
    let before = format!("{:?}", node.contacts().collect::<Vec<_>>());
    for call in 0..100 {
        let nodes = Nodes::from(vec![NodeAddr::new(id(8)); 20]);
        assert!(give(&mut node, 0, id(7), Message::Answer { call, nodes }).is_empty());
    }
    assert_eq!(format!("{:?}", node.contacts().collect::<Vec<_>>()), before);
    assert_eq!(node.stats().unsolicited, 100);
}

#[test]
fn who_only_asks_never_enters_the_table() {
    let mut node = Kademlia::new(id(0), Vec::new(), Config::default());
    for number in 1..10_000 {
        let effects = give(&mut node, 0, id(number), find_node(number, Some(Addresses::default())));
        let sends = effects.iter().filter(|effect| matches!(effect, Effect::Send(..))).count();
        assert!((1..=2).contains(&sends), "an answer, and perhaps a probe");
    }
    assert_eq!(node.known(), 0);
    let stats = node.stats();
    assert_eq!((stats.probes, stats.probes_refused), (1_024, 10_000 - 1 - 1_024), "bounded by max_calls");
}

#[test]
fn another_cannot_answer_in_a_peers_place() {
    let mut node = Kademlia::new(id(0), Vec::new(), Config::default());
    let effects = give(&mut node, 0, id(1), find_node(5, Some(Addresses::default())));
    let call = effects.iter().find_map(|effect| match effect {
        Effect::Send(to, Message::Request { call, .. }) if *to == id(1) => Some(*call),
        _ => None,
    });
    let answer = |call| Message::Answer { call, nodes: Nodes::default() };
    give(&mut node, 0, id(2), answer(call.unwrap()));
    assert_eq!(node.known(), 0);
    give(&mut node, 0, id(1), answer(call.unwrap()));
    assert_eq!(node.contacts().map(|contact| contact.id).collect::<Vec<_>>(), [id(1)]);
}

#[test]
fn a_node_that_is_told_of_itself_does_not_ask_itself() {
    let mut node = Kademlia::new(id(0), vec![id(1).into()], Config::default());
    let (mut rng, mut effects) = (Rng::from_seed(0), Vec::new());
    node.handle(Input::Start, &mut Context::new(Time::ZERO, &mut rng, &mut effects));
    let call = effects.iter().find_map(|effect| match effect {
        Effect::Send(_, Message::Request { call, .. }) => Some(*call),
        _ => None,
    });
    let nodes = Nodes::from(vec![NodeAddr::new(id(0)), NodeAddr::new(id(2))]);
    let effects = give(&mut node, 0, id(1), Message::Answer { call: call.unwrap(), nodes });
    let asked: Vec<NodeId> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(to, Message::Request { .. }) => Some(*to),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [id(2)]);
}

#[test]
fn names_of_nobody_delay_a_lookup_and_do_not_hide_the_others() {
    let mut network = fresh(60, 1, Config::default());
    network.run_for(Duration::from_secs(30));
    let key = random_key(&mut Rng::from_seed(2));
    let liar = network.id(1);
    // Invented nodes, each nearer to the key than any real one.
    network.set_liars(&[liar], move |_, _, mut letter| {
        if let Message::Answer { nodes, .. } = &mut letter.message {
            let mut rng = Rng::from_seed(3);
            let invented = (0..20).map(|_| key.random_at(30, &mut rng));
            *nodes = invented
                .map(|key| NodeAddr::new(NodeId::from_bytes(*key.as_bytes())))
                .collect::<Vec<_>>()
                .into();
        }
        vec![letter]
    });
    let from = network.id(2);
    let (found, report) = find(&mut network, from, key);
    let others = network.ids().filter(|node| *node != from);
    assert_eq!(found.unwrap(), crate::world::nearest(others, key, 20));
    assert!(report.elapsed < Duration::from_secs(30), "{report:?}");
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = postcard::from_bytes::<Message>(&bytes) {
            let mut node = Kademlia::new(id(0), Vec::new(), Config::default());
            give(&mut node, 0, id(1), message.clone());
            let again = postcard::to_allocvec(&message).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Message>(&again).unwrap(), message);
        }
    }

    /// Messages in any order, from anybody, at any time, with call numbers that may be right by chance.
    #[test]
    fn no_sequence_of_messages_breaks_a_node(
        course in proptest::collection::vec((0..12_u64, 0..8_u32, 0..7_u8, 0..40_u64), 1..200),
    ) {
        let config = Config { k: 3, max_calls: 8, spares: 1, ..Config::default() };
        let mut node = Kademlia::new(id(0), vec![id(1).into()], config);
        let mut now = 0;
        for (from, call, kind, number) in course {
            now += number / 10;
            let nodes: Vec<NodeAddr> = (0..number).map(|n| NodeAddr::new(id(n))).collect();
            let message = match kind {
                0 => find_node(number, Some(Addresses::default())),
                1 => Message::Request { call, server: None, ask: Ask::Ping },
                2 => Message::DialBack { call, addrs: Addresses::default() },
                3 => Message::DialledBack { call, reached: [None, Some(true), Some(false)][number as usize % 3] },
                4 => {
                    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(number));
                    let input = Input::Probed(id(from).into(), number % 2 == 0);
                    node.handle(input, &mut Context::new(Time::from_nanos(now * 1_000_000_000), &mut rng, &mut effects));
                    continue;
                }
                _ => Message::Answer { call, nodes: Nodes::from(nodes) },
            };
            give(&mut node, now, id(from), message);
            // Ourselves is never a contact, no bucket is over its bound, and no bucket lacks its place.
            prop_assert!(node.contacts().all(|contact| contact.id != id(0)));
            prop_assert!(node.buckets().all(|contacts| contacts <= 3));
        }
    }
}
