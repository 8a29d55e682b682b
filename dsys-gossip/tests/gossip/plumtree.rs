//! Broadcast trees: what they cost, how they heal, and what hostile neighbours can do to them.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_gossip::MessageId;
use dsys_gossip::plumtree::{Command, Config, Event, Message, Plumtree, Timer};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Connections, Crash, Latency, Network};

use crate::overlay::Overlay;

fn network(
    nodes: u32,
    seed: u64,
    latency: Latency,
    connections: Connections,
) -> (Network<Plumtree>, Vec<NodeId>, Overlay) {
    let simulated = dsys_sim::Config { latency, connections, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(simulated);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let overlay = Overlay::random(&ids, 2 * nodes as usize, seed);
    for id in &ids {
        network.add(Plumtree::new(*id, overlay.neighbours[id].iter().copied(), Config::default())).unwrap();
    }
    network.run_for(Duration::from_secs(2));
    (network, ids, overlay)
}

/// Broadcasts and waits; how many nodes got it, and how many payloads were sent.
fn broadcast(network: &mut Network<Plumtree>, from: NodeId, byte: u8) -> (usize, u64) {
    let payloads = |network: &Network<Plumtree>| -> u64 {
        network.machines().map(|(_, node)| node.stats().payloads).sum()
    };
    let before = payloads(network);
    network.take_events();
    network.command(from, Command::Broadcast { id: MessageId([byte; 16]), payload: "all".into() });
    network.run_for(Duration::from_secs(5));
    let delivered = network.take_events().into_iter().filter(
        |emitted| matches!(&emitted.event, Event::Delivered { id, .. } if *id == MessageId([byte; 16])),
    );
    (delivered.count(), payloads(network) - before)
}

#[test]
fn with_equal_latencies_and_one_sender_each_node_gets_it_once_from_the_third_message_on() {
    for seed in 0..20 {
        let nodes = 50 + 10 * seed as u32;
        let latency = Latency::constant(Duration::from_millis(20));
        let (mut network, ids, overlay) = network(nodes, seed, latency, Connections::None);
        let (delivered, payloads) = broadcast(&mut network, ids[3], 0);
        assert_eq!(delivered, ids.len());
        assert!(payloads > ids.len() as u64 && payloads <= (2 * overlay.links()) as u64, "the first floods");
        broadcast(&mut network, ids[3], 1);
        for byte in 2..8 {
            let (delivered, payloads) = broadcast(&mut network, ids[3], byte);
            assert_eq!(
                (delivered, payloads),
                (ids.len(), ids.len() as u64 - 1),
                "seed {seed}, message {byte}"
            );
        }
        let grafts: u64 = network.machines().map(|(_, node)| node.stats().grafts).sum();
        assert_eq!(grafts, 0, "seed {seed}: nothing is asked for that comes by itself");
    }
}

#[test]
fn with_any_latencies_and_senders_all_get_it_for_little_more() {
    for seed in 0..5 {
        let latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(100)).per_link();
        let (mut network, ids, _) = network(150, seed, latency, Connections::None);
        let mut rng = Rng::from_seed(seed);
        broadcast(&mut network, ids[0], 0);
        let (mut delivered, mut payloads) = (0, 0);
        for byte in 1..31 {
            let (one, sent) = broadcast(&mut network, *rng.choose(&ids).unwrap(), byte);
            delivered += one;
            payloads += sent;
        }
        assert_eq!(delivered, 30 * ids.len(), "seed {seed}");
        let redundancy = payloads as f64 / (30.0 * (ids.len() as f64 - 1.0)) - 1.0;
        assert!((0.0..0.3).contains(&redundancy), "seed {seed}: {redundancy}");
    }
}

#[test]
fn the_tree_heals_around_the_dead_whether_they_are_refused_or_silent() {
    for (connections, crash) in [(Connections::TRACKED, Crash::PROCESS), (Connections::None, Crash::POWER)] {
        let mut grafts = 0;
        for seed in 0..5 {
            let latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(100));
            let (mut network, ids, overlay) = network(100, seed, latency, connections);
            for byte in 0..5 {
                broadcast(&mut network, ids[0], byte);
            }
            let mut gone = BTreeSet::new();
            for id in &ids[50..80] {
                gone.insert(*id);
                if !overlay.connected_without(&gone) {
                    gone.remove(id);
                }
            }
            assert!(gone.len() > 15, "{} is no test", gone.len());
            gone.iter().for_each(|id| assert!(network.crash(*id, crash)));
            let alive = ids.len() - gone.len();
            assert_eq!(broadcast(&mut network, ids[0], 50).0, alive, "seed {seed}, {crash:?}");
            grafts += network.machines().map(|(_, node)| node.stats().grafts).sum::<u64>();
            // Two more, and the tree is one again.
            broadcast(&mut network, ids[0], 51);
            broadcast(&mut network, ids[0], 52);
            assert_eq!(broadcast(&mut network, ids[0], 53).0, alive);
        }
        assert!(grafts > 0, "the dead were part of no tree");
    }
}

#[test]
fn under_any_faults_only_what_was_told_is_delivered_and_nothing_waits_for_ever() {
    let mut campaign = Campaign::new(|id, _: &[Vec<u8>], peers: &[NodeId]| {
        Plumtree::new(id, peers.iter().copied(), Config::default())
    })
    .work(|network, nodes| {
        for (byte, node) in nodes.iter().enumerate() {
            for round in 0..4 {
                let (id, at) =
                    (MessageId([byte as u8 * 4 + round; 16]), Duration::from_secs(2 * u64::from(round)));
                let payload = Bytes::from(vec![id.0[0]]);
                network.command_at(Time::ZERO + at, *node, Command::Broadcast { id, payload });
            }
        }
    })
    .invariant(|network| {
        let told = network.ids().len() as u8 * 4;
        let bad = network.events().iter().find(|emitted| match &emitted.event {
            Event::Delivered { id, payload, .. } => id.0[0] >= told || payload[..] != id.0[..1],
            Event::Lost(id) => id.0[0] >= told,
            _ => true,
        });
        bad.map_or(Ok(()), |bad| Err(format!("{bad:?} was not told")))
    })
    .goal(|network| {
        let waiting = network.machines().find(|(_, node)| node.missing() > 0);
        waiting.map_or(Ok(()), |(id, _)| Err(format!("{id:?} waits for ever")))
    });
    campaign.check_every = 20;
    if let Err(failure) = campaign.run(0..100) {
        panic!("{failure}");
    }
}

/// One node with neighbours 1 to 3, driven by hand.
struct Bench {
    node: Plumtree,
    rng: Rng,
    now: Time,
    peers: Vec<NodeId>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let peers: Vec<NodeId> = (0..5).map(NodeId::from_number).collect();
        let node = Plumtree::new(peers[0], peers[1..4].iter().copied(), config);
        Bench { node, rng: Rng::from_seed(1), now: Time::ZERO, peers }
    }

    fn give(&mut self, input: Input<Plumtree>) -> Vec<Effect<Plumtree>> {
        let mut effects = Vec::new();
        self.node.handle(input, &mut Context::new(self.now, &mut self.rng, &mut effects));
        effects
    }

    fn from(&mut self, peer: usize, message: Message) -> Vec<Effect<Plumtree>> {
        self.give(Input::Message(self.peers[peer], message))
    }
}

fn sent(effects: &[Effect<Plumtree>]) -> Vec<(NodeId, &Message)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send(to, message) => Some((*to, message)),
        _ => None,
    });
    sent.collect()
}

const ID: MessageId = MessageId([9; 16]);

#[test]
fn names_without_messages_cost_bounded_memory_and_their_announcer_the_link() {
    let mut bench = Bench::new(Config { max_missing: 3, max_announced: 4, ..Config::default() });
    let names = |range: std::ops::Range<u8>| range.map(|byte| MessageId([byte; 16])).collect::<Vec<_>>();
    for start in [0, 4, 8] {
        bench.from(1, Message::IHave(names(start..start + 4)));
    }
    assert_eq!((bench.node.missing(), bench.node.stats().missing_refused), (3, 9));
    assert!(bench.from(4, Message::IHave(names(20..22))).is_empty(), "a stranger's");
    assert_eq!((bench.node.missing(), bench.node.stats().violations), (3, 1));
    // It never answers a graft: each name is given up, and the link is lazy.
    for id in names(0..3) {
        let effects = bench.give(Input::Timer(Timer::Missing(id)));
        assert_eq!(sent(&effects), [(bench.peers[1], &Message::Graft(Some(id)))]);
        let effects = bench.give(Input::Timer(Timer::Missing(id)));
        assert!(
            effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Lost(lost)) if *lost == id))
        );
    }
    assert_eq!(bench.node.missing(), 0);
    let liar = bench.peers[1];
    assert!(bench.node.neighbours().any(|(id, eager)| id == liar && !eager));
    bench.from(1, Message::IHave(names(30..31)));
    assert_eq!(bench.node.missing(), 1, "it has room again");
    // Too many at once: the link to it stays, for others may use it; the neighbour goes, and what it announced.
    let effects = bench.from(1, Message::IHave(names(0..5)));
    let gone =
        |effect: &Effect<Plumtree>| matches!(effect, Effect::Emit(Event::Violated(peer)) if *peer == liar);
    assert!(
        effects.iter().any(gone) && !effects.iter().any(|effect| matches!(effect, Effect::Disconnect(_)))
    );
    assert!(bench.node.neighbours().all(|(id, _)| id != liar));
    assert!(bench.from(1, Message::IHave(names(0..5))).is_empty(), "it is told once");
    assert_eq!(bench.node.stats().violations, 3);
}

#[test]
fn whoever_grafts_and_never_answers_is_given_each_message_once_and_keeps_nobody_waiting() {
    let mut bench = Bench::new(Config::default());
    let payload = Bytes::from(vec![7; 1_000]);
    bench.give(Input::Command(Command::Broadcast { id: ID, payload: payload.clone() }));
    let given = |effects: &[Effect<Plumtree>]| {
        sent(effects).iter().filter(|(_, message)| matches!(message, Message::Gossip { .. })).count()
    };
    let before = bench.node.stats();
    let mut payloads = 0;
    for number in 0..1_000u32 {
        payloads += given(&bench.from(1, Message::Graft(Some(ID))));
        let mut none = [0; 16];
        none[..4].copy_from_slice(&number.to_be_bytes());
        payloads += given(&bench.from(1, Message::Graft(Some(MessageId(none)))));
        // A stranger gets nothing at all.
        payloads += given(&bench.from(4, Message::Graft(Some(ID))));
    }
    let after = bench.node.stats();
    assert_eq!(payloads, 1, "of three thousand that were asked for");
    assert_eq!(after.unknown - before.unknown, 1_999);
    assert_eq!((after.violations - before.violations, bench.node.missing()), (1_000, 0));
    // And the next message goes to it eagerly, whether it ever says anything or not.
    let effects = bench.give(Input::Command(Command::Broadcast { id: MessageId([8; 16]), payload }));
    assert_eq!(given(&effects), bench.node.neighbours().filter(|(_, eager)| *eager).count());
}

#[test]
fn what_came_by_another_way_is_neither_asked_for_nor_delivered() {
    let mut bench = Bench::new(Config::default());
    bench.from(1, Message::IHave(vec![ID]));
    let effects = bench.give(Input::Command(Command::Know(ID)));
    assert!(matches!(effects[..], [Effect::CancelTimer(Timer::Missing(ID))]), "{effects:?}");
    let effects = bench.from(2, Message::Gossip { id: ID, hops: 1, payload: Bytes::new() });
    assert!(matches!(effects[..], [Effect::Send(_, Message::Prune)]), "{effects:?}");
    assert!(bench.node.has_seen(ID) && bench.node.missing() == 0);
}

#[test]
fn a_graft_goes_to_the_next_announcer_when_one_is_silent_or_gone() {
    let mut bench = Bench::new(Config::default());
    for peer in 1..4 {
        bench.from(peer, Message::IHave(vec![ID]));
    }
    let asked = |effects: &[Effect<Plumtree>]| sent(effects).first().map(|(to, _)| *to);
    let effects = bench.give(Input::Timer(Timer::Missing(ID)));
    assert_eq!(asked(&effects), Some(bench.peers[1]));
    let effects = bench.give(Input::Timer(Timer::Missing(ID)));
    assert_eq!(asked(&effects), Some(bench.peers[2]));
    let effects = bench.give(Input::PeerDown(bench.peers[2]));
    assert_eq!(asked(&effects), Some(bench.peers[3]));
    let effects = bench.from(3, Message::Gossip { id: ID, hops: 1, payload: "all".into() });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CancelTimer(Timer::Missing(_)))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Delivered { .. }))));
    assert_eq!((bench.node.missing(), bench.node.stats().grafts), (0, 3));
    assert_eq!(bench.from(2, Message::Graft(Some(ID))).len(), 0, "no neighbour any more");
    assert!(matches!(sent(&bench.from(1, Message::Graft(Some(ID))))[..], [(_, Message::Gossip { .. })]));
    assert!(bench.from(1, Message::Graft(Some(ID))).is_empty(), "a payload is given once to each who asks");
    bench.from(1, Message::Graft(Some(MessageId([1; 16]))));
    assert_eq!((bench.node.stats().unknown, bench.node.stats().violations), (2, 1));
}

#[test]
fn the_wait_for_a_graft_is_measured() {
    let mut bench = Bench::new(Config::default());
    let waits = |effects: &[Effect<Plumtree>]| {
        effects.iter().find_map(|effect| match effect {
            Effect::SetTimer(Timer::Missing(_), wait) => Some(*wait),
            _ => None,
        })
    };
    let ms = Duration::from_millis;
    let effects = bench.from(1, Message::IHave(vec![MessageId([1; 16])]));
    assert_eq!(waits(&effects), Some(Config::default().first_round_trip), "before anything was measured");
    bench.give(Input::Start);
    bench.now += ms(40);
    bench.from(1, Message::Pong);
    bench.from(1, Message::Pong);
    let effects = bench.from(1, Message::IHave(vec![MessageId([2; 16])]));
    assert_eq!(waits(&effects), Some(ms(40)), "a round trip");
    // It comes by the tree 60 ms after its name: mean 60, deviation 30.
    bench.now += ms(60);
    bench.from(2, Message::Gossip { id: MessageId([2; 16]), hops: 1, payload: Bytes::new() });
    let effects = bench.from(1, Message::IHave(vec![MessageId([3; 16])]));
    assert_eq!(waits(&effects), Some(ms(180)), "as late as messages are");
    let effects = bench.give(Input::Timer(Timer::Missing(MessageId([3; 16]))));
    assert_eq!(waits(&effects), Some(ms(40 + 4 * 20)), "asked for, it takes a round trip");
}

#[test]
fn a_link_that_wins_three_times_replaces_the_parent() {
    let mut bench = Bench::new(Config::default());
    bench.from(1, Message::Prune);
    bench.give(Input::Start);
    bench.now += Duration::from_millis(20);
    bench.from(1, Message::Pong);
    for round in 1..=3 {
        let id = MessageId([round; 16]);
        bench.from(1, Message::IHave(vec![id]));
        bench.now += Duration::from_millis(11);
        let effects = bench.from(2, Message::Gossip { id, hops: 1, payload: Bytes::new() });
        let grafted = sent(&effects).contains(&(bench.peers[1], &Message::Graft(None)));
        let pruned = sent(&effects).contains(&(bench.peers[2], &Message::Prune));
        assert_eq!((grafted, pruned), (round == 3, round == 3), "message {round}");
    }
    let eager: Vec<NodeId> = bench.node.neighbours().filter(|one| one.1).map(|one| one.0).collect();
    assert!(eager.contains(&bench.peers[1]) && !eager.contains(&bench.peers[2]));
    assert_eq!(bench.node.stats().optimized, 1);
}
