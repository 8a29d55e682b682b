//! The tables of Demers et al. 1987, with fewer seeds and wider gates than `lab -- gossip --check`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::Time;
use dsys_gossip::MessageId;
use dsys_gossip::rumor::{Command, Config, Event, Message, Rumor, Sites, Variant};
use dsys_sim::measure::{Spread, Summary};
use dsys_sim::{Connections, Latency, Network};

const CYCLE: Duration = Duration::from_secs(1);

/// Means over seeds: residue, updates sent per node, the cycle in which the last node heard.
pub(crate) fn means(variant: Variant, nodes: u32, seeds: u64) -> (f64, f64, f64) {
    let [mut residue, mut traffic, mut last] = [Summary::default(); 3];
    for seed in 0..seeds {
        let (spread, updates) = epidemic(variant, nodes, seed);
        residue.add(spread.residue());
        traffic.add(spread.traffic(updates));
        last.add(spread.t_last().unwrap().floor());
    }
    (residue.mean().unwrap(), traffic.mean().unwrap(), last.mean().unwrap())
}

/// One rumour from its publishing until nobody spreads it, in synchronous cycles.
fn epidemic(variant: Variant, nodes: u32, seed: u64) -> (Spread, u64) {
    // A latency far below a cycle, so that a conversation ends in the cycle in which it began.
    let latency = Latency::constant(Duration::from_millis(1));
    let simulated = dsys_sim::Config {
        latency,
        connections: Connections::None,
        hash_trace: false,
        ..dsys_sim::Config::new(seed)
    };
    let mut network = Network::new(simulated);
    network.set_size(Message::size);
    let ids: Vec<_> = (0..nodes).map(|index| network.id(index)).collect();
    let peers = Sites::from(ids.as_slice());
    let config = Arc::new(Config { variant, cycle: CYCLE, in_step: true, ..Config::default() });
    for id in &ids {
        network.add(Rumor::new(*id, peers.clone(), config.clone())).unwrap();
    }
    network.command(ids[0], Command::Publish { id: MessageId([1; 16]), payload: Bytes::new() });
    // Half a cycle later, all that a cycle brings has come.
    network.run_until(Time::ZERO + CYCLE / 2);
    let mut spread = Spread::new(nodes as usize, Time::ZERO);
    loop {
        for emitted in network.take_events() {
            if let Event::Heard { hops, .. } = emitted.event {
                spread.heard(emitted.time, hops);
            }
        }
        if network.machines().all(|(_, rumor)| rumor.hot().len() == 0) {
            break;
        }
        network.run_for(CYCLE);
    }
    (spread, network.machines().map(|(_, rumor)| rumor.stats().updates).sum())
}

/// A row: the variant, then what `lab -- gossip --check` holds it to: the middle and the width of each gate.
type Row = (Variant, [(f64, f64); 3]);

/// Each mean lies within its gate, which is the wider the fewer seeds there are: `full` is how many it was made for.
fn check(rows: &[Row], full: u64, seeds: u64) {
    let wider = (full as f64 / seeds as f64).sqrt();
    for (variant, gates) in rows {
        let (residue, traffic, last) = means(*variant, 1_000, seeds);
        for ((name, ours), (middle, width)) in
            [("residue", residue), ("traffic", traffic), ("t_last", last)].into_iter().zip(gates)
        {
            assert!((ours - middle).abs() <= width * wider, "{variant:?}: {name} is {ours}, not {middle}");
        }
    }
}

#[test]
fn table_1_push_feedback_counter() {
    let rows = [
        (Variant::push(1), [(0.1744, 0.0045), (1.744, 0.0105), (16.81, 0.37)]),
        (Variant::push(2), [(0.0369, 0.0018), (3.299, 0.0095), (17.02, 0.37)]),
        (Variant::push(3), [(0.01085, 0.001), (4.531, 0.010), (17.28, 0.37)]),
        (Variant::push(4), [(0.0036, 0.00054), (5.636, 0.0105), (17.61, 0.37)]),
        (Variant::push(5), [(0.00128, 0.00031), (6.680, 0.011), (17.76, 0.37)]),
    ];
    check(&rows, 200, 10);
}

#[test]
fn table_2_push_blind_coin() {
    let rows = [
        (Variant::push_blind_coin(1), [(0.960, 0.004), (0.040, 0.004), (39.1, 3.5)]),
        (Variant::push_blind_coin(2), [(0.2054, 0.006), (1.586, 0.016), (32.6, 0.8)]),
        (Variant::push_blind_coin(3), [(0.0602, 0.0018), (2.814, 0.017), (31.7, 0.8)]),
    ];
    // Of two epidemics with k = 2 or 3 one in fourteen dies at once, so ten seeds are too few for the gates.
    check(&rows, 1_000, 40);
}

#[test]
fn table_3_pull_feedback_counter() {
    let rows = [
        (Variant::pull(1), [(0.0317, 0.0006), (2.699, 0.004), (17.59, 0.19)]),
        (Variant::pull(2), [(5.8e-4, 0.7e-4), (4.487, 0.004), (15.25, 0.17)]),
        (Variant::pull(3), [(4e-6, 1.6e-5), (6.087, 0.004), (13.97, 0.13)]),
    ];
    check(&rows, 2_000, 10);
}

#[test]
fn push_pull_is_sooner_done_than_either() {
    check(&[(Variant::push_pull(2), [(4e-6, 1.6e-5), (5.15, 0.006), (9.24, 0.08)])], 2_000, 10);
}

#[test]
fn residue_and_traffic_keep_the_papers_law() {
    // §1.4: each update reaches a random node, so s = e^-m. With a connection limit of 1 two pushes of a cycle never fall
    // on one node: where the share h of the nodes pushes, s falls by e^-h for 1 - e^-h of traffic. The paper takes h = 1,
    // which gives the exponent 1 / (1 - 1/e); with feedback it is less, so the exponent is less too.
    let exponent = |connection_limit| {
        let variant = Variant { connection_limit, ..Variant::push(2) };
        let (residue, traffic, _) = means(variant, 1_000, 10);
        -residue.ln() / traffic
    };
    let (free, limited) = (exponent(None), exponent(Some(1)));
    assert!((0.93..1.07).contains(&free), "{free}");
    let most = 1.0 / (1.0 - (-1.0f64).exp());
    assert!((1.2..most).contains(&limited), "{limited}, not above {most}");
}

#[test]
fn hunting_makes_up_for_a_connection_limit_of_pulls() {
    // §1.4: the limit hurts pull, because some nodes go unanswered in a cycle; hunting finds them another.
    let last =
        |connection_limit, hunt| means(Variant { connection_limit, hunt, ..Variant::pull(2) }, 1_000, 5).2;
    let (free, limited, hunting) = (last(None, 0), last(Some(1), 0), last(Some(1), 8));
    assert!(limited > free + 1.0 && hunting < limited - 1.0, "{free} {limited} {hunting}");
}
