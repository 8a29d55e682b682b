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

#[path = "../../../../../dsys-gossip/tests/gossip/demers.rs"]
mod demers;

use demers::{Row, TABLE};

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
