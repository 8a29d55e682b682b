//! Peers that break the rules.

use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_dht::chord::{Ask, Chord, Config, Message, Place, Places, Tell};
use dsys_dht::{Key, Overlay};
use proptest::prelude::*;

use crate::world::placed;

fn id(number: u64) -> NodeId {
    let mut bytes = [0; 32];
    Rng::from_seed(number).fill(&mut bytes);
    NodeId::from_bytes(bytes)
}

fn node() -> Chord {
    let ring: Vec<NodeId> = (0..6).map(id).collect();
    started(placed(id(0), &ring, Config { successors: 3, ..Config::default() }.into()))
}

fn started(mut node: Chord) -> Chord {
    node.handle(Input::Start, &mut Context::new(Time::ZERO, &mut Rng::from_seed(0), &mut Vec::new()));
    node
}

fn give(node: &mut Chord, from: NodeId, message: Message) -> Vec<Effect<Chord>> {
    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(0));
    node.handle(Input::Message(from, message), &mut Context::new(Time::ZERO, &mut rng, &mut effects));
    effects
}

#[test]
fn answers_that_nobody_asked_for_and_notices_for_others_change_nothing() {
    let mut node = node();
    let before = node.clone();
    for call in 0..50 {
        let successors = Places::from(vec![Place::from(id(77)); 3]);
        let tell = Tell::Neighbours { predecessor: Some(id(78).into()), successors };
        give(&mut node, id(1), Message::Answer { call, tell });
    }
    give(&mut node, id(1), Message::Notify { at: 0, by: id(77).into() });
    give(&mut node, id(0), Message::Notify { at: 0, by: id(0).into() });
    assert_eq!(node, before);
}

#[test]
fn another_cannot_answer_in_a_peers_place() {
    let mut node = node();
    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(0));
    let stabilize = Input::Timer(dsys_dht::chord::Timer::Stabilize(0));
    node.handle(stabilize, &mut Context::new(Time::ZERO, &mut rng, &mut effects));
    let (asked, call) = effects.iter().find_map(asked).unwrap();
    let before: Vec<NodeId> = node.successors().collect();
    let tell = || Tell::Neighbours { predecessor: None, successors: Places::default() };
    let other = (1..6).map(id).find(|other| *other != asked).unwrap();
    give(&mut node, other, Message::Answer { call, tell: tell() });
    assert_eq!(node.successors().collect::<Vec<_>>(), before);
    give(&mut node, asked, Message::Answer { call, tell: tell() });
    assert_eq!(node.successors().collect::<Vec<_>>(), [asked]);
}

#[test]
fn who_has_lost_all_successors_claims_no_key() {
    let after = [Place::from(id(1))];
    let node = Chord::new(id(0), vec![id(9).into()], Config::default());
    let mut node = started(node.on_ring(0, Some(id(2).into()), &after, &after));
    let way = || Message::Request { call: 1, at: 0, ask: Ask::Way(Key::from_bytes([1; 32])) };
    assert!(!give(&mut node, id(5), way()).is_empty());
    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(0));
    let cx = &mut Context::new(Time::ZERO, &mut rng, &mut effects);
    node.handle(Input::Timer(dsys_dht::chord::Timer::Stabilize(0)), cx);
    node.handle(Input::PeerDown(id(1)), cx);
    assert!(!node.is_member() && give(&mut node, id(5), way()).is_empty());
}

#[test]
fn who_has_not_joined_answers_nothing_but_by_whom_it_joins() {
    let mut node = Chord::new(id(0), vec![id(1).into()], Config::default());
    let ask = |ask| Message::Request { call: 1, at: 0, ask };
    let way = || ask(Ask::Way(Key::from_bytes([1; 32])));
    assert!(give(&mut node, id(2), way()).is_empty(), "it has not begun to");
    node.handle(Input::Start, &mut Context::new(Time::ZERO, &mut Rng::from_seed(0), &mut Vec::new()));
    let Some(Effect::Send(to, Message::Answer { tell: Tell::Nearer(by), .. })) =
        give(&mut node, id(2), way()).pop()
    else {
        panic!("no answer")
    };
    assert_eq!((to, &*by), (id(2), [id(1).into()].as_slice()));
    assert!(give(&mut node, id(2), ask(Ask::Ping)).is_empty());
    assert!(give(&mut node, id(2), ask(Ask::Neighbours)).is_empty());
    assert!(give(&mut node, id(2), Message::Notify { at: 0, by: id(2).into() }).is_empty());
}

/// Places that no node of this ring has: with them one key could stand wherever it likes.
#[test]
fn numbers_that_no_node_has_are_not_believed() {
    let ring: Vec<NodeId> = (0..6).map(id).collect();
    let config = Config { successors: 3, virtual_nodes: 2, ..Config::default() };
    let mut node = started(placed(id(0), &ring, config.into()));
    let made_up = |node: u64| (2..250).map(|number| Place::new(id(node), number)).collect::<Vec<_>>();
    let before = node.clone();
    for by in made_up(77) {
        give(&mut node, id(77), Message::Notify { at: 1, by });
    }
    assert_eq!(node, before);
    let way = Ask::Way(Key::from_bytes([1; 32]));
    assert!(give(&mut node, id(1), Message::Request { call: 1, at: 2, ask: way }).is_empty());
    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(0));
    for number in 0..2 {
        let stabilize = Input::Timer(dsys_dht::chord::Timer::Stabilize(number));
        node.handle(stabilize, &mut Context::new(Time::ZERO, &mut rng, &mut effects));
    }
    let asked: Vec<(NodeId, u32)> = effects.iter().filter_map(asked).collect();
    assert!(!asked.is_empty());
    for (peer, call) in asked {
        let tell = Tell::Neighbours { predecessor: made_up(78).pop(), successors: made_up(78).into() };
        give(&mut node, peer, Message::Answer { call, tell });
    }
    let known =
        node.virtual_nodes().iter().flat_map(|node| node.successors().iter().chain(node.predecessor()));
    assert!(known.into_iter().all(|place| place.number() < 2 && place.id() != id(78)));
}

fn asked(effect: &Effect<Chord>) -> Option<(NodeId, u32)> {
    match effect {
        Effect::Send(to, Message::Request { call, ask: Ask::Neighbours, .. }) => Some((*to, *call)),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(message) = postcard::from_bytes::<Message>(&bytes) {
            give(&mut node(), id(1), message.clone());
            let again = postcard::to_allocvec(&message).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Message>(&again).unwrap(), message);
        }
    }

    /// Messages in any order, from anybody, with call numbers that may be right by chance.
    #[test]
    fn no_sequence_of_messages_breaks_a_node(
        course in proptest::collection::vec((0..8_u64, 0..6_u32, 0..7_u8, 0..40_u64), 1..120),
    ) {
        let mut node = node();
        for (from, call, kind, number) in course {
            let some: Vec<Place> = (0..number).map(|n| id(n * 7 + from).into()).collect();
            let nodes = Places::from(some);
            let message = match kind {
                0 => Message::Notify { at: 0, by: id(from).into() },
                1 => Message::Request { call, at: 0, ask: Ask::Way(Key::of_node(id(number))) },
                2 => Message::Answer { call, tell: Tell::Owners(nodes) },
                3 => Message::Answer { call, tell: Tell::Nearer(nodes) },
                4 => Message::Answer { call, tell: Tell::Neighbours { predecessor: Some(id(number).into()), successors: nodes } },
                5 => {
                    let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(number));
                    let timer = dsys_dht::chord::Timer::Stabilize(0);
                    node.handle(Input::Timer(timer), &mut Context::new(Time::ZERO, &mut rng, &mut effects));
                    continue;
                }
                _ => Message::Answer { call, tell: Tell::Pong },
            };
            give(&mut node, id(from), message);
            // Never ourselves, never more than there is room for, always in order.
            let list: Vec<NodeId> = node.successors().collect();
            prop_assert!(list.len() <= 3 && !list.contains(&id(0)));
            let away = |node: &NodeId| Key::of_node(id(0)).clockwise(Key::of_node(*node));
            prop_assert!(list.is_sorted_by_key(away));
            prop_assert!(node.known() <= 3 + 256 + 1);
        }
    }
}
