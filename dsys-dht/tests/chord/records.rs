//! The same records above the other overlay.

use std::time::Duration;

use dsys_core::NodeId;
use dsys_dht::QueryId;
use dsys_dht::chord::{Chord, Config};
use dsys_dht::records::{
    self, Command, Event, GetError, Got, LeaveReport, PutReport, Record, Records, UnixTime, Value,
};
use dsys_sim::{Connections, Crash, Network};

use crate::world::{owners, owners_of_places};

type World = Network<Records<Chord>>;

fn joined(nodes: u32, seed: u64) -> World {
    joined_with(nodes, 1, Duration::from_secs(15), seed)
}

fn joined_with(nodes: u32, virtual_nodes: u8, repair: Duration, seed: u64) -> World {
    let config = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(config);
    let chord =
        Config { successors: 5, virtual_nodes, stabilize: Duration::from_secs(3), ..Config::default() };
    let mut config = records::Config::default();
    config.repair = repair;
    config.cache = Duration::ZERO;
    let first = network.id(0);
    for index in 0..nodes {
        let begin = if index == 0 { Vec::new() } else { vec![first.into()] };
        let overlay = Chord::new(network.id(index), begin, chord.clone());
        network.add(Records::new(overlay, UnixTime(1_800_000_000), config.clone())).unwrap();
        network.run_for(Duration::from_secs(2));
    }
    network.run_for(Duration::from_secs(120));
    network
}

fn run<T>(network: &mut World, node: NodeId, command: Command, pick: impl Fn(Event) -> Option<T>) -> T {
    network.take_events();
    network.command(node, command);
    for _ in 0..600 {
        network.run_for(Duration::from_millis(100));
        if let Some(picked) = network.take_events().into_iter().find_map(|emitted| pick(emitted.event)) {
            return picked;
        }
    }
    panic!("it did not end");
}

fn put(network: &mut World, node: NodeId, record: Record) -> PutReport {
    let command = Command::Put { op: QueryId(1), record, after: None, steps: false };
    run(network, node, command, |event| match event {
        Event::Put { result, .. } => Some(result.unwrap()),
        _ => None,
    })
}

fn get(network: &mut World, node: NodeId, record: &Record) -> Result<Got, GetError> {
    let id = record.id();
    let command = Command::Get { op: QueryId(1), key: id.key, kind: id.kind, enough: 1, steps: false };
    run(network, node, command, |event| match event {
        Event::Got { result, .. } => Some(result),
        _ => None,
    })
}

fn value(text: &str) -> Record {
    Record::Immutable(Value::new(text.as_bytes().to_vec()).unwrap())
}

#[test]
fn what_is_put_lies_on_the_owner_and_its_successors_and_is_found() {
    let mut network = joined(40, 1);
    for number in 0..20 {
        let record = value(&format!("number {number}"));
        let (writer, reader) = (network.id(number), network.id(39 - number));
        let report = put(&mut network, writer, record.clone());
        assert!(report.of >= 4 && report.stored_on == report.of, "{report:?}");
        let others = network.ids().filter(|node| *node != writer).collect::<Vec<_>>();
        let id = record.id();
        for owner in owners(others, id.key, 4) {
            assert!(network.machine(owner).unwrap().keeps(&id));
        }
        assert_eq!(get(&mut network, reader, &record).unwrap().record, record);
    }
    let reader = network.id(3);
    assert!(matches!(get(&mut network, reader, &value("never")), Err(GetError::NotFound { .. })));
}

#[test]
fn a_joining_node_is_given_what_it_owns_and_a_leaving_one_hands_over() {
    let mut network = joined(20, 2);
    let records: Vec<Record> = (0..20).map(|number| value(&format!("number {number}"))).collect();
    let writer = network.id(0);
    for record in &records {
        put(&mut network, writer, record.clone());
    }
    let (first, chord) =
        (network.id(0), Config { successors: 5, stabilize: Duration::from_secs(3), ..Config::default() });
    let mut config = records::Config::default();
    config.repair = Duration::from_secs(15);
    for index in 20..30 {
        let overlay = Chord::new(network.id(index), vec![first.into()], chord.clone());
        network.add(Records::new(overlay, UnixTime(1_800_000_000), config.clone())).unwrap();
    }
    network.run_for(Duration::from_secs(120));
    for record in &records {
        let owner = owners(network.ids(), record.id().key, 1)[0];
        assert!(network.machine(owner).unwrap().keeps(&record.id()), "the owner by now");
    }
    // All but the writer's neighbours go, each with a word.
    for index in (1..20).step_by(2) {
        let node = network.id(index);
        let report: LeaveReport = run(&mut network, node, Command::Leave(QueryId(2)), |event| match event {
            Event::Left(_, report) => Some(report),
            _ => None,
        });
        assert_eq!(report.handed, report.of);
        network.crash(node, Crash::PROCESS);
        network.run_for(Duration::from_secs(20));
    }
    let reader = network.id(25);
    for record in &records {
        assert!(get(&mut network, reader, record).is_ok());
    }
}

/// Repair is hours away: the new node pulls (predecessor, self] by itself.
#[test]
fn a_joining_node_pulls_what_it_owns() {
    let never = Duration::from_secs(100_000);
    let mut network = joined_with(20, 1, never, 6);
    let records: Vec<Record> = (0..60).map(|number| value(&format!("number {number}"))).collect();
    let writer = network.id(0);
    for record in &records {
        put(&mut network, writer, record.clone());
    }
    let (first, chord) =
        (network.id(0), Config { successors: 5, stabilize: Duration::from_secs(3), ..Config::default() });
    let mut config = records::Config::default();
    config.repair = never;
    let new = network.id(20);
    let overlay = Chord::new(new, vec![first.into()], chord);
    network.add(Records::new(overlay, UnixTime(1_800_000_000), config)).unwrap();
    network.run_for(Duration::from_secs(20));
    let owned = records.iter().filter(|record| owners(network.ids(), record.id().key, 1)[0] == new);
    let owned: Vec<&Record> = owned.collect();
    assert!(!owned.is_empty(), "or this shows nothing");
    assert!(owned.iter().all(|record| network.machine(new).unwrap().keeps(&record.id())));
}

#[test]
fn many_records_at_once_lie_where_each_would_lie_alone() {
    let mut network = joined(30, 3);
    let writer = network.id(4);
    let records: Vec<Record> = (0..200).map(|number| value(&format!("number {number}"))).collect();
    let command = Command::Sweep { op: QueryId(1), records: records.clone() };
    let report = run(&mut network, writer, command, |event| match event {
        Event::Swept { result, .. } => Some(result.unwrap()),
        _ => None,
    });
    // One for each owner: the arc of one ends where that of the next begins.
    assert!(report.searches <= 30 && report.fewest >= 4, "{report:?}");
    for record in &records {
        let id = record.id();
        let others = network.ids().filter(|node| *node != writer).collect::<Vec<_>>();
        for owner in owners(others, id.key, 4) {
            assert!(network.machine(owner).unwrap().keeps(&id));
        }
    }
}

#[test]
fn with_virtual_nodes_each_copy_lies_on_another_node() {
    let mut network = joined_with(25, 4, Duration::from_secs(15), 4);
    let records: Vec<Record> = (0..100).map(|number| value(&format!("number {number}"))).collect();
    let writer = network.id(4);
    for record in &records[..10] {
        let report = put(&mut network, writer, record.clone());
        assert!(report.of >= 4 && report.stored_on == report.of, "{report:?}");
    }
    let command = Command::Sweep { op: QueryId(1), records: records[10..].to_vec() };
    let report = run(&mut network, writer, command, |event| match event {
        Event::Swept { result, .. } => Some(result.unwrap()),
        _ => None,
    });
    assert!(report.searches <= 25 * 4 && report.fewest >= 4, "{report:?}");
    let others = network.ids().filter(|node| *node != writer).collect::<Vec<_>>();
    for record in &records {
        let id = record.id();
        for owner in owners_of_places(others.clone(), 4, id.key, 4) {
            assert!(network.machine(owner).unwrap().keeps(&id));
        }
    }
    let reader = network.id(20);
    assert_eq!(get(&mut network, reader, &records[50]).unwrap().record, records[50]);
}
