//! What was acknowledged is there after a crash, and so is the table.

use std::time::Duration;

use dsys_core::NodeId;
use dsys_dht::Overlay;
use dsys_dht::kademlia::{self, Kademlia};
use dsys_dht::records::{Config, DamagedRecord, Records};
use dsys_sim::Crash;

use crate::world::{EPOCH, World, get, keepers, mutable, no_cache, put, value};

fn durable() -> Config {
    let mut config = no_cache();
    config.durable = true;
    config.repair = Duration::from_secs(30);
    config
}

/// Nodes with disks. Those that start again are given nobody to begin with.
fn world(nodes: u32, seed: u64) -> World {
    let mut network = crate::world::network(seed);
    let first: NodeId = network.id(0);
    for index in 0..nodes {
        let overlay = Kademlia::new(network.id(index), vec![first.into()], kademlia::Config::default());
        network.add(Records::new(overlay, EPOCH, durable())).unwrap();
    }
    network.set_spawn(|id, written| {
        let overlay = Kademlia::new(id, Vec::new(), kademlia::Config::default());
        let records = Records::new(overlay, EPOCH, durable());
        records.restore(written.iter().map(Vec::as_slice)).unwrap()
    });
    network.run_for(Duration::from_secs(40));
    network.take_events();
    network
}

#[test]
fn a_node_that_restarts_has_its_records_and_its_contacts() {
    let mut network = world(12, 1);
    let (one, other) = (network.id(3), network.id(4));
    put(&mut network, one, value("kept")).unwrap();
    put(&mut network, one, mutable(1, 1, "first")).unwrap();
    put(&mut network, one, mutable(1, 2, "second")).unwrap();
    let before = (keepers(&network, value("kept").id()).len(), network.machine(other).unwrap().stats());
    // Everybody crashes at once, and nobody is told whom to begin with.
    network.run_for(Duration::from_secs(40));
    let ids: Vec<NodeId> = network.ids().collect();
    for id in &ids {
        network.crash(*id, Crash::POWER);
    }
    for id in &ids {
        assert!(network.restart(*id));
    }
    network.run_for(Duration::from_millis(1));
    assert_eq!(keepers(&network, value("kept").id()).len(), before.0);
    let machine = network.machine(other).unwrap();
    assert_eq!((machine.stats().records, machine.overlay().known()), (before.1.records, 11));
    let got = get(&mut network, other, mutable(1, 1, "").id()).unwrap();
    assert_eq!(got.record, mutable(1, 2, "second"));
}

#[test]
fn nothing_is_acknowledged_before_it_is_on_the_disk() {
    for seed in 0..20 {
        let mut network = world(6, seed);
        let (writer, id) = (network.id(1), value("quick").id());
        // The others lose power right after they have answered.
        put(&mut network, writer, value("quick")).unwrap();
        let ids: Vec<NodeId> = network.ids().filter(|node| *node != writer).collect();
        for node in &ids {
            network.crash(*node, Crash::POWER);
            network.restart(*node);
        }
        network.run_for(Duration::from_millis(1));
        assert_eq!(keepers(&network, id).len(), 6, "seed {seed}");
    }
}

#[test]
fn what_has_expired_is_gone_from_the_disk_too() {
    let mut network = world(3, 1);
    let (one, other) = (network.id(1), network.id(2));
    put(&mut network, one, mutable(1, 1, "for an hour")).unwrap();
    network.run_for(Duration::from_secs(4_000));
    network.crash(other, Crash::PROCESS);
    network.restart(other);
    assert_eq!(network.machine(other).unwrap().stats().records, 0);
}

#[test]
fn a_damaged_entry_is_named() {
    let node = || {
        let overlay = Kademlia::new(NodeId::from_number(1), Vec::new(), kademlia::Config::default());
        Records::new(overlay, EPOCH, durable())
    };
    let good = dsys_dht::records::Change::Contacts(Vec::new()).encode();
    assert!(node().restore([good.as_slice()]).is_ok());
    let error = node().restore([good.as_slice(), &[1, 77, 3]]).unwrap_err();
    assert_eq!(error, DamagedRecord(1));
    assert!(error.to_string().contains("entry 1") && error.to_string().contains("move the file away"));
}
