//! Many records at once.

use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::records::{
    Command, Config, Event, GetError, GotMany, Letter, PutError, Record, SweepReport, Tell,
};
use dsys_dht::{Key, QueryId, kademlia};

use crate::world::{
    OP, World, get, joined, keepers, mutable, nearest, no_cache, provider, put, settled, until, value,
};

pub(crate) fn sweep(
    network: &mut World,
    from: NodeId,
    records: Vec<Record>,
) -> Result<SweepReport, PutError> {
    network.take_events();
    network.command(from, Command::Sweep { op: OP, records });
    until(network, |event| match event {
        Event::Swept { op: OP, result } => Some(result),
        _ => None,
    })
}

#[test]
fn a_thousand_records_cost_a_search_for_each_region_and_each_is_found() {
    let mut network = settled(500, 1, kademlia::Config::default(), no_cache());
    let (writer, mut rng) = (network.id(3), Rng::from_seed(1));
    let mut alone = 0;
    for number in 0..20 {
        alone += put(&mut network, writer, value(&format!("alone {number}"))).unwrap().queried;
    }
    let records: Vec<Record> = (0..1_000).map(|number| value(&format!("record {number}"))).collect();
    let report = sweep(&mut network, writer, records.clone()).unwrap();
    assert_eq!((report.records, report.refused, report.fewest), (1_000, 0, 20));
    assert_eq!((report.stored, report.stores), (20_000, 20_000));
    // 500 nodes are 25 times 20; a region is a subtree, which has from half to all of its 20.
    assert!((20..=70).contains(&report.searches), "{report:?}");
    let alone = f64::from(alone) / 20.0;
    assert!(f64::from(report.queried) / 1_000.0 < alone / 10.0, "{report:?}, {alone} alone");
    let (mut near, mut asked) = (0, 0);
    for record in &records {
        let id = record.id();
        let kept = keepers(&network, id);
        let others = network.ids().filter(|node| *node != writer).collect::<Vec<_>>();
        near += nearest(others, id.key, 20).iter().filter(|node| kept.contains(node)).count();
        if rng.chance(0.1) {
            let reader = network.id(rng.below(500) as u32);
            asked += get(&mut network, reader, id).unwrap().queried;
        }
    }
    assert!(near > 15 * 1_000, "{near} of 20,000 copies lie on the nearest");
    assert!(asked < 10 * 150, "{asked} requests of about a hundred gets");
}

#[test]
fn a_sweep_says_what_did_not_hold_and_whom_it_could_not_ask() {
    let mut network = joined(8, 1, kademlia::Config::default(), Config::default());
    let from = network.id(2);
    let late = provider(9, Key::from_bytes([3; 32]));
    put(&mut network, from, mutable(1, 5, "newer")).unwrap();
    let records = vec![value("a"), mutable(1, 4, "older"), late.clone(), value("b")];
    let report = sweep(&mut network, from, records).unwrap();
    assert_eq!((report.records, report.refused, report.fewest, report.searches), (4, 1, 7, 1));
    assert_eq!(keepers(&network, late.id()).len(), 8);
    assert_eq!(sweep(&mut network, from, Vec::new()).unwrap().records, 0);

    let mut network = joined(1, 1, kademlia::Config::default(), Config::default());
    let lone = network.id(0);
    assert_eq!(sweep(&mut network, lone, vec![value("a"), value("b")]), Err(PutError::NoPeers));
    // They go out once there is somebody.
    let other = network.id(1);
    let overlay = kademlia::Kademlia::new(other, vec![lone.into()], kademlia::Config::default());
    let machine = dsys_dht::records::Records::new(overlay, crate::world::EPOCH, Config::default());
    network.add(machine).unwrap();
    network.run_for(std::time::Duration::from_secs(30));
    assert_eq!(keepers(&network, value("b").id()).len(), 2);
    network.command(lone, Command::Cancel(QueryId(1)));
}

#[test]
fn what_others_have_newer_gives_way_and_is_told() {
    let mut network = settled(200, 6, kademlia::Config::default(), no_cache());
    let other = network.id(1);
    for number in 1..=3 {
        put(&mut network, other, mutable(number, 5, "theirs")).unwrap();
    }
    let ids: Vec<_> = (1..=30).map(|number| mutable(number, 4, "ours").id()).collect();
    let writer = network.ids().find(|node| ids.iter().all(|id| !keepers(&network, *id).contains(node)));
    let ours = (1..=30).map(|number| mutable(number, 4, "ours")).collect();
    let report = sweep(&mut network, writer.unwrap(), ours).unwrap();
    assert_eq!((report.records, report.refused, report.overtaken), (30, 0, 3), "{report:?}");
    assert!(report.fewest >= 18, "of those that count: {report:?}");
    for (number, id) in (1..).zip(ids) {
        let (seq, text) = if number <= 3 { (5, "theirs") } else { (4, "ours") };
        let got = get(&mut network, writer.unwrap(), id).unwrap();
        assert_eq!((got.record, got.hops), (mutable(number, seq, text), 0), "kept where it was published");
    }
}

#[test]
fn dead_nodes_cost_time_outs_and_no_records() {
    let mut network = settled(200, 2, kademlia::Config::default(), no_cache());
    let writer = network.id(0);
    for index in (1..200).step_by(4) {
        let node = network.id(index);
        network.crash(node, dsys_sim::Crash::POWER);
    }
    let records: Vec<Record> = (0..100).map(|number| value(&format!("record {number}"))).collect();
    let report = sweep(&mut network, writer, records).unwrap();
    // Nodes that are gone are named too, so fewer than 20 may be found; but never is one region taken for all.
    assert!(report.timeouts > 0 && report.fewest >= 10 && report.searches >= 8, "{report:?}");
}

fn bulk(network: &mut World, from: NodeId, keys: Vec<Key>) -> Result<GotMany, GetError> {
    network.take_events();
    network.command(from, Command::Bulk { op: OP, keys });
    until(network, |event| match event {
        Event::Bulk { op: OP, result } => Some(result),
        _ => None,
    })
}

#[test]
fn many_are_got_with_a_search_for_each_region_and_what_is_not_there_is_said() {
    let mut network = settled(500, 3, kademlia::Config::default(), no_cache());
    let (writer, reader, other) = (network.id(3), network.id(400), network.id(401));
    let records: Vec<Record> = (0..1_000).map(|number| value(&format!("record {number}"))).collect();
    // Those that were swept and those that were put lie a little differently.
    let (swept, put_alone) = records.split_at(960);
    sweep(&mut network, writer, swept.to_vec()).unwrap();
    let mut alone = 0;
    for record in put_alone {
        put(&mut network, writer, record.clone()).unwrap();
        alone += get(&mut network, other, record.id()).unwrap().queried;
    }
    let alone = f64::from(alone) / put_alone.len() as f64;
    let mut keys: Vec<Key> = records.iter().map(|record| record.id().key).collect();
    keys.push(Key::from_bytes([7; 32]));
    let GotMany { found, missing, report, .. } = bulk(&mut network, reader, keys).unwrap();
    assert_eq!(missing, [Key::from_bytes([7; 32])]);
    assert!(records.iter().all(|record| found.get(&record.id().key) == Some(record)));
    assert!((20..=70).contains(&report.searches), "{report:?}");
    assert!(f64::from(report.queried) / 1_000.0 < alone * 0.75, "{report:?}, {alone} alone");

    let mut network = joined(1, 1, kademlia::Config::default(), Config::default());
    let lone = network.id(0);
    assert_eq!(bulk(&mut network, lone, vec![Key::from_bytes([7; 32])]), Err(GetError::NoPeers));
}

/// Who shows another record than it was asked for is found out, and others are asked.
#[test]
fn liars_cost_tries_and_no_records() {
    let mut network = settled(100, 4, kademlia::Config::default(), no_cache());
    let (writer, reader) = (network.id(1), network.id(2));
    let records: Vec<Record> = (0..100).map(|number| value(&format!("record {number}"))).collect();
    sweep(&mut network, writer, records.clone()).unwrap();
    let liars: Vec<NodeId> = (3..100).step_by(5).map(|index| network.id(index)).collect();
    network.set_liars(&liars, |_, _, mut letter| {
        if let Some(Letter::Tell { tell: Tell::Found(found), .. }) = &mut letter.message.letter {
            *found = vec![(value("something else"), 60)].into();
        }
        vec![letter]
    });
    let keys: Vec<Key> = records.iter().map(|record| record.id().key).collect();
    let GotMany { found, missing, .. } = bulk(&mut network, reader, keys).unwrap();
    assert!(found.len() >= 98 && found.len() + missing.len() == 100, "{}", found.len());
    assert!(records.iter().all(|record| found.get(&record.id().key).is_none_or(|found| found == record)));
    assert!(network.machine(reader).unwrap().stats().violations > 0);
}

/// Hundreds of own records are published again by region, not one by one.
#[test]
fn many_records_are_published_again_by_a_sweep() {
    let mut config = no_cache();
    config.repair = Duration::from_secs(60);
    config.republish = Duration::from_secs(600);
    let mut network = settled(200, 5, kademlia::Config::default(), config);
    let writer = network.id(3);
    let records = (0..240).map(|number| value(&format!("record {number}")));
    let records: Vec<Record> = records.chain((1..=60).map(|number| mutable(number, 1, "v"))).collect();
    sweep(&mut network, writer, records.clone()).unwrap();
    let requests = |network: &World| network.machine(writer).unwrap().overlay().stats().requests;
    let before = requests(&network);
    network.run_for(Duration::from_secs(800));
    let again = requests(&network) - before;
    // Alone they would take more than 20 each.
    assert!((100..3_000).contains(&again), "{again}");
    // Nobody has lost one, and those who come later get them too.
    for record in records.iter().step_by(10) {
        assert!(keepers(&network, record.id()).len() > 15);
    }
}
