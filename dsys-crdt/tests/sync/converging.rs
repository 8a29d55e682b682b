//! Under loss, duplication, reordering, partitions, crashes and power failures all replicas end with the same, and no
//! author has forked: what was not on the disk was told to nobody.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{NodeId, Time};
use dsys_crdt::change::DocumentId;
use dsys_crdt::sync::{Command, Event};
use dsys_sim::swarm::{Campaign, Fault};
use dsys_sim::{Config, Connections, Latency, Network};

use crate::replica::{Act, OURS, Replica, SECRET};

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Mesh,
    Line,
    Star,
}

fn neighbours(shape: Shape, id: NodeId, all: &[NodeId]) -> Vec<NodeId> {
    let at = all.iter().position(|other| *other == id).unwrap_or(0);
    match shape {
        Shape::Mesh => all.iter().copied().filter(|other| *other != id).collect(),
        Shape::Line => all.get(at + 1).copied().into_iter().collect(),
        Shape::Star if at > 0 => vec![all[0]],
        Shape::Star => vec![],
    }
}

pub(crate) fn same(network: &Network<Replica>, honest: impl Fn(NodeId) -> bool) -> Result<usize, String> {
    let mut seen = None;
    for (id, replica) in network.machines().filter(|(id, _)| honest(*id)) {
        let doc = replica.doc(&OURS).unwrap();
        let state = (serde_json::to_string(&doc.value()).unwrap(), doc.heads(), doc.log().len());
        if !doc.log().forks().is_empty() {
            return Err(format!("{id:?} knows of a fork"));
        }
        let first = seen.get_or_insert_with(|| state.clone());
        if *first != state {
            return Err(format!("{id:?} has {} changes: {}, not {}", state.2, state.0, first.0));
        }
    }
    Ok(seen.map_or(0, |(_, _, len)| len))
}

fn campaign(shape: Shape, connections: Connections) -> (Campaign<Replica>, Rc<Cell<usize>>) {
    let most = Rc::new(Cell::new(0));
    let counted = most.clone();
    let mut campaign = Campaign::new(move |id, disk, all| {
        let mut shares = vec![(OURS, neighbours(shape, id, all))];
        // The secret one belongs to the first two; the third knows its name.
        let readers = &all[..all.len().min(2)];
        if all.iter().take(3).any(|other| *other == id) {
            shares.push((SECRET, all.iter().copied().take(3).filter(|other| *other != id).collect()));
        }
        Replica::new(id, disk, shares, readers)
    })
    .work(|network, nodes| {
        for step in 0..40u64 {
            let node = nodes[(step.wrapping_mul(7) % nodes.len() as u64) as usize];
            let at = Time::from_nanos(step * 97_000_000);
            network.command_at(at, node, Act::Edit(OURS, step.wrapping_mul(0x9e37_79b9)));
        }
        network.command_at(Time::from_nanos(1), nodes[0], Act::Edit(SECRET, 5));
    })
    .invariant(|network| {
        let told = network
            .machines()
            .skip(2)
            .find(|(_, replica)| replica.doc(&SECRET).is_some_and(|doc| !doc.log().is_empty()));
        told.map_or(Ok(()), |(id, _)| Err(format!("{id:?} was told the secret")))
    })
    .goal(move |network| {
        let len = same(network, |id| !network.lies(id))?;
        counted.set(counted.get().max(len));
        Ok(())
    });
    campaign.config.connections = connections;
    campaign.nodes = 2..=5;
    campaign.check_every = 16;
    campaign.longest = Duration::from_secs(6);
    campaign.max_shrinks = 20;
    (campaign, most)
}

fn all_converge(seeds: u64) {
    for shape in [Shape::Mesh, Shape::Line, Shape::Star] {
        for connections in [Connections::None, Connections::TRACKED] {
            let (campaign, most) = campaign(shape, connections);
            campaign.run(0..seeds).unwrap_or_else(|failure| panic!("{failure}"));
            assert!(most.get() >= 30, "nearly nothing was changed");
        }
    }
}

#[test]
fn replicas_end_with_the_same() {
    all_converge(10);
}

#[test]
#[ignore = "the long campaign: 10,000 seeds"]
fn replicas_end_with_the_same_over_many_seeds() {
    all_converge(1_700);
}

/// A part of the nodes alters what it says, or withholds it; the others come to an end without them.
#[test]
fn liars_do_not_keep_the_honest_apart() {
    let (campaign, _) = campaign(Shape::Mesh, Connections::TRACKED);
    let mut campaign = campaign.lie(crate::hostile::lie);
    campaign.nodes = 3..=5;
    campaign.faults.push(Fault::Liars);
    campaign.run(0..25).unwrap_or_else(|failure| panic!("{failure}"));
}

fn two(latency: Duration, connections: Connections) -> (Network<Replica>, [NodeId; 2]) {
    let config = Config { latency: Latency::constant(latency), connections, ..Config::new(1) };
    let mut network = Network::new(config);
    let ids = [network.id(0), network.id(1)];
    network.set_spawn(move |id, disk| {
        Replica::new(id, disk, vec![(OURS, ids.into_iter().filter(|other| *other != id).collect())], &[])
    });
    (network, ids)
}

#[test]
fn who_was_away_has_everything_after_one_round_trip() {
    let (mut network, [a, b]) = two(Duration::from_millis(100), Connections::None);
    network.join();
    for step in 0..200 {
        network.command(a, Act::Edit(OURS, step));
    }
    network.run_for(Duration::from_secs(20));
    let begun = network.now();
    network.join();
    // In pieces of some three hundred bytes, three at a time.
    network.run_until(begun + Duration::from_millis(201));
    let part = network.machine(b).unwrap().doc(&OURS).unwrap().log().len();
    assert!(part > 5 && part < 200, "{part} after one round trip: as much as may be on its way");
    network.run_until(begun + Duration::from_secs(3));
    let events = network.take_events();
    let progress = events.iter().filter(|emitted| matches!(emitted.event, Event::Progress(..))).count();
    assert!(progress > 2, "{progress} reports");
    assert_eq!(same(&network, |_| true), Ok(200));
    // Away again, for a little: the rest is there one round trip after it is back.
    network.crash(b, dsys_sim::Crash::PROCESS);
    (0..3).for_each(|step| network.command(a, Act::Edit(OURS, step)));
    network.run_for(Duration::from_secs(5));
    network.restart(b);
    let begun = network.now();
    network.run_until(begun + Duration::from_millis(201));
    assert_eq!(same(&network, |_| true), Ok(203));
    network.run_for(Duration::from_secs(3));
    let events = network.take_events();
    assert!(events.iter().any(|emitted| emitted.event == Event::InStep(OURS, a)));
}

/// Two who share 200 documents and meet again compare ranges: what differs is found, and the rest costs next to nothing.
#[test]
fn many_documents_are_compared_by_ranges() {
    let config = Config { latency: Latency::constant(Duration::from_millis(10)), ..Config::new(1) };
    let mut network = Network::new(config);
    let (a, b) = (network.id(0), network.id(1));
    let documents: Vec<DocumentId> = (3..203u8).map(|number| DocumentId::from_bytes([number; 32])).collect();
    let all = documents.clone();
    network.set_spawn(move |id, disk| {
        let other = vec![if id == a { b } else { a }];
        Replica::new(id, disk, all.iter().map(|document| (*document, other.clone())).collect(), &[])
    });
    (0..2).for_each(|_| assert!(network.join().is_some()));
    documents.iter().for_each(|document| network.command(a, Act::Edit(*document, 1)));
    network.run_for(Duration::from_secs(20));
    let lacking = |network: &Network<Replica>| {
        let len = |id, document| network.machine(id).unwrap().doc(document).unwrap().log().len();
        documents.iter().filter(|document| len(a, document) != len(b, document)).count()
    };
    assert_eq!(
        (lacking(&network), network.machine(b).unwrap().doc(&documents[9]).unwrap().log().len()),
        (0, 1)
    );
    network.crash(b, dsys_sim::Crash::PROCESS);
    network.run_for(Duration::from_secs(1));
    [3usize, 4, 150].into_iter().for_each(|at| network.command(a, Act::Edit(documents[at], 2)));
    network.run_for(Duration::from_secs(1));
    network.restart(b);
    let before = network.stats().sent;
    network.run_for(Duration::from_secs(2));
    let sent = network.stats().sent - before;
    assert_eq!(lacking(&network), 0);
    assert!(sent < 200, "{sent} messages, where 200 documents one by one take 800");
}

#[test]
fn a_keystroke_is_there_after_one_way_and_comes_once_through_a_mesh() {
    let config = Config { latency: Latency::constant(Duration::from_millis(50)), ..Config::new(1) };
    let mut network = Network::new(config);
    let ids: Vec<NodeId> = (0..11).map(|index| network.id(index)).collect();
    let all = ids.clone();
    network.set_spawn(move |id, disk| {
        Replica::new(id, disk, vec![(OURS, neighbours(Shape::Mesh, id, &all))], &[])
    });
    ids.iter().for_each(|_| assert!(network.join().is_some()));
    network.run_for(Duration::from_secs(1));
    for round in 0..20 {
        let begun = network.now();
        network.command(ids[0], Act::Edit(OURS, round));
        network.run_until(begun + Duration::from_millis(80));
        assert_eq!(same(&network, |_| true), Ok(round as usize + 1), "round {round}");
        network.run_for(Duration::from_secs(1));
    }
    let spare: u64 = network.machines().map(|(_, replica)| replica.sync.stats().spare).sum();
    let sent: u64 = network.machines().map(|(_, replica)| replica.sync.stats().sent).sum();
    assert!(spare <= 90, "{spare} pieces came twice: only until the links are told apart");
    assert!(sent < 20 * 10 + 120, "{sent} changes sent for 200 that were wanted");
}

/// Who has sent it, or acknowledged it, is not told of it again; two who both have it from somebody else tell each other.
#[test]
fn a_keystroke_is_announced_to_those_who_may_not_have_it() {
    for (shape, most) in [(Shape::Star, 20), (Shape::Mesh, 110)] {
        let latency = Latency::constant(Duration::from_millis(1));
        let mut network = Network::new(Config { latency, ..Config::new(1) });
        let ids: Vec<NodeId> = (0..11).map(|index| network.id(index)).collect();
        let all = ids.clone();
        network.set_spawn(move |id, disk| {
            Replica::new(id, disk, vec![(OURS, neighbours(shape, id, &all))], &[])
        });
        ids.iter().for_each(|_| assert!(network.join().is_some()));
        network.run_for(Duration::from_secs(1));
        // The links of a mesh have to be told apart first, and at times all announce what they have.
        let sent = (0..30).map(|round| {
            let before = network.stats().sent;
            network.command(ids[0], Act::Edit(OURS, round));
            network.run_for(Duration::from_millis(200));
            assert_eq!(same(&network, |_| true), Ok(round as usize + 1), "round {round}");
            network.stats().sent - before
        });
        let mut sent: Vec<u64> = sent.collect();
        sent.sort_unstable();
        assert!(sent[15] <= most, "{} messages for a keystroke to ten", sent[15]);
    }
}

/// What comes from others is passed on before it is on the disk: only the author waits for its own.
#[test]
fn a_keystroke_waits_for_one_disk_on_its_way_through_a_line() {
    let latency = Latency::constant(Duration::from_millis(50));
    let mut network = Network::new(Config { latency, ..Config::new(1) });
    let ids: Vec<NodeId> = (0..4).map(|index| network.id(index)).collect();
    let all = ids.clone();
    network.set_spawn(move |id, disk| {
        Replica::new(id, disk, vec![(OURS, neighbours(Shape::Line, id, &all))], &[])
    });
    ids.iter().for_each(|_| assert!(network.join().is_some()));
    network.run_for(Duration::from_secs(1));
    let begun = network.now();
    network.command(ids[0], Act::Edit(OURS, 1));
    // 20 ms until it is written, and three times 50 ms on the way.
    let len = |network: &Network<Replica>| network.machine(ids[3]).unwrap().doc(&OURS).unwrap().log().len();
    network.run_until(begun + Duration::from_millis(168));
    assert_eq!(len(&network), 0);
    network.run_until(begun + Duration::from_millis(175));
    assert_eq!(len(&network), 1);
}

#[test]
fn presence_is_passed_on_and_ends_with_its_node() {
    let (mut network, [a, b]) = two(Duration::from_millis(10), Connections::TRACKED);
    (0..2).for_each(|_| assert!(network.join().is_some()));
    network.run_for(Duration::from_secs(1));
    network.command(a, Act::Sync(Command::Presence(OURS, b"at 7".to_vec())));
    network.run_for(Duration::from_secs(1));
    let seen = |network: &mut Network<Replica>| {
        let events = network.take_events().into_iter().filter(|emitted| emitted.node == b);
        let states = events.filter_map(|emitted| match emitted.event {
            Event::Presence(_, peer, state) if peer == a => Some(state),
            _ => None,
        });
        states.reduce(|_, last| last)
    };
    assert_eq!(seen(&mut network), Some(b"at 7".to_vec()));
    // Who comes later is told as well.
    network.crash(b, dsys_sim::Crash::PROCESS);
    network.run_for(Duration::from_secs(1));
    network.restart(b);
    network.run_for(Duration::from_secs(5));
    assert_eq!(seen(&mut network), Some(b"at 7".to_vec()));
}
