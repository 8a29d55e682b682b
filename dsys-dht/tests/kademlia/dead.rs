//! Nodes that are not there any more.

use std::time::Duration;

use dsys_core::Rng;
use dsys_dht::Overlay;
use dsys_dht::kademlia::{Config, Kademlia};
use dsys_sim::{Connections, Crash, Network};

use crate::world::{find, nearest, random_key, settled, up};

/// Half of all nodes fall silent at once.
fn half_dead(nodes: u32, seed: u64, config: Config) -> Network<Kademlia> {
    let mut network = settled(nodes, seed, config);
    let mut ids = up(&network);
    Rng::from_seed(seed).shuffle(&mut ids);
    ids.truncate(nodes as usize / 2);
    for id in ids {
        assert!(network.crash(id, Crash::POWER));
    }
    network
}

#[test]
fn with_half_of_all_nodes_dead_every_lookup_reaches_a_holder() {
    let mut network = half_dead(400, 1, Config::default());
    let all: Vec<_> = network.ids().collect();
    let (mut rng, alive) = (Rng::from_seed(2), up(&network));
    for _ in 0..60 {
        let (key, from) = (random_key(&mut rng), *rng.choose(&alive).unwrap());
        let holders = nearest(all.iter().copied(), key, 20);
        let found = find(&mut network, from, key).0.unwrap();
        assert!(found.iter().all(|node| alive.contains(node)), "who is dead has not answered");
        assert!(found.iter().any(|node| holders.contains(node)), "{key:?}");
    }
}

#[test]
fn hedging_waits_less_for_the_dead() {
    let (mut hedges, mut elapsed) = (0, Duration::ZERO);
    let mut network = half_dead(300, 3, Config::default());
    let (mut rng, alive) = (Rng::from_seed(4), up(&network));
    for _ in 0..20 {
        let (key, from) = (random_key(&mut rng), *rng.choose(&alive).unwrap());
        let report = find(&mut network, from, key).1;
        hedges += report.hedges;
        elapsed += report.elapsed;
    }
    assert!(hedges > 100, "{hedges}");
    // 3.3 s; 9.4 s if slow ones were waited for.
    assert!(elapsed / 20 < Duration::from_secs(5), "{elapsed:?}");
}

#[test]
fn the_dead_leave_the_tables_and_spares_take_their_place() {
    let config = Config { refresh: Duration::from_secs(60), ..Config::default() };
    let mut network = half_dead(200, 5, config);
    let alive = up(&network);
    let dead = |network: &Network<Kademlia>| {
        network
            .machines()
            .map(|(_, m)| m.contacts().filter(|c| !alive.contains(&c.id)).count())
            .sum::<usize>()
    };
    let before = dead(&network);
    network.run_for(Duration::from_secs(3_600));
    let after = dead(&network);
    assert!(after * 20 < before, "{after} of {before}");
    let known: usize = network.machines().map(|(_, machine)| machine.known()).sum();
    assert!(known / alive.len() > 40, "{}", known / alive.len());
}

#[test]
fn a_refused_connection_is_noticed_without_waiting() {
    let config = dsys_sim::Config { connections: Connections::TRACKED, ..dsys_sim::Config::new(6) };
    let mut network = Network::new(config);
    let ids: Vec<_> = (0..20).map(|index| network.id(index)).collect();
    for &id in &ids {
        network.add(Kademlia::new(id, vec![ids[0].into()], Config::default())).unwrap();
    }
    network.run_for(Duration::from_secs(30));
    for id in ids.iter().skip(10) {
        assert!(network.crash(*id, Crash::PROCESS));
    }
    let key = random_key(&mut Rng::from_seed(7));
    let (found, report) = find(&mut network, ids[1], key);
    assert_eq!(found.unwrap().len(), 9);
    assert!(report.failures > 0 && report.elapsed < Config::default().timeout, "{report:?}");
}
