//! Nodes come, go and die, and records stay.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::Overlay;
use dsys_dht::kademlia::{self, Kademlia};
use dsys_dht::records::{Command, GetError, Record, Records};
use dsys_sim::{Churn, Crash};

use crate::world::{EPOCH, World, get, joined, keepers, leave, nearest, no_cache, put, settled, value};

fn up(network: &World) -> Vec<NodeId> {
    network.machines().map(|(node, _)| node).collect()
}

#[test]
fn a_node_that_leaves_hands_over_and_is_told_so() {
    let kad = kademlia::Config { k: 4, refresh: Duration::from_secs(30), ..kademlia::Config::default() };
    let mut network = joined(60, 1, kad, no_cache());
    let mut rng = Rng::from_seed(1);
    let records: Vec<_> = (0..30).map(|number| value(&format!("number {number}"))).collect();
    for record in &records {
        let from = network.id(rng.below(60) as u32);
        put(&mut network, from, record.clone()).unwrap();
    }
    let mut handed = 0;
    // All but four leave, one after the other: without the hand-over nothing would be left.
    for index in 0..56 {
        let node = network.id(index);
        let report = leave(&mut network, node);
        assert_eq!(report.handed, report.of, "node {index}");
        handed += report.of;
        network.leave(node);
        network.run_for(Duration::from_secs(5));
    }
    assert!(handed > 100, "{handed}");
    // The tables are full of those that are gone.
    network.run_for(Duration::from_secs(300));
    let reader = network.id(57);
    for record in &records {
        assert!(get(&mut network, reader, record.id()).is_ok());
    }
}

#[test]
fn repair_brings_records_to_those_who_are_responsible_by_now() {
    let kad = kademlia::Config { k: 8, refresh: Duration::from_secs(60), ..kademlia::Config::default() };
    let mut config = no_cache();
    config.repair = Duration::from_secs(20);
    // Republishing would hide what repair does.
    config.republish = Duration::from_secs(100_000);
    let mut network = joined(80, 2, kad, config);
    let record = value("moving");
    let from = network.id(5);
    put(&mut network, from, record.clone()).unwrap();
    let mut dead = 0;
    // Half of the holders die at a time, for six times.
    for _ in 0..6 {
        let all = up(&network);
        for node in nearest(all, record.id().key, 4) {
            network.crash(node, Crash::POWER);
            dead += 1;
        }
        network.run_for(Duration::from_secs(60));
    }
    assert_eq!(dead, 24);
    let all = up(&network);
    let holders = keepers(&network, record.id());
    let right = nearest(all, record.id().key, 8);
    let there = right.iter().filter(|node| holders.contains(node)).count();
    assert!(there >= 7, "{there} of 8");
    assert!(holders.len() <= 24, "{} copies", holders.len());
}

#[test]
fn without_repair_a_record_is_lost_when_all_who_keep_it_are() {
    // p^r: of copies on 3 nodes, half of all nodes dead, an eighth is lost.
    let kad = kademlia::Config { k: 3, ..kademlia::Config::default() };
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..4 {
        let mut network = settled(200, seed, kad.clone(), no_cache());
        let publisher = network.id(0);
        let records: Vec<_> = (0..100).map(|number| value(&format!("{seed} {number}"))).collect();
        for record in &records {
            put(&mut network, publisher, record.clone()).unwrap();
        }
        network.leave(publisher);
        let mut all = up(&network);
        Rng::from_seed(seed).shuffle(&mut all);
        for node in all.drain(..99) {
            network.crash(node, Crash::POWER);
        }
        for record in &records {
            match keepers(&network, record.id()).len() {
                0 => lost += 1,
                _ => kept += 1,
            }
        }
    }
    // 400 / 8 = 50, or less where a put left a fourth copy; four deviations.
    assert!((24..=76).contains(&lost) && lost + kept == 400, "{lost} of 400 lost");
}

#[test]
fn an_hour_of_churn_loses_nothing() {
    let kad = kademlia::Config { refresh: Duration::from_secs(600), ..kademlia::Config::default() };
    let mut config = no_cache();
    config.repair = Duration::from_secs(120);
    let mut network = joined(100, 3, kad.clone(), config.clone());
    let first = network.id(0);
    network.set_spawn(move |id, _| {
        Records::new(Kademlia::new(id, vec![first.into()], kad.clone()), EPOCH, config.clone())
    });
    let records: Vec<_> = (0..50).map(|number| value(&format!("number {number}"))).collect();
    let publisher = network.id(1);
    for record in &records {
        put(&mut network, publisher, record.clone()).unwrap();
    }
    network.leave(publisher);
    // A node stays for 20 minutes on average.
    let nodes: Vec<_> = network.ids().skip(2).collect();
    let churn = Churn { joins: 0.08, leaves: 0.08, ..Churn::default() };
    network.schedule_all(churn.plan(4, &nodes, network.now(), Duration::from_secs(3_600)));
    network.run_for(Duration::from_secs(3_700));
    let survivors = nodes.iter().filter(|node| network.machine(**node).is_some()).count();
    assert!(survivors < 20, "{survivors} of 98 are left");
    let reader = up(&network)[50];
    for record in &records {
        let got = get(&mut network, reader, record.id());
        assert!(got.is_ok(), "{got:?}");
    }
}

/// Repair is hours away, and nobody puts anything again.
#[test]
fn who_joins_asks_for_what_it_should_keep() {
    let mut config = no_cache();
    config.repair = Duration::from_secs(100_000);
    let mut network = joined(60, 21, kademlia::Config::default(), config.clone());
    let writer = network.id(3);
    let records: Vec<Record> = (0..80).map(|number| value(&format!("record {number}"))).collect();
    for record in &records {
        put(&mut network, writer, record.clone()).unwrap();
    }
    let (first, new) = (NodeAddr::new(network.id(0)), network.id(60));
    let overlay = Kademlia::new(new, vec![first], kademlia::Config::default());
    network.add(Records::new(overlay, EPOCH, config)).unwrap();
    network.run_for(Duration::from_secs(30));
    let due = |record: &&Record| nearest(network.ids(), record.id().key, 15).contains(&new);
    let due: Vec<&Record> = records.iter().filter(due).collect();
    let has = due.iter().filter(|record| network.machine(new).unwrap().keeps(&record.id())).count();
    assert!(due.len() > 8 && has * 10 >= due.len() * 9, "{has} of {}", due.len());
    let kept = records.iter().filter(|record| network.machine(new).unwrap().keeps(&record.id())).count();
    assert!(kept < 50, "{kept} of 80: not what is for others to keep");
}

#[test]
fn who_leaves_tries_others_in_place_of_the_dead() {
    let kad = kademlia::Config { k: 4, ..kademlia::Config::default() };
    let mut network = joined(40, 5, kad, no_cache());
    let (writer, record) = (network.id(3), value("inheritance"));
    put(&mut network, writer, record.clone()).unwrap();
    let key = record.id().key;
    let holder = nearest(keepers(&network, record.id()), key, 1)[0];
    // All whom it would offer it to are gone, and it does not know.
    let heirs = network.machine(holder).unwrap().overlay().nearest(key, 4);
    for heir in heirs {
        network.crash(heir.id, Crash::POWER);
    }
    let report = leave(&mut network, holder);
    assert_eq!((report.handed, report.of), (1, 1));
}

#[test]
fn a_search_whose_first_nodes_are_all_gone_begins_with_others() {
    let kad = kademlia::Config { k: 4, ..kademlia::Config::default() };
    let mut network = joined(40, 6, kad, no_cache());
    let (reader, id) = (network.id(3), crate::world::missing(9));
    let first = network.machine(reader).unwrap().overlay().nearest(id.key, 4);
    for node in first {
        network.crash(node.id, Crash::POWER);
    }
    assert!(matches!(get(&mut network, reader, id), Err(GetError::NotFound { .. })));
}

#[test]
fn the_overlay_hears_of_those_who_do_not_answer() {
    let mut config = no_cache();
    config.repair = Duration::from_secs(10);
    // Enough are known for nobody to look for more.
    let kad = kademlia::Config { k: 4, ..kademlia::Config::default() };
    let mut network = joined(16, 7, kad, config);
    let (writer, gone) = (network.id(3), network.id(7));
    for number in 0..10 {
        put(&mut network, writer, value(&number.to_string())).unwrap();
    }
    let believers = |network: &World| {
        let names = |machine: &Records<Kademlia>| machine.overlay().nearest(dsys_dht::Key::of_node(gone), 1);
        network.machines().filter(|(_, machine)| names(machine)[0].id == gone).count()
    };
    network.crash(gone, Crash::POWER);
    let before = believers(&network);
    // Nobody looks anything up; offers alone tell.
    network.run_for(Duration::from_secs(40));
    assert!(believers(&network) < before, "{before}");
}

#[test]
fn what_is_handed_over_lives_no_longer_than_it_would_have() {
    let mut config = no_cache();
    config.rules.max_ttl = Duration::from_secs(600);
    config.repair = Duration::from_secs(20);
    let mut network = joined(5, 8, kademlia::Config::default(), config.clone());
    let (writer, record) = (network.id(3), value("short-lived"));
    put(&mut network, writer, record.clone()).unwrap();
    network.command(writer, Command::Unpublish(record.id()));
    network.run_for(Duration::from_secs(500));
    let overlay = Kademlia::new(network.id(5), vec![writer.into()], kademlia::Config::default());
    let late = network.add(Records::new(overlay, EPOCH, config)).unwrap();
    network.run_for(Duration::from_secs(60));
    assert!(network.machine(late).unwrap().keeps(&record.id()));
    network.run_for(Duration::from_secs(120));
    assert_eq!(keepers(&network, record.id()), []);
}
