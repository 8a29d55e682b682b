//! Nodes that work together to lead lookups to themselves (Baumgart and Mies 2007, §3).

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::Key;
use dsys_dht::kademlia::{Config, Kademlia, Message, Nodes};
use dsys_sim::{Letter, Network};

use crate::world::{find, nearest, random_key, settled, up};

/// A fifth of all nodes answer every question with those of their own that are nearest to the key.
fn colluding(network: &mut Network<Kademlia>, key: Rc<Cell<Key>>) -> BTreeSet<NodeId> {
    let liars: Vec<NodeId> = up(network).into_iter().step_by(5).collect();
    let own = liars.clone();
    network.set_liars(&liars, move |_, _, letter| {
        let message = match letter.message {
            Message::Answer { call, .. } => {
                let nodes: Vec<NodeAddr> =
                    nearest(own.iter().copied(), key.get(), 20).into_iter().map(NodeAddr::new).collect();
                Message::Answer { call, nodes: Nodes::from(nodes) }
            }
            other => other,
        };
        vec![Letter { to: letter.to, message }]
    });
    liars.into_iter().collect()
}

/// How many lookups of a hundred find an honest one of the 20 nodes that hold a key, and requests of one.
fn successes(paths: u8) -> (u32, u32) {
    let mut network = settled(500, 1, Config { paths, ..Config::default() });
    let key = Rc::new(Cell::new(Key::from_bytes([0; 32])));
    let liars = colluding(&mut network, key.clone());
    let all = up(&network);
    let honest: Vec<NodeId> = all.iter().copied().filter(|node| !liars.contains(node)).collect();
    let (mut rng, mut reached, mut requests) = (Rng::from_seed(2), 0, 0);
    for _ in 0..100 {
        key.set(random_key(&mut rng));
        let holders = nearest(all.iter().copied(), key.get(), 20);
        let from = *rng.choose(&honest).unwrap();
        let (found, report) = find(&mut network, from, key.get());
        let found = found.unwrap_or_default();
        reached += u32::from(found.iter().any(|node| holders.contains(node) && !liars.contains(node)));
        requests += report.requests;
    }
    (reached, requests / 100)
}

#[test]
fn four_paths_find_their_way_around_a_fifth_of_all_nodes() {
    let (found, requests) = successes(4);
    assert!(found >= 99, "{found} of 100");
    // Less than twice the cost of one path; were all that are wanted asked as soon as the nearest has answered, it would
    // be more, since liars always have somebody near.
    assert!(requests < 46, "{requests}");
}

#[test]
fn paths_are_disjoint() {
    let mut network = settled(300, 3, Config { paths: 4, ..Config::default() });
    let (key, from) = (random_key(&mut Rng::from_seed(4)), network.id(0));
    let query = dsys_dht::QueryId(1);
    network.command(from, dsys_dht::Command::Find { query, key, steps: true });
    network.run_for(std::time::Duration::from_secs(10));
    let mut asked = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for emitted in network.take_events() {
        if let dsys_dht::Event::Step { peer, step: dsys_dht::Step::Asked { path, .. }, .. } = emitted.event {
            assert!(asked.insert(peer), "each node by one path only");
            paths.insert(path);
        }
    }
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}
