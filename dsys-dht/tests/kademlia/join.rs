//! Joining: two nodes, a few, many, all at once, and without the node to begin with.

use std::time::Duration;

use dsys_core::{NodeAddr, Rng};
use dsys_dht::kademlia::{Config, Kademlia};
use dsys_dht::{Command, Event, FindError, Mode, Overlay};
use dsys_sim::Crash;

use crate::world::{find, fresh, nearest, network, random_key, up};

#[test]
fn two_nodes_are_a_network() {
    let mut network = fresh(2, 1, Config::default());
    network.run_for(Duration::from_secs(5));
    let (a, b) = (network.id(0), network.id(1));
    assert_eq!(network.machine(a).unwrap().known(), 1, "the first one has learned of the second");
    assert_eq!(network.machine(b).unwrap().known(), 1);
    let key = random_key(&mut Rng::from_seed(1));
    assert_eq!(find(&mut network, a, key).0, Ok(vec![b]));
    assert_eq!(find(&mut network, b, key).0, Ok(vec![a]));
    let joined = |id| {
        let mut network = fresh(2, 1, Config::default());
        network.run_for(Duration::from_secs(20));
        network.take_events().iter().filter(|e| e.node == id && matches!(e.event, Event::Joined(_))).count()
    };
    assert_eq!(joined(b), 1, "told once");
}

#[test]
fn a_few_that_begin_at_the_same_moment_all_find_each_other() {
    for nodes in [3, 7, 15, 21] {
        let mut network = fresh(nodes, nodes.into(), Config::default());
        network.run_for(Duration::from_secs(30));
        for (id, machine) in network.machines() {
            assert_eq!(machine.known() as u32, nodes - 1, "{id:?} of {nodes}");
        }
    }
}

#[test]
fn a_crowd_that_begins_at_the_same_moment_finds_its_nearest() {
    let mut network = fresh(500, 2, Config::default());
    network.run_for(Duration::from_secs(60));
    let (mut rng, nodes) = (Rng::from_seed(3), up(&network));
    let (mut right, mut all) = (0, 0);
    for _ in 0..50 {
        let (key, from) = (random_key(&mut rng), *rng.choose(&nodes).unwrap());
        let found = find(&mut network, from, key).0.unwrap();
        let truth = nearest(nodes.iter().copied().filter(|node| *node != from), key, 20);
        assert_eq!(found[0], truth[0]);
        right += truth.iter().filter(|node| found.contains(node)).count();
        all += truth.len();
    }
    assert!(right * 1_000 >= all * 999, "{right} of {all}");
}

#[test]
fn a_node_to_begin_with_that_is_down_is_tried_until_it_is_up() {
    let mut network = fresh(4, 4, Config::default());
    let first = network.id(0);
    network.set_spawn(move |id, _| Kademlia::new(id, Vec::new(), Config::default()));
    network.run_for(Duration::ZERO);
    network.crash(first, Crash::POWER);
    network.run_for(Duration::from_secs(100));
    let last = network.id(3);
    assert_eq!(network.machine(last).unwrap().known(), 0);
    let sent = network.counters(last).sent;
    assert!((4..16).contains(&sent), "{sent} messages: it goes on, and ever more slowly");
    network.restart(first);
    network.run_for(Duration::from_secs(130));
    for (id, machine) in network.machines() {
        assert_eq!(machine.known(), 3, "{id:?}");
    }
}

#[test]
fn a_restart_from_kept_contacts_needs_nobody_to_begin_with() {
    let mut network = fresh(30, 5, Config::default());
    network.run_for(Duration::from_secs(30));
    let id = network.id(7);
    let kept: Vec<NodeAddr> = network.machine(id).unwrap().contacts().collect();
    let before = kept.len();
    network
        .set_spawn(move |id, _| Kademlia::new(id, Vec::new(), Config::default()).with_contacts(kept.clone()));
    network.crash(id, Crash::POWER);
    network.restart(id);
    network.run_for(Duration::from_secs(1));
    assert!(network.machine(id).unwrap().known() >= before.min(20), "{before}");
    let key = random_key(&mut Rng::from_seed(6));
    assert_eq!(find(&mut network, id, key).0.unwrap().len(), 20);
}

#[test]
fn a_client_finds_and_is_in_nobodys_table_until_it_serves() {
    let mut network = fresh(10, 7, Config::default());
    let (client, first) = (network.id(10), network.id(0));
    let config = Config { mode: Mode::Client, ..Config::default() };
    network.add(Kademlia::new(client, vec![first.into()], config)).unwrap();
    network.run_for(Duration::from_secs(30));
    let knows = |network: &dsys_sim::Network<Kademlia>| {
        network.machines().filter(|(_, machine)| machine.contacts().any(|c| c.id == client)).count()
    };
    assert_eq!((network.machine(client).unwrap().known(), knows(&network)), (10, 0));
    network.command(client, Command::Serve(Mode::Server));
    network.run_for(Duration::from_secs(130));
    assert_eq!(knows(&network), 10);
}

#[test]
fn nodes_to_begin_with_may_come_later() {
    let mut network = network(8);
    let ids = [network.id(0), network.id(1)];
    ids.iter()
        .for_each(|id| network.add(Kademlia::new(*id, Vec::new(), Config::default())).map(drop).unwrap());
    let key = random_key(&mut Rng::from_seed(9));
    assert_eq!(find(&mut network, ids[1], key).0, Err(FindError::NoPeers));
    network.command(ids[1], Command::Bootstrap(vec![ids[0].into()]));
    network.run_for(Duration::from_secs(1));
    assert_eq!(find(&mut network, ids[1], key).0, Ok(vec![ids[0]]));
}

#[test]
fn halves_that_have_forgotten_each_other_meet_again_by_the_node_they_began_with() {
    let mut network = fresh(6, 10, Config { refresh: Duration::from_secs(20), ..Config::default() });
    network.run_for(Duration::from_secs(10));
    let ids = up(&network);
    let cuts = network.partition(&ids[..3], &ids[3..]);
    network.run_for(Duration::from_secs(1_200));
    assert!(network.machines().all(|(_, machine)| machine.known() == 2), "they have forgotten each other");
    cuts.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
    network.run_for(Duration::from_secs(300));
    for (id, machine) in network.machines() {
        assert_eq!(machine.known(), 5, "{id:?}");
    }
}
