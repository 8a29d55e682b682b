//! Each contact is given as long as its own answers take.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_dht::kademlia::{Config, Kademlia, Message, Nodes, Timer};
use dsys_dht::{Command, Key, QueryId};

#[test]
fn another_is_asked_sooner_in_place_of_whoever_was_quick() {
    let [me, quick, slow] = [1, 2, 3].map(|number: u8| NodeId::from_bytes([number; 32]));
    let mut node = Kademlia::new(me, vec![quick.into(), slow.into()], Config::default());
    let (mut rng, mut now) = (Rng::from_seed(1), Time::ZERO);
    let mut give = |node: &mut Kademlia, now, input| {
        let mut effects = Vec::new();
        node.handle(input, &mut Context::new(now, &mut rng, &mut effects));
        effects
    };
    let mut effects = give(&mut node, now, Input::Start);
    let mut waits = BTreeMap::new();
    for round in 0..40 {
        // Each is asked once in a round, and answers in its own time.
        let asked: Vec<(NodeId, u32)> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send(to, Message::Request { call, .. }) => Some((*to, *call)),
                _ => None,
            })
            .collect();
        for (peer, call) in &asked {
            let wait = effects.iter().find_map(|effect| match effect {
                Effect::SetTimer(Timer::Call(number), wait) if number == call => Some(*wait),
                _ => None,
            });
            waits.insert(*peer, wait.unwrap());
        }
        let sent = now;
        for (peer, after) in [(quick, 8), (slow, 300)] {
            now = sent + Duration::from_millis(after);
            for (_, call) in asked.iter().filter(|(to, _)| *to == peer) {
                let answer = Message::Answer { call: *call, nodes: Nodes::default() };
                give(&mut node, now, Input::Message(peer, answer));
            }
        }
        let find = Command::Find { query: QueryId(round), key: Key::from_bytes([9; 32]), steps: false };
        effects = give(&mut node, now, Input::Command(find));
    }
    assert!(waits[&quick] < Duration::from_millis(100), "{waits:?}");
    assert!(waits[&slow] >= Duration::from_millis(300), "{waits:?}");
}
