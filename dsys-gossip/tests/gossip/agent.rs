//! Topics over shared links: a death is found out once and told to all topics, by each detector.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_gossip::MemoryStore;
use dsys_gossip::agent::{Agent, Command, Event, Message};
use dsys_gossip::detector::PhiConfig;
use dsys_gossip::envelope::{Timestamp, TopicName};
use dsys_gossip::links::{self, Config, Detection, Judge, Links};
use dsys_gossip::membership::full::{self, State};
use dsys_gossip::router::{self, Router};
use dsys_sim::{Connections, Crash, Faults, Letter, Network, Notice};

const SECOND: Duration = Duration::from_secs(1);

fn name(topic: &str) -> TopicName {
    topic.parse().unwrap()
}

fn deadline(millis: u64) -> Detection {
    Detection::Heartbeats { every: SECOND, judge: Judge::Deadline(Duration::from_millis(millis)) }
}

fn phi() -> Detection {
    Detection::Heartbeats { every: SECOND, judge: Judge::Phi(PhiConfig::default()) }
}

fn swim() -> Detection {
    Detection::Swim(Arc::new(full::Config::default()))
}

/// So many nodes, all in two topics, each with the detection of its number.
fn world(seed: u64, nodes: u8, detection: impl Fn(u8) -> Detection) -> (Network<Agent>, Vec<NodeId>) {
    // A crash of the power says nothing, and neither does a dial into the void.
    let connections = Connections::Tracked { timeout: None, absent: Notice::Silent };
    let mut network = Network::new(dsys_sim::Config { connections, ..dsys_sim::Config::new(seed) });
    network.set_size(Message::size);
    let config = Arc::new(router::Config::default());
    let mut ids = Vec::new();
    for byte in 0..nodes {
        let key = Arc::new(SecretKey::from_bytes([byte + 1; 32]));
        let id = key.public();
        let began = Timestamp::from_millis(1_800_000_000_000);
        let store = MemoryStore::with_budget(1 << 20);
        let router = Router::new(key, id, store, began, config.clone());
        let links = Links::new(id, Config { detection: detection(byte), ..Config::default() });
        network.add_named(id, Agent::new(router, links)).unwrap();
        for topic in ["a", "b"] {
            let contacts = ids.last().copied().map(NodeAddr::new).into_iter().collect();
            let join = router::Command::Join { topic: name(topic), contacts };
            network.command(id, Command::Router(join));
        }
        network.run_for(SECOND / 10);
        ids.push(id);
    }
    network.run_for(40 * SECOND);
    network.take_events();
    (network, ids)
}

/// In how many views of topics this node is.
fn views(network: &Network<Agent>, ids: &[NodeId], of: NodeId) -> usize {
    let topics = ids
        .iter()
        .filter_map(|id| network.machine(*id))
        .flat_map(|agent| ["a", "b"].map(|topic| agent.router().topic(&name(topic))));
    topics.flatten().filter(|topic| topic.neighbours().any(|id| id == of)).count()
}

fn downs(network: &Network<Agent>, ids: &[NodeId]) -> u64 {
    ids.iter().filter_map(|id| network.machine(*id)).map(|agent| agent.links().stats().downs).sum()
}

#[test]
fn a_node_that_falls_silent_leaves_every_topic_as_soon_as_the_detector_says_so() {
    // Within so many seconds after its last word.
    let cases = [("deadline", deadline(4_000), 6), ("phi", phi(), 6), ("swim", swim(), 8)];
    for (what, detection, seconds) in cases {
        let (mut network, ids) = world(1, 12, |_| detection.clone());
        let dead = ids[4];
        assert!(views(&network, &ids, dead) >= 8, "{what}");
        assert_eq!(downs(&network, &ids), 0, "{what}: nobody has died yet");
        assert!(network.crash(dead, Crash::POWER));
        network.run_for(seconds * SECOND);
        assert_eq!(views(&network, &ids, dead), 0, "{what}");
        // Each of its neighbours has found out for itself, by SWIM all have.
        let expected = if what == "swim" { 11 } else { 4 };
        assert!(downs(&network, &ids) >= expected, "{what}");
        // Nor is a neighbour lacking in either topic.
        network.run_for(20 * SECOND);
        for id in ids.iter().filter(|id| **id != dead) {
            let router = network.machine(*id).unwrap().router();
            assert!(router.stats(&name("a")).unwrap().neighbours >= 3, "{what}");
        }
    }
    // Without one each topic finds out by itself, which takes ten seconds of silence.
    let (mut network, ids) = world(1, 12, |_| Detection::Connections);
    assert!(network.crash(ids[4], Crash::POWER));
    network.run_for(6 * SECOND);
    assert!(views(&network, &ids, ids[4]) >= 8, "or the cases above show nothing");
    network.run_for(20 * SECOND);
    assert_eq!((views(&network, &ids, ids[4]), downs(&network, &ids)), (0, 0));
}

#[test]
fn nobody_who_lives_is_given_up_where_messages_get_lost_or_the_other_detects_otherwise() {
    let each =
        |byte: u8| [deadline(8_000), swim(), Detection::Connections, phi()][usize::from(byte) % 4].clone();
    let (mut network, ids) = world(2, 16, each);
    network.run_for(60 * SECOND);
    assert_eq!(downs(&network, &ids), 0, "four ways to detect, side by side");
    for detection in [deadline(8_000), swim()] {
        let (mut network, ids) = world(3, 16, |_| detection.clone());
        network.set_faults(Faults { loss: 0.1, ..Faults::NONE });
        network.run_for(120 * SECOND);
        assert_eq!(downs(&network, &ids), 0, "{detection:?}, with one message in ten lost");
    }
}

#[test]
fn members_are_visible_with_what_they_say_of_themselves() {
    let (mut network, ids) = world(4, 10, |_| swim());
    let meta = BTreeMap::from([("role".to_owned(), "store".to_owned())]);
    network.command(ids[3], Command::Links(links::Command::Meta(meta.clone())));
    network.run_for(10 * SECOND);
    let mut told = BTreeMap::new();
    for emitted in network.take_events() {
        if let Event::Links(links::Event::Member(member)) = emitted.event
            && member.id == ids[3]
        {
            assert!(member.state == State::Alive && member.version > 0);
            told.insert(emitted.node, member.meta);
        }
    }
    assert_eq!(told.len(), 9);
    assert!(told.values().all(|one| *one == meta));
    let agent = network.machine(ids[0]).unwrap();
    assert_eq!(agent.links().swim().unwrap().up(), 9);
}

#[test]
fn heartbeats_of_strangers_and_of_other_detectors_cost_nothing() {
    let (mut network, ids) = world(5, 20, |_| deadline(4_000));
    let agent = |network: &Network<Agent>| network.machine(ids[0]).unwrap().links().stats();
    let router = network.machine(ids[0]).unwrap().router();
    let neighbours: Vec<NodeId> = ["a", "b"]
        .iter()
        .flat_map(|topic| router.topic(&name(topic)).unwrap().neighbours().collect::<Vec<_>>())
        .collect();
    let stranger = *ids[1..].iter().find(|id| !neighbours.contains(id)).unwrap();
    let before = agent(&network);
    for number in 0..100 {
        let beat = Message::Link(links::Message::Beat(number));
        network.forge(stranger, Letter { to: ids[0], message: beat });
        let ping = full::Message::Ping { seq: 1, updates: vec![] };
        let ping = Message::Link(links::Message::Swim(ping));
        network.forge(stranger, Letter { to: ids[0], message: ping });
    }
    network.run_for(10 * SECOND);
    let after = agent(&network);
    assert!(after.strange >= before.strange + 200);
    assert_eq!(after.downs, 0, "and it is not judged by them");
    // A neighbour that leaves all topics is judged no more.
    for topic in ["a", "b"] {
        let leave = router::Command::Leave(name(topic));
        network.command(neighbours[0], Command::Router(leave));
    }
    network.run_for(20 * SECOND);
    assert_eq!(downs(&network, &ids), 0);
}
