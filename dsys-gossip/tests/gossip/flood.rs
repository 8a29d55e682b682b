//! Flooding costs exactly what the graph says.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_gossip::MessageId;
use dsys_gossip::flood::{Command, Config, Event, Flood, Message};
use dsys_sim::{Connections, Network};

use crate::overlay::Overlay;

#[test]
fn any_connected_graph_costs_twice_its_links_less_its_nodes_and_one_more() {
    for seed in 0..100 {
        let nodes = 2 + seed as u32 * 2;
        let simulated = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
        let mut network = Network::new(simulated);
        let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
        let overlay = Overlay::random(&ids, (seed as usize % 5) * nodes as usize, seed);
        let config = Config { max_neighbours: 1_000, ..Config::default() };
        for id in &ids {
            network.add(Flood::new(*id, overlay.neighbours[id].iter().copied(), config.clone())).unwrap();
        }
        let origin = ids[seed as usize % ids.len()];
        network.command(origin, Command::Broadcast { id: MessageId([1; 16]), payload: "all".into() });
        network.run();
        let mut delivered: Vec<NodeId> = network.events().iter().map(|emitted| emitted.node).collect();
        delivered.sort();
        delivered.dedup();
        assert_eq!(
            (delivered.len(), network.events().len()),
            (ids.len(), ids.len()),
            "seed {seed}: each once"
        );
        let expected = 2 * overlay.links() - ids.len() + 1;
        assert_eq!(network.stats().sent, expected as u64, "seed {seed}: 2E - n + 1");
    }
}

#[test]
fn bounds_hold_and_neighbours_come_and_go() {
    let ids: Vec<NodeId> = (0..5).map(NodeId::from_number).collect();
    let config = Config { max_payload: 3, max_neighbours: 2, max_seen: 1, max_seen_age: Duration::MAX };
    let mut flood = Flood::new(ids[0], [ids[0], ids[1]], config);
    let mut rng = Rng::from_seed(1);
    let mut give = |flood: &mut Flood, input| {
        let mut effects = Vec::new();
        flood.handle(input, &mut Context::new(Time::ZERO, &mut rng, &mut effects));
        effects
    };
    for id in &ids[1..4] {
        give(&mut flood, Input::PeerUp(*id));
    }
    assert_eq!((flood.neighbours(), flood.stats().neighbours_refused), (&[ids[1], ids[2]][..], 1));
    give(&mut flood, Input::PeerDown(ids[1]));
    assert_eq!(flood.neighbours(), [ids[2]]);

    let gossip = |byte, text: &'static str| {
        let payload = Bytes::from_static(text.as_bytes());
        Input::Message(ids[2], Message::Gossip { id: MessageId([byte; 16]), hops: u32::MAX, payload })
    };
    assert!(give(&mut flood, gossip(1, "long")).is_empty());
    assert_eq!(give(&mut flood, gossip(1, "abc")).len(), 1, "nobody to tell but the app");
    assert!(give(&mut flood, gossip(1, "abc")).is_empty());
    give(&mut flood, gossip(2, "abc"));
    let stats = flood.stats();
    assert_eq!((stats.refused, stats.duplicates, stats.forgotten_early), (1, 1, 1));
    let command = Command::Broadcast { id: MessageId([2; 16]), payload: "abc".into() };
    let effects = give(&mut flood, Input::Command(command));
    assert!(matches!(effects[..], [Effect::Emit(Event::Refused(_))]), "a name is used once");
}
