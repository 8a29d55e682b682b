//! Nodes that work together to lead lookups to themselves (Baumgart and Mies 2007, §3).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::kademlia::{Config, Kademlia, Message, Nodes};
use dsys_dht::{Key, Step};
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

/// How many lookups of a hundred find an honest one of the 20 nodes that hold a key.
fn successes(paths: u8) -> u32 {
    let mut network = settled(500, 1, Config { paths, ..Config::default() });
    let key = Rc::new(Cell::new(Key::from_bytes([0; 32])));
    let liars = colluding(&mut network, key.clone());
    let all = up(&network);
    let honest: Vec<NodeId> = all.iter().copied().filter(|node| !liars.contains(node)).collect();
    let mut rng = Rng::from_seed(2);
    (0..100)
        .filter(|_| {
            key.set(random_key(&mut rng));
            let holders = nearest(all.iter().copied(), key.get(), 20);
            let from = *rng.choose(&honest).unwrap();
            let found = find(&mut network, from, key.get()).0.unwrap_or_default();
            found.iter().any(|node| holders.contains(node) && !liars.contains(node))
        })
        .count() as u32
}

#[test]
fn four_paths_find_their_way_around_a_fifth_of_all_nodes() {
    let found = successes(4);
    assert!(found >= 99, "{found} of 100");
}

#[test]
fn paths_are_disjoint_and_take_their_time() {
    let mut network = settled(300, 3, Config { paths: 4, ..Config::default() });
    let (key, from) = (random_key(&mut Rng::from_seed(4)), network.id(0));
    let query = dsys_dht::QueryId(1);
    network.command(from, dsys_dht::Command::Find { query, key, steps: true });
    network.run_for(std::time::Duration::from_secs(10));
    let (mut asked, mut open) = (BTreeSet::new(), BTreeMap::new());
    let mut waiting = [0_u32; 4];
    let mut most = waiting;
    for emitted in network.take_events() {
        let dsys_dht::Event::Step { peer, step, .. } = emitted.event else { continue };
        if let Step::Asked { path, .. } = step {
            let path = usize::from(path);
            assert!(asked.insert(peer), "each node by one path only");
            open.insert(peer, path);
            waiting[path] += 1;
            most[path] = waiting[path].max(most[path]);
        } else if let Some(path) = open.remove(&peer) {
            // Slow, failed or answered; whoever was slow may answer yet.
            waiting[path] -= 1;
        }
    }
    // Not all that are wanted at once, as on a single path: those that liars name are always the nearest.
    assert_eq!(most, [3; 4], "questions on their way");
}
