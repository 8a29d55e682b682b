//! The epidemics of Demers et al. 1987, in synchronous cycles as there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::Time;
use dsys_gossip::MessageId;
use dsys_gossip::rumor::{Command, Config, Event, Rumor, Sites, Variant};
use dsys_sim::measure::{Spread, Summary};
use dsys_sim::plot::Plot;
use dsys_sim::{Connections, Latency, Network};

use crate::args::Args;
use crate::report::{Allowed, Report, progress};

struct Row {
    name: &'static str,
    variant: Variant,
    /// How many seeds the gates are made for.
    seeds: u64,
    /// Residue, traffic and t_last in cycles, as the paper prints them; it does not print push-pull.
    paper: [&'static str; 3],
    /// The middle and the width of what is allowed.
    gates: [(f64, f64); 3],
}

const fn row(
    name: &'static str,
    variant: Variant,
    seeds: u64,
    paper: [&'static str; 3],
    gates: [(f64, f64); 3],
) -> Row {
    Row { name, variant, seeds, paper, gates }
}

const TABLE: [Row; 12] = [
    row(
        "push k=1",
        Variant::push(1),
        200,
        [".18", "1.7", "16.8"],
        [(0.1744, 0.0045), (1.744, 0.0105), (16.81, 0.37)],
    ),
    row(
        "push k=2",
        Variant::push(2),
        200,
        [".037", "3.3", "16.9"],
        [(0.0369, 0.0018), (3.299, 0.0095), (17.02, 0.37)],
    ),
    row(
        "push k=3",
        Variant::push(3),
        200,
        [".011", "4.5", "17.4"],
        [(0.01085, 0.001), (4.531, 0.010), (17.28, 0.37)],
    ),
    row(
        "push k=4",
        Variant::push(4),
        200,
        [".0036", "5.6", "17.5"],
        [(0.0036, 0.00054), (5.636, 0.0105), (17.61, 0.37)],
    ),
    row(
        "push k=5",
        Variant::push(5),
        200,
        [".0012", "6.7", "17.7"],
        [(0.00128, 0.00031), (6.680, 0.011), (17.76, 0.37)],
    ),
    row(
        "blind coin k=1",
        Variant::push_blind_coin(1),
        1_000,
        [".96", ".04", "38"],
        [(0.960, 0.004), (0.040, 0.004), (39.1, 3.5)],
    ),
    row(
        "blind coin k=2",
        Variant::push_blind_coin(2),
        1_000,
        [".20", "1.6", "33"],
        [(0.2054, 0.006), (1.586, 0.016), (32.6, 0.8)],
    ),
    row(
        "blind coin k=3",
        Variant::push_blind_coin(3),
        1_000,
        [".060", "2.8", "32"],
        [(0.0602, 0.0018), (2.814, 0.017), (31.7, 0.8)],
    ),
    row(
        "pull k=1",
        Variant::pull(1),
        2_000,
        ["3.1e-2", "2.7", "17.6"],
        [(0.0317, 0.0006), (2.699, 0.004), (17.59, 0.19)],
    ),
    row(
        "pull k=2",
        Variant::pull(2),
        2_000,
        ["5.8e-4", "4.5", "15.4"],
        [(5.8e-4, 0.7e-4), (4.487, 0.004), (15.25, 0.17)],
    ),
    row(
        "pull k=3",
        Variant::pull(3),
        2_000,
        ["4e-6", "6.1", "14.0"],
        [(1e-5, 1e-5), (6.087, 0.004), (13.97, 0.13)],
    ),
    row(
        "push-pull k=2",
        Variant::push_pull(2),
        2_000,
        ["-", "-", "-"],
        [(1e-5, 1e-5), (5.15, 0.006), (9.24, 0.08)],
    ),
];
const CYCLE: Duration = Duration::from_secs(1);
const SITES: u32 = 1_000;

pub(super) fn run(args: &Args, report: &mut Report) {
    let rows: Vec<&Row> =
        TABLE.iter().enumerate().filter(|(at, _)| args.mine(*at)).map(|(_, row)| row).collect();
    let seeds = |row: &Row| args.seeds.unwrap_or(if args.smoke { 5 } else { row.seeds });
    let bar = progress(rows.iter().map(|row| seeds(row)).sum());
    let mut curves = Plot::new("Who has not heard yet").axes("cycles", "residue (fraction of the nodes)");
    for row in rows {
        let [mut residue, mut traffic, mut last] = [Summary::default(); 3];
        for seed in 0..seeds(row) {
            bar.inc(1);
            let Some((spread, updates)) = epidemic(row.variant, seed) else { continue };
            residue.add(spread.residue());
            traffic.add(spread.traffic(updates));
            // A conversation takes some milliseconds of its cycle.
            spread.t_last().into_iter().for_each(|time| last.add(time.floor()));
            if seed == 0 && [Variant::push(2), Variant::pull(2), Variant::push_pull(2)].contains(&row.variant)
            {
                curves = curves.line(row.name, spread.residue_over_time());
            }
        }
        // Fewer seeds than the gates are made for leave more to chance.
        let wider = (row.seeds as f64 / seeds(row) as f64).sqrt().max(1.0);
        bar.suspend(|| {
            let measures = [("residue", residue), ("traffic", traffic), ("t_last, cycles", last)];
            for (((what, ours), theirs), (middle, width)) in measures.iter().zip(row.paper).zip(row.gates) {
                let (least, most) = (middle - width * wider, middle + width * wider);
                let allowed = Allowed::Between(least.max(0.0), most);
                report.row(format!("{}: {what}", row.name), theirs, ours.mean(), allowed, number);
            }
        });
    }
    bar.finish_and_clear();
    report.plot("residue", &curves);
}

fn number(value: f64) -> String {
    if value != 0.0 && value < 1e-3 { format!("{value:.1e}") } else { format!("{value:.4}") }
}

/// One rumour from its publishing until nobody spreads it, and how many updates were sent. `None` if the simulator
/// does not hold that many nodes.
fn epidemic(variant: Variant, seed: u64) -> Option<(Spread, u64)> {
    // Far below a cycle, so that a conversation ends in the cycle in which it began.
    let latency = Latency::constant(Duration::from_millis(1));
    let simulated = dsys_sim::Config {
        latency,
        connections: Connections::None,
        hash_trace: false,
        ..dsys_sim::Config::new(seed)
    };
    let mut network = Network::new(simulated);
    let ids: Vec<_> = (0..SITES).map(|index| network.id(index)).collect();
    let peers = Sites::from(ids.as_slice());
    let config = Arc::new(Config { variant, cycle: CYCLE, in_step: true, ..Config::default() });
    for id in &ids {
        network.add(Rumor::new(*id, peers.clone(), config.clone())).ok()?;
    }
    network.command(*ids.first()?, Command::Publish { id: MessageId::default(), payload: Bytes::new() });
    // Half a cycle later, all that a cycle brings has come.
    network.run_until(Time::ZERO + CYCLE / 2);
    let mut spread = Spread::new(SITES as usize, Time::ZERO);
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
    let updates = network.machines().map(|(_, rumor)| rumor.stats().updates).sum();
    Some((spread, updates))
}
