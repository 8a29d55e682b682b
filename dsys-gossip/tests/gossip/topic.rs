//! A broadcast tree over a partial membership.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_gossip::MessageId;
use dsys_gossip::broadcast;
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
    assert_eq!(network.machine(ids[3]).unwrap().membership().neighbours().len(), 0);
    let given = broadcast(&mut network, ids[0], 1, Duration::from_secs(3));
    assert_eq!((given.len(), given.get(&ids[3])), (19, None));
    network.command(ids[3], Command::Join(vec![]));
    network.command(ids[3], Command::Join(vec![NodeAddr::new(ids[7])]));
    network.run_for(Duration::from_secs(5));
    assert_eq!(broadcast(&mut network, ids[0], 2, Duration::from_secs(3)).len(), 20);
    assert!(network.machine(ids[3]).unwrap().broadcast().neighbours().len() > 0);
}
