//! A broadcast tree over a partial membership.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_gossip::MessageId;
use dsys_gossip::broadcast;
use dsys_gossip::membership::full::{Meta, State};
use dsys_gossip::topic::{Command, Config, Event, Message, Topic};
use dsys_sim::{Crash, Network};

/// Nodes that joined one after the other through random earlier ones.
fn network(nodes: u32, seed: u64) -> (Network<Topic>, Vec<NodeId>) {
    let mut network = Network::new(dsys_sim::Config::new(seed));
    network.set_size(Message::size);
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for (at, id) in ids.iter().enumerate() {
        network.add(Topic::new(*id, &Config::default())).unwrap();
        if let Some(contact) = rng.choose(&ids[..at]) {
            network.command(*id, Command::Join(vec![NodeAddr::new(*contact)]));
        }
        network.run_for(Duration::from_millis(20));
    }
    network.run_for(Duration::from_secs(20));
    (network, ids)
}

/// How often each node that runs was given the message.
fn broadcast(network: &mut Network<Topic>, from: NodeId, byte: u8, time: Duration) -> BTreeMap<NodeId, u32> {
    network.take_events();
    let tell = broadcast::Command::Broadcast { id: MessageId([byte; 16]), payload: "all".into() };
    network.command(from, Command::Broadcast(tell));
    network.run_for(time);
    let mut given = BTreeMap::new();
    for emitted in network.take_events() {
        if let Event::Broadcast(broadcast::Event::Delivered { id, .. }) = emitted.event
            && id == MessageId([byte; 16])
        {
            *given.entry(emitted.node).or_default() += 1;
        }
    }
    given
}

#[test]
fn everybody_is_told_once_before_and_after_half_of_them_die() {
    for seed in 0..3 {
        let (mut network, ids) = network(120, seed);
        let mut rng = Rng::from_seed(seed);
        for byte in 0..10 {
            let given = broadcast(&mut network, *rng.choose(&ids).unwrap(), byte, Duration::from_secs(3));
            assert_eq!(given.len(), ids.len(), "seed {seed}, message {byte}");
            assert!(given.values().all(|times| *times == 1), "seed {seed}: twice");
        }
        let mut doomed = ids.clone();
        rng.shuffle(&mut doomed);
        let alive = doomed.split_off(60);
        doomed.iter().for_each(|id| assert!(network.crash(*id, Crash::PROCESS)));
        network.run_for(Duration::from_secs(3));
        for byte in 10..20 {
            let given = broadcast(&mut network, *rng.choose(&alive).unwrap(), byte, Duration::from_secs(3));
            assert_eq!(given.len(), alive.len(), "seed {seed}, message {byte}");
        }
    }
}

#[test]
fn a_node_that_leaves_is_told_no_more_and_may_come_back() {
    let (mut network, ids) = network(20, 1);
    network.command(ids[3], Command::Leave);
    network.run_for(Duration::from_secs(5));
    assert_eq!(network.machine(ids[3]).unwrap().neighbours().len(), 0);
    let given = broadcast(&mut network, ids[0], 1, Duration::from_secs(3));
    assert_eq!((given.len(), given.get(&ids[3])), (19, None));
    network.command(ids[3], Command::Join(vec![]));
    network.command(ids[3], Command::Join(vec![NodeAddr::new(ids[7])]));
    network.run_for(Duration::from_secs(5));
    assert_eq!(broadcast(&mut network, ids[0], 2, Duration::from_secs(3)).len(), 20);
    assert!(network.machine(ids[3]).unwrap().broadcast().neighbours().len() > 0);
}

/// All of a small topic, each by the first.
fn small(nodes: u32, seed: u64) -> (Network<Topic>, Vec<NodeId>) {
    let mut network = Network::new(dsys_sim::Config::new(seed));
    network.set_spawn(|id, _| Topic::full(id, &Config::default()));
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for id in &ids {
        network.add(Topic::full(*id, &Config::default())).unwrap();
        network.command(*id, Command::Join(vec![NodeAddr::new(ids[0])]));
    }
    network.run_for(Duration::from_secs(20));
    (network, ids)
}

#[test]
fn in_a_small_topic_all_are_neighbours_and_know_who_is_there_and_what_each_says_of_itself() {
    for seed in 0..4 {
        let (mut network, ids) = small(12, seed);
        for id in &ids {
            let others: Vec<NodeId> = network.machine(*id).unwrap().neighbours().collect();
            assert_eq!(others.len(), 11, "seed {seed}");
            assert_eq!(network.machine(*id).unwrap().members().unwrap().up(), 11);
        }
        let role = Meta::from([("role".to_owned(), "scribe".to_owned())]);
        network.command(ids[5], Command::Meta(role.clone()));
        for byte in 0..6 {
            let given = broadcast(&mut network, ids[byte as usize], byte, Duration::from_secs(2));
            assert!(given.len() == 12 && given.values().all(|times| *times == 1), "seed {seed}: {given:?}");
        }
        // A message crosses each link once at most: the tree has settled on one neighbour for each.
        let payloads: u64 =
            ids.iter().map(|id| network.machine(*id).unwrap().broadcast().stats().payloads).sum();
        assert!(payloads < 6 * 3 * 12, "seed {seed}: {payloads}");
        network.run_for(Duration::from_secs(20));
        for id in ids.iter().filter(|id| **id != ids[5]) {
            let member = network.machine(*id).unwrap().members().unwrap().info(ids[5]).unwrap();
            assert_eq!((&member.meta, member.version > 0, member.state), (&role, true, State::Alive));
        }
        // One dies, one leaves; SWIM finds out, and nobody is without neighbours.
        assert!(network.crash(ids[3], Crash::POWER));
        network.command(ids[4], Command::Leave);
        network.run_for(Duration::from_secs(20));
        network.take_events();
        for id in ids.iter().filter(|id| ![ids[3], ids[4]].contains(id)) {
            let machine = network.machine(*id).unwrap();
            assert!(machine.neighbours().all(|other| other != ids[3] && other != ids[4]), "seed {seed}");
            assert_eq!(machine.neighbours().len(), 9, "seed {seed}");
            assert_eq!(machine.members().unwrap().state(ids[3]), Some(State::Down));
        }
        let given = broadcast(&mut network, ids[9], 77, Duration::from_secs(3));
        assert_eq!(given.len(), 10, "seed {seed}: {given:?}");
        // Both come back.
        assert!(network.restart(ids[3]));
        for back in [ids[3], ids[4]] {
            network.command(back, Command::Join(vec![NodeAddr::new(ids[0])]));
        }
        network.run_for(Duration::from_secs(40));
        let given = broadcast(&mut network, ids[3], 78, Duration::from_secs(3));
        assert_eq!(given.len(), 12, "seed {seed}: {given:?}");
    }
}

#[test]
fn whoever_is_barred_from_a_small_topic_stays_out_whatever_members_say() {
    let (mut network, ids) = small(6, 1);
    network.command(ids[0], Command::Bar(ids[1]));
    network.run_for(Duration::from_secs(60));
    let machine = network.machine(ids[0]).unwrap();
    assert!(machine.neighbours().all(|id| id != ids[1]) && machine.neighbours().len() == 4);
    let given = broadcast(&mut network, ids[1], 1, Duration::from_secs(3));
    assert_eq!(given.get(&ids[0]), Some(&1), "by the others");
}
