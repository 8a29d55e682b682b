//! What is put is found, and what that costs.

use std::time::Duration;

use dsys_core::Rng;
use dsys_dht::kademlia;
use dsys_dht::records::{Command, Config, Event, GetError, PutError, Record, Value};
use dsys_dht::{QueryId, Step};

use crate::world::{get, joined, keepers, missing, nearest, network, no_cache, put, settled, value};

#[test]
fn what_one_node_puts_every_node_gets() {
    let mut network = joined(60, 1, kademlia::Config::default(), Config::default());
    let (record, from) = (value("hello"), network.id(7));
    let report = put(&mut network, from, record.clone()).unwrap();
    assert_eq!((report.stored_on, report.of), (20, 20));
    assert!(report.queried <= 44 && report.hops >= 1 && !report.elapsed.is_zero(), "{report:?}");
    // On those where it belongs.
    let id = record.id();
    let others = network.ids().filter(|node| *node != from).collect::<Vec<_>>();
    let kept = keepers(&network, id);
    assert!(nearest(others, id.key, 20).iter().all(|node| kept.contains(node)));
    for index in 0..60 {
        let from = network.id(index);
        let got = get(&mut network, from, id).unwrap();
        assert_eq!(got.record, record);
        assert!(got.agreed >= 1);
    }
}

#[test]
fn a_put_costs_at_most_44_requests_and_a_get_ends_where_it_finds() {
    let (mut puts, mut gets, mut most) = (0, 0, 0);
    let mut network = settled(1_000, 2, kademlia::Config::default(), no_cache());
    let mut rng = Rng::from_seed(3);
    for number in 0..100 {
        let (writer, reader) = (network.id(rng.below(1_000) as u32), network.id(rng.below(1_000) as u32));
        let record = value(&format!("record {number}"));
        let report = put(&mut network, writer, record.clone()).unwrap();
        assert_eq!((report.stored_on, report.of), (20, 20));
        puts += report.queried;
        most = most.max(report.queried);
        let got = get(&mut network, reader, record.id()).unwrap();
        gets += got.queried;
    }
    // The walk alone asks 22; a walk and twenty stores, one after the other, would be 42 or more.
    assert!(most <= 44, "{most}");
    assert!(puts / 100 <= 30, "{} requests a put", puts / 100);
    assert!(gets / 100 <= 10, "{} requests a get", gets / 100);
}

#[test]
fn nobody_to_ask_is_not_nobody_has_it() {
    let mut network = joined(1, 1, kademlia::Config::default(), Config::default());
    let lone = network.id(0);
    assert_eq!(get(&mut network, lone, missing(1)), Err(GetError::NoPeers));
    assert_eq!(put(&mut network, lone, value("mine")), Err(PutError::NoPeers));
    assert_eq!(get(&mut network, lone, value("mine").id()).unwrap().hops, 0, "it is kept here");
    let mut network = joined(8, 1, kademlia::Config::default(), Config::default());
    let from = network.id(3);
    match get(&mut network, from, missing(1)) {
        Err(GetError::NotFound { queried: 7, timeouts: 0 }) => {}
        other => panic!("{other:?}"),
    }
    // All others are gone: they were asked, and none answered.
    for index in (0..8).filter(|index| *index != 3) {
        let id = network.id(index);
        network.leave(id);
    }
    assert!(matches!(get(&mut network, from, missing(1)), Err(GetError::NobodyAnswered { queried: 7 })));
}

#[test]
fn two_nodes_are_a_network() {
    let mut network = joined(2, 5, kademlia::Config::default(), Config::default());
    let (one, other) = (network.id(0), network.id(1));
    let report = put(&mut network, one, value("for two")).unwrap();
    assert_eq!((report.stored_on, report.of, report.queried), (1, 1, 1));
    network.leave(one);
    assert_eq!(get(&mut network, other, value("for two").id()).unwrap().hops, 0);
}

#[test]
fn what_was_put_alone_goes_out_when_there_are_others() {
    let mut network = network(1);
    let ids = [network.id(0), network.id(1)];
    let alone = dsys_dht::Kademlia::new(ids[0], Vec::new(), kademlia::Config::default());
    network.add(dsys_dht::records::Records::new(alone, crate::world::EPOCH, Config::default())).unwrap();
    assert_eq!(put(&mut network, ids[0], value("early")), Err(PutError::NoPeers));
    let second = dsys_dht::Kademlia::new(ids[1], vec![ids[0].into()], kademlia::Config::default());
    network.add(dsys_dht::records::Records::new(second, crate::world::EPOCH, Config::default())).unwrap();
    network.run_for(Duration::from_secs(60));
    assert_eq!(keepers(&network, value("early").id()).len(), 2);
}

#[test]
fn steps_tell_how_it_goes_and_a_cancelled_operation_is_silent() {
    let mut network = joined(40, 1, kademlia::Config::default(), Config::default());
    let from = network.id(2);
    network.command(from, Command::Put { op: QueryId(1), record: value("steps"), after: None, steps: true });
    network.run_for(Duration::from_secs(10));
    let events = network.take_events();
    let asked = |event: &Event| matches!(event, Event::Step { op: QueryId(1), step: Step::Asked { .. }, .. });
    assert!(events.iter().filter(|emitted| asked(&emitted.event)).count() >= 20);
    assert!(matches!(events.last().unwrap().event, Event::Put { op: QueryId(1), result: Ok(_) }));

    let id = missing(2);
    let command = |op| Command::Get { op, key: id.key, kind: id.kind, enough: 1, steps: true };
    network.command(from, command(QueryId(2)));
    network.run_for(Duration::from_millis(50));
    network.command(from, Command::Cancel(QueryId(2)));
    network.run_for(Duration::from_millis(1));
    network.take_events();
    network.run_for(Duration::from_secs(10));
    assert!(network.take_events().is_empty());
}

#[test]
fn a_copy_is_left_on_the_way() {
    let mut network = settled(1_000, 9, kademlia::Config::default(), Config::default());
    let (record, writer) = (value("much wanted"), network.id(1));
    put(&mut network, writer, record.clone()).unwrap();
    let before = keepers(&network, record.id()).len();
    for index in 100..140 {
        let from = network.id(index);
        get(&mut network, from, record.id()).unwrap();
    }
    let after = keepers(&network, record.id()).len();
    // The asker keeps one, and often the last node that had none; never many nodes for one get.
    assert!((before + 20..=before + 80).contains(&after), "{before} to {after}");
    // And they go away again.
    network.run_for(Duration::from_secs(2 * 3_600));
    let later = keepers(&network, record.id()).len();
    assert!(later <= before + 2, "{before} to {later}");
}

#[test]
fn what_is_too_long_is_refused_before_it_is_sent() {
    let most = vec![7; 65_536];
    assert!(Value::new(vec![7; 65_537]).is_err());
    let mut network = joined(5, 1, kademlia::Config::default(), Config::default());
    let (one, other) = (network.id(1), network.id(2));
    let record = Record::Immutable(Value::new(most).unwrap());
    assert_eq!(put(&mut network, one, record.clone()).unwrap().stored_on, 4);
    assert_eq!(get(&mut network, other, record.id()).unwrap().record, record);
}
