//! Two sides that do not hear of each other for a while, and go on: how soon they are alike again, and what it costs.

use std::time::Duration;

use dsys_core::NodeId;
use dsys_crdt::change::{Open, encode};
use dsys_crdt::doc::Doc;
use dsys_crdt::sync;
use dsys_sim::measure::Summary;
use dsys_sim::plot::Plot;
use dsys_sim::{Change, Config, Latency, Network};

use super::documents::alike;
use super::node::{Act, OURS, Replica, quick};
use super::whole;
use crate::args::Args;
use crate::report::{Allowed, Report};

const LATENCY: Duration = Duration::from_millis(50);
/// The time-out of a dial, as [`dsys_sim::Connections::TRACKED`] has it.
const DIALLING: Duration = Duration::from_secs(10);
/// Each node makes a change as often.
const PACE: Duration = Duration::from_millis(500);

pub(super) fn run(args: &Args, report: &mut Report) {
    if !args.mine(11) {
        return;
    }
    let lengths: &[u64] = if args.smoke { &[2, 20] } else { &[1, 3, 10, 30, 100, 300] };
    let seeds = args.seeds.unwrap_or(if args.smoke { 2 } else { 20 });
    let (mut times, mut overheads) = (Vec::new(), Vec::new());
    for &length in lengths {
        let (mut time, mut bytes, mut overhead) =
            (Summary::default(), Summary::default(), Summary::default());
        let mut alike_again = 0;
        for seed in 0..seeds {
            let Some(course) = course(seed, Duration::from_secs(length)) else { continue };
            alike_again += 1;
            time.add(course.time.as_secs_f64());
            bytes.add(course.bytes);
            overhead.add(course.bytes / course.least);
        }
        let name = |what: &str| format!("docs, 2 | 3 for {length} s: {what}");
        let all = Allowed::AtLeast(seeds as f64);
        report.row(name("seeds that agree"), whole(seeds as f64), Some(f64::from(alike_again)), all, whole);
        // A dial that was begun before the healing fails by its time-out; then the peer is tried again after this at the
        // latest; then a round trip to connect, one to ask, and one way through each node on the way.
        let longest = DIALLING + quick().redial_at_most + LATENCY * 8;
        let soon = Allowed::AtMost(longest.as_secs_f64());
        report.row(name("healed in, mean"), "-", time.mean(), soon, |time| format!("{time:.2} s"));
        report.row(name("sent"), "-", bytes.mean(), Allowed::Anything, |bytes| {
            format!("{:.1} KB", bytes / 1e3)
        });
        let name = name("sent, of what lacked");
        report.row(name, "1.00", overhead.mean(), Allowed::Anything, |part| format!("{part:.2}"));
        times.extend(time.mean().map(|time| (length as f64, time)));
        overheads.extend(overhead.mean().map(|part| (length as f64, part)));
    }
    let plot = Plot::new("Alike again after a partition").axes("apart, s", "time to it, s").log_x();
    report.plot("partition-time", &plot.line("five nodes, two and three apart", times));
    let plot = Plot::new("Sent after a partition").axes("apart, s", "bytes sent, of what lacks").log_x();
    report.plot("partition-bytes", &plot.line("five nodes, two and three apart", overheads));
}

/// The times of the campaigns, but pieces as they come: those of the campaigns are small on purpose, and then signatures and
/// names are most of what is sent.
fn config() -> sync::Config {
    let mut config = quick();
    let usual = sync::Config::default();
    (config.piece, config.window) = (usual.piece, usual.window);
    config
}

struct Course {
    /// From the healing until all have the same.
    time: Duration,
    /// Sent by all meanwhile.
    bytes: f64,
    /// What each lacked, encoded once for each.
    least: f64,
}

/// Five nodes, each of which makes changes before and while they are apart. None if they are not alike in a minute.
fn course(seed: u64, apart: Duration) -> Option<Course> {
    let network = Config { latency: Latency::constant(LATENCY).jitter(0.2), ..Config::new(seed) };
    let mut network = Network::new(network);
    network.set_size(|message| postcard::to_allocvec(message).map_or(0, |bytes| bytes.len()));
    let ids: Vec<NodeId> = (0..5).map(|index| network.id(index)).collect();
    let all = ids.clone();
    network.set_spawn(move |id, disk| {
        let peers = all.iter().copied().filter(|other| *other != id).collect();
        Replica::with(config(), id, disk, vec![(OURS, peers)], &[])
    });
    for _ in &ids {
        network.join();
    }
    let mut count = seed;
    let mut edit_for = |network: &mut Network<Replica>, time: Duration| {
        let end = network.now() + time;
        while network.now() < end {
            for id in &ids {
                count = count.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                network.command(*id, Act::Edit(OURS, count >> 33));
            }
            network.run_for(PACE.min(end - network.now()));
        }
    };
    edit_for(&mut network, Duration::from_secs(3));
    let (left, right) = (ids.get(..2)?.to_vec(), ids.get(2..)?.to_vec());
    for (from, to) in [(left.clone(), right.clone()), (right, left)] {
        network.schedule(network.now(), Change::Cut { from, to, lasting: apart });
    }
    edit_for(&mut network, apart);
    let (healed, before) = (network.now(), sent_bytes(&network, &ids));
    let least = least(&network)?;
    while alike(&network).is_err() {
        if network.now() > healed + Duration::from_secs(60) || !network.step() {
            return None;
        }
    }
    Some(Course { time: network.now() - healed, bytes: sent_bytes(&network, &ids) - before, least })
}

fn sent_bytes(network: &Network<Replica>, ids: &[NodeId]) -> f64 {
    ids.iter().map(|id| network.counters(*id).sent_bytes).sum::<u64>() as f64
}

/// The bytes of what each lacks of what the first two and the last three have, encoded for each.
fn least(network: &Network<Replica>) -> Option<f64> {
    let docs: Vec<_> = network.machines().filter_map(|(_, replica)| replica.doc(&OURS)).collect();
    let [one, _, other, ..] = docs.as_slice() else { return None };
    let lacks =
        |has: &Doc<Open>, lacks: &Doc<Open>| encode(&has.log().since(&lacks.log().summary())).len() as f64;
    Some(2.0 * lacks(other, one) + 3.0 * lacks(one, other))
}
