//! Scuttlebutt: whoever knows a participant up to a number knows all that it had said by then; and in the end all know all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_gossip::Timestamp;
use dsys_gossip::scuttlebutt::{
    Command, Config, Event, Known, Message, Order, Scuttlebutt, Version, Write, Writes,
};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Crash, Network};

const SECOND: Duration = Duration::from_secs(1);

fn key(number: u64) -> Bytes {
    format!("key {number}").into()
}

fn write(number: u64, value: u64) -> Command {
    Command::Write(key(number), Some(value.to_string().into()))
}

fn life(network: &Network<Scuttlebutt>) -> Timestamp {
    Timestamp::from_millis(1_000).plus(network.now() - Time::ZERO)
}

fn world(seed: u64, nodes: u32, config: &Config) -> (Network<Scuttlebutt>, Vec<NodeId>) {
    let mut network = Network::new(dsys_sim::Config::new(seed));
    network.set_size(Message::size);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for id in &ids {
        let began = life(&network);
        network.add(Scuttlebutt::new(*id, ids.as_slice(), began, config.clone())).unwrap();
    }
    (network, ids)
}

/// What is wrong with what anybody knows of anybody who lives: a value that its writer did not write there by then, or one
/// that it had written by then and that is lacking.
fn gaps(network: &Network<Scuttlebutt>) -> Result<(), String> {
    for (of, writer) in network.machines() {
        let now = writer.version(of).unwrap();
        let written: BTreeMap<&Bytes, (u64, &Bytes)> =
            writer.entries(of).map(|(key, number, value)| (key, (number, value))).collect();
        for (id, node) in network.machines() {
            let Some(version) = node.version(of).filter(|version| version.life == now.life) else { continue };
            if version > now {
                return Err(format!("{id:?} knows {version:?} of {of:?}, which has written {now:?}"));
            }
            for (key, (_, value)) in written.iter().filter(|(_, (number, _))| *number <= version.number) {
                if node.get(of, key) != Some(*value) {
                    return Err(format!("{id:?} lacks {key:?} of {of:?} though it knows {version:?}"));
                }
            }
        }
    }
    Ok(())
}

/// Whether all who live know all of all who live.
fn agree(network: &Network<Scuttlebutt>) -> Result<(), String> {
    gaps(network)?;
    for (of, writer) in network.machines() {
        for (id, node) in network.machines() {
            if node.version(of) != writer.version(of) && writer.version(of).is_some_and(|one| one.number > 0)
            {
                return Err(format!("{id:?} knows {:?} of {of:?}", node.version(of)));
            }
        }
    }
    Ok(())
}

#[test]
fn all_know_all_in_the_end_in_either_order_and_no_message_is_longer_than_allowed() {
    for order in [Order::Breadth, Order::Depth] {
        let config = Config { order, mtu: 400, max_digest: 8, ..Config::default() };
        let (mut network, ids) = world(1, 30, &config);
        for number in 0..20 {
            for id in &ids {
                network.command(*id, write(number % 10, number));
            }
            network.run_for(SECOND / 2);
            gaps(&network).unwrap();
        }
        network.command(ids[3], Command::Write(key(4), None));
        network.run_for(120 * SECOND);
        agree(&network).unwrap();
        let node = network.machine(ids[9]).unwrap();
        assert_eq!((node.get(ids[3], b"key 4"), node.entries(ids[3]).count()), (None, 9), "{order:?}");
        assert_eq!(node.get(ids[5], b"key 7").unwrap(), "17");
        for (id, node) in network.machines() {
            let stats = node.stats();
            assert_eq!((stats.violations, stats.refused), (0, 0), "{id:?}");
            // An earlier value that was replaced before it was sent is never sent.
            assert!(stats.taken < 29 * 20, "{order:?}: {stats:?}");
        }
    }
}

#[test]
fn whatever_happens_nobody_has_a_gap() {
    for order in [Order::Breadth, Order::Depth] {
        let config = Config { order, mtu: 150, max_digest: 3, ..Config::default() };
        // Each life begins at a time of its own, every third before all others, by a clock that went back.
        let (lives, config) = (AtomicU64::new(1), config.clone());
        let mut campaign = Campaign::new(move |id, _: &[Vec<u8>], peers: &[NodeId]| {
            let number = lives.fetch_add(1, Ordering::Relaxed);
            let life = if number.is_multiple_of(3) { 1_000_000 - number } else { 1_000_000 + number };
            let life = Timestamp::from_millis(life);
            Scuttlebutt::new(id, peers, life, config.clone())
        })
        .work(|network, nodes| {
            for number in 0..60u64 {
                let node = nodes[number as usize % nodes.len()];
                let at = Time::ZERO + Duration::from_millis(100 + 350 * number);
                let value = (number % 7 > 0).then(|| number.to_string().into());
                network.command_at(at, node, Command::Write(key(number % 9), value));
            }
        })
        .invariant(gaps)
        .goal(agree);
        campaign.check_every = 50;
        campaign.patience = Duration::from_secs(200);
        if let Err(failure) = campaign.run(0..30) {
            panic!("{order:?}: {failure}");
        }
    }
}

#[test]
fn a_new_life_replaces_what_the_earlier_one_said_even_if_its_clock_went_back() {
    let (mut network, ids) = world(3, 6, &Config::default());
    let all = ids.clone();
    network.set_spawn(move |id, _| {
        Scuttlebutt::new(id, all.as_slice(), Timestamp::from_millis(7), Config::default())
    });
    (0..5).for_each(|number| network.command(ids[2], write(number, 1)));
    network.run_for(20 * SECOND);
    assert_eq!(network.machine(ids[0]).unwrap().entries(ids[2]).count(), 5);
    network.crash(ids[2], Crash::PROCESS);
    network.run_for(SECOND);
    network.restart(ids[2]);
    network.take_events();
    network.run_for(20 * SECOND);
    assert_eq!(network.machine(ids[0]).unwrap().entries(ids[2]).count(), 0, "it has said nothing yet");
    let told = network.take_events();
    let gone = told.iter().filter(|one| {
        one.node == ids[0] && matches!(&one.event, Event::Changed { of, value: None, .. } if *of == ids[2])
    });
    assert_eq!(gone.count(), 5);
    network.command(ids[2], write(9, 2));
    network.run_for(20 * SECOND);
    agree(&network).unwrap();
    assert_eq!(network.machine(ids[0]).unwrap().get(ids[2], b"key 9").unwrap(), "2");
}

/// One node, driven by hand.
struct Bench(Scuttlebutt, Rng);

impl Bench {
    fn new(config: Config) -> Self {
        let life = Timestamp::from_millis(5);
        Bench(Scuttlebutt::new(NodeId::from_number(0), [], life, config), Rng::from_seed(1))
    }

    fn hear(&mut self, message: Message) -> Vec<Effect<Scuttlebutt>> {
        self.give(Input::Message(NodeId::from_number(1), message))
    }

    fn give(&mut self, input: Input<Scuttlebutt>) -> Vec<Effect<Scuttlebutt>> {
        let mut effects = Vec::new();
        self.0.handle(input, &mut Context::new(Time::ZERO, &mut self.1, &mut effects));
        effects
    }

    /// What it sends to one who knows nothing: of whom, and which numbers.
    fn all(&mut self) -> Vec<(NodeId, Vec<u64>)> {
        let nothing = Known { from: NodeId::from_bytes([0; 32]), to: None, versions: vec![] };
        let effects = self.hear(Message::Digest(nothing));
        let [Effect::Send(_, Message::Differ { writes, .. })] = &effects[..] else { panic!("{effects:?}") };
        writes.iter().map(|one| (one.of, one.writes.iter().map(|write| write.number).collect())).collect()
    }
}

fn said(of: u64, life: u64, after: u64, numbers: std::ops::RangeInclusive<u64>) -> Writes {
    let one = |number| Write { number, key: key(number), value: Some("x".into()) };
    Writes { of: NodeId::from_number(of), life, after, writes: numbers.map(one).collect() }
}

#[test]
fn depth_takes_all_of_whom_most_is_lacking_and_breadth_takes_of_each() {
    // Room for eight writes and three heads, or for eleven and two.
    let config = |order| Config { order, mtu: 8 * 11 + 3 * 40, ..Config::default() };
    let with = |order| {
        let mut bench = Bench::new(config(order));
        for (of, count) in [(1, 3), (2, 9), (3, 4)] {
            bench.hear(Message::Writes(vec![said(of, 7, 0, 1..=count)]));
        }
        let mut all = bench.all();
        all.sort_by_key(|(of, _)| (1..4).find(|number| NodeId::from_number(*number) == *of));
        all.into_iter().map(|(_, numbers)| numbers).collect::<Vec<_>>()
    };
    assert_eq!(with(Order::Depth), [vec![1, 2, 3, 4, 5, 6, 7, 8, 9], vec![1, 2]]);
    let breadth = with(Order::Breadth);
    assert_eq!((breadth.len(), breadth.iter().map(Vec::len).sum::<usize>()), (3, 8));
    assert!(breadth.iter().all(|numbers| numbers.len() >= 2 && numbers[0] == 1), "{breadth:?}");
}

#[test]
fn what_does_not_follow_is_not_taken_and_bounds_hold() {
    let config =
        Config { max_participants: 3, max_keys: 4, max_size: 20, max_digest: 2, ..Config::default() };
    let mut bench = Bench::new(config);
    let of = NodeId::from_number(1);
    // For an earlier life of ours that knew more; out of order; of an earlier life of theirs.
    bench.hear(Message::Writes(vec![said(1, 7, 3, 4..=5)]));
    assert_eq!(bench.0.version(of).unwrap_or_default(), Version::default());
    bench.hear(Message::Writes(vec![said(1, 7, 0, 1..=2)]));
    bench.hear(Message::Writes(vec![said(1, 6, 0, 1..=4)]));
    bench.hear(Message::Writes(vec![said(1, 7, 0, 1..=3)]));
    assert_eq!((bench.0.version(of), bench.0.stats().taken), (Some(Version { life: 7, number: 3 }), 3));
    bench.hear(Message::Writes(vec![said(1, 7, 4, 5..=5)]));
    assert_eq!(bench.0.version(of).unwrap().number, 3, "the fourth is lacking");
    // More keys than there may be: known up to the last that fits.
    bench.hear(Message::Writes(vec![said(1, 7, 3, 4..=9)]));
    assert_eq!((bench.0.version(of).unwrap().number, bench.0.entries(of).count()), (4, 4));
    let large = Write { number: 5, key: key(1), value: Some("x".repeat(30).into()) };
    bench.hear(Message::Writes(vec![Writes { of, life: 7, after: 4, writes: vec![large] }]));
    assert_eq!(bench.0.version(of).unwrap().number, 4);
    // More participants; a longer message; a longer digest.
    bench.hear(Message::Writes(vec![said(2, 1, 0, 1..=1), said(3, 1, 0, 1..=1)]));
    assert_eq!((bench.0.participants().len(), bench.0.stats().refused), (3, 3));
    bench.hear(Message::Writes(vec![said(1, 7, 4, 5..=200)]));
    let versions = (0..3).map(|number| (NodeId::from_number(number), Version::default())).collect();
    let known = Known { from: NodeId::from_bytes([0; 32]), to: None, versions };
    assert!(bench.hear(Message::Digest(known)).is_empty());
    assert_eq!(bench.0.stats().violations, 2);
    // Nobody speaks for us, and our own bounds are the same.
    bench.hear(Message::Writes(vec![said(0, 99, 0, 1..=2)]));
    assert_eq!(bench.0.entries(NodeId::from_number(0)).count(), 0);
    for number in 0..5 {
        bench.give(Input::Command(write(number, 1)));
    }
    let refused = bench.give(Input::Command(Command::Write(key(0), Some("x".repeat(16).into()))));
    assert!(matches!(&refused[..], [Effect::Emit(Event::Refused(_))]));
    assert_eq!(bench.0.entries(NodeId::from_number(0)).count(), 4);
}
