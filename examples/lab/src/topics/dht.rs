//! Lookups in simulated overlays: what they cost, and what dead and colluding nodes do to them.

mod chord;
mod chord_churn;
mod chord_load;
mod publish;
mod world;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::process::Command as Process;
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::Key;
use dsys_dht::kademlia::{Config, Kademlia, Message, Nodes};
use dsys_sim::measure::Summary;
use dsys_sim::plot::Plot;
use dsys_sim::{Crash, Letter, Network};
use world::{Lookup, nearest, random_key};

use super::Topic;
use crate::args::Args;
use crate::machine;
use crate::report::{Allowed, Report, progress};

pub(super) const TOPIC: Topic = Topic {
    name: "dht",
    about: "Kademlia: hops and requests of a lookup, a crowd that joins, half of all nodes dead, a fifth colluding, an hour of churn, publishing where nearly half cannot be dialled; Chord: path lengths, parts of the ring dead, churn, keys for each node, records lost",
    run,
};

/// Lookups in each row.
const LOOKUPS: u64 = 2_000;

fn run(args: &Args, report: &mut Report) {
    let (nodes, lookups) = if args.smoke { (1_000, 200) } else { (10_000, LOOKUPS) };
    let parts: [fn(u32, u64, u64, &mut Report); 13] = [
        settled,
        joined,
        dead,
        colluding,
        churn,
        growth,
        publish::run,
        chord::growth,
        chord::dead,
        chord_churn::run,
        chord_load::run,
        chord_load::lost,
        crowd,
    ];
    let seeds = args.seeds.unwrap_or(1);
    let bar = progress(parts.len() as u64 * seeds);
    for seed in 1..=seeds {
        for (at, part) in parts.iter().enumerate() {
            if args.mine(at) {
                bar.suspend(|| part(nodes, lookups, seed, report));
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
}

/// The cost of a lookup when buckets hold whom a long life would have put there.
fn settled(nodes: u32, lookups: u64, seed: u64, report: &mut Report) {
    let start = machine::cpu();
    let Some(mut network) = world::settled(nodes, seed, Config::default()) else { return };
    let done = world::lookups(&mut network, lookups, seed);
    let cpu = machine::cpu() - start;
    // The figures are for 10,000 nodes.
    let near = |theirs: f64| {
        if nodes == 10_000 { Allowed::Between(theirs * 0.97, theirs * 1.03) } else { Allowed::Anything }
    };
    let (hops, requests) = costs(&done);
    report.row(format!("{nodes} nodes: hops"), "2.43", hops, near(2.43), two_digits);
    report.row(format!("{nodes} nodes: requests a lookup"), "22.9", requests, near(22.9), two_digits);
    let right = share(&done, |lookup| {
        let others = network.ids().filter(|node| *node != lookup.from);
        lookup.found.first() == nearest(others, lookup.key, 1).first()
    });
    report.row(format!("{nodes} nodes: the nearest is found"), "1", right, Allowed::AtLeast(1.0), percent);
    let allowed = if nodes == 10_000 { Allowed::AtMost(5.0) } else { Allowed::Anything };
    let name = format!("{nodes} nodes, {lookups} lookups: CPU time");
    report.row(name, "5 s", Some(cpu.as_secs_f64()), allowed, seconds);
    let mut hops: Vec<f64> = done.iter().map(|lookup| lookup.report.hops.into()).collect();
    hops.sort_by(f64::total_cmp);
    let plot = Plot::new("Hops of a lookup").axes("hops", "fraction of the lookups");
    report.plot("hops", &plot.distribution(format!("{nodes} nodes"), hops));
}

/// The same in a network that came about by joining, one node after the other. Nodes that came early are in more tables
/// than others, since whoever still answers stays; so its lookups are a little longer. Shown, not judged.
fn joined(nodes: u32, lookups: u64, seed: u64, report: &mut Report) {
    let start = machine::cpu();
    let Some(mut network) = world::joined(nodes, seed, Config::default()) else { return };
    let cpu = machine::cpu() - start;
    let asked = network.machines().map(|(_, node)| node.stats().requests).sum::<u64>();
    let done = world::lookups(&mut network, lookups, seed);
    let (hops, requests) = costs(&done);
    report.row(format!("{nodes} that joined: hops"), "-", hops, Allowed::Anything, two_digits);
    report.row(
        format!("{nodes} that joined: requests a lookup"),
        "-",
        requests,
        Allowed::Anything,
        two_digits,
    );
    let right = share(&done, |lookup| {
        let others = network.ids().filter(|node| *node != lookup.from);
        lookup.found.first() == nearest(others, lookup.key, 1).first()
    });
    report.row(
        format!("{nodes} that joined: the nearest is found"),
        "1",
        right,
        Allowed::AtLeast(1.0),
        percent,
    );
    let per_join = Some(asked as f64 / f64::from(nodes));
    report.row(format!("{nodes} that joined: requests a join"), "-", per_join, Allowed::Anything, two_digits);
    let name = format!("{nodes} that joined: CPU time");
    report.row(name, "-", Some(cpu.as_secs_f64()), Allowed::Anything, seconds);
}

/// Ten times as many that joined; some minutes, so not in a smoke run.
fn crowd(nodes: u32, lookups: u64, seed: u64, report: &mut Report) {
    if nodes >= 10_000 {
        joined(10 * nodes, lookups.min(500), seed, report);
    }
}

/// Half of all nodes fall silent at once; the `k` nearest to a key before that are its holders.
fn dead(nodes: u32, lookups: u64, seed: u64, report: &mut Report) {
    let Some(mut network) = world::settled(nodes, seed, Config::default()) else { return };
    let mut ids: Vec<NodeId> = network.ids().collect();
    Rng::from_seed(seed).shuffle(&mut ids);
    for id in ids.iter().take(ids.len() / 2) {
        network.crash(*id, Crash::POWER);
    }
    let done = world::lookups(&mut network, lookups, seed);
    let reached = share(&done, |lookup| {
        let holders = nearest(network.ids(), lookup.key, 20);
        lookup.found.iter().any(|node| holders.contains(node))
    });
    report.row("half dead: a holder is reached", "1", reached, Allowed::AtLeast(1.0), percent);
    let mut elapsed = Summary::default();
    done.iter().for_each(|lookup| elapsed.add(lookup.report.elapsed.as_secs_f64()));
    report.row("half dead: time of a lookup", "-", elapsed.mean(), Allowed::Anything, seconds);
    report.row("half dead: requests a lookup", "-", costs(&done).1, Allowed::Anything, two_digits);
}

/// A fifth of all nodes answer each question with those of their own that are nearest to the key; a lookup succeeds if it
/// finds an honest one of the key's 20 holders (the model of Baumgart and Mies 2007, §5).
fn colluding(nodes: u32, lookups: u64, seed: u64, report: &mut Report) {
    let lookups = lookups.min(500);
    for paths in [1, 4] {
        let Some(mut network) = world::settled(nodes, seed, Config { paths, ..Config::default() }) else {
            return;
        };
        let liars: BTreeSet<NodeId> = network.ids().step_by(5).collect();
        let key = Rc::new(Cell::new(Key::from_bytes([0; 32])));
        collude(&mut network, &liars, key.clone());
        let honest: Vec<NodeId> = network.ids().filter(|id| !liars.contains(id)).collect();
        let mut rng = Rng::from_seed(seed);
        let (mut found, mut requests) = (0, Summary::default());
        for _ in 0..lookups {
            key.set(random_key(&mut rng));
            let Some(from) = rng.choose(&honest) else { return };
            let Some(lookup) = world::lookup(&mut network, *from, key.get()) else { continue };
            let mut holders = nearest(network.ids(), key.get(), 20);
            holders.retain(|node| !liars.contains(node));
            found += u64::from(lookup.found.iter().any(|node| holders.contains(node)));
            requests.add(lookup.report.requests.into());
        }
        let success = Some(found as f64 / lookups as f64);
        let (theirs, allowed) =
            if paths == 4 { (".99", Allowed::AtLeast(0.99)) } else { ("-", Allowed::Anything) };
        report.row(format!("a fifth colludes, {paths} paths: success"), theirs, success, allowed, percent);
        let name = format!("a fifth colludes, {paths} paths: requests");
        report.row(name, "-", requests.mean(), Allowed::Anything, two_digits);
    }
}

fn collude(network: &mut Network<Kademlia>, liars: &BTreeSet<NodeId>, key: Rc<Cell<Key>>) {
    let own: Vec<NodeId> = liars.iter().copied().collect();
    let mut last = (key.get(), Nodes::default());
    network.set_liars(&own.clone(), move |_, _, mut letter| {
        if let Message::Answer { nodes, .. } = &mut letter.message {
            if last.0 != key.get() {
                let nearest = nearest(own.iter().copied(), key.get(), 20);
                last = (key.get(), nearest.into_iter().map(NodeAddr::new).collect::<Vec<_>>().into());
            }
            *nodes = last.1.clone();
        }
        vec![Letter { to: letter.to, message: letter.message }]
    });
}

/// An hour in which nodes come and go, and one lookup is made each second. A node stays an hour on average; those that
/// go say nothing.
fn churn(nodes: u32, _: u64, seed: u64, report: &mut Report) {
    let (nodes, lasting) = if nodes < 10_000 { (300, 600) } else { (1_000, 3_600) };
    let Some(mut network) = world::settled(nodes, seed, Config::default()) else { return };
    let known = world::churn(&mut network, f64::from(nodes) / 3_600.0, Duration::from_secs(lasting), seed);
    let start = machine::cpu();
    let mut rng = Rng::from_seed(seed);
    let (mut nearest_found, mut all, mut slow) = (0, 0, Summary::default());
    for _ in 0..lasting {
        network.run_for(Duration::from_secs(1));
        let up: Vec<NodeId> = network.machines().map(|(id, _)| id).collect();
        known.replace(up.clone());
        let (key, Some(from)) = (random_key(&mut rng), rng.choose(&up)) else { return };
        // Whoever leaves while it asks is not counted.
        let Some(lookup) = world::lookup(&mut network, *from, key) else { continue };
        all += 1;
        slow.add(lookup.report.hedges.into());
        let still_up = up.iter().copied().filter(|id| id != from && network.machine(*id).is_some());
        nearest_found += u64::from(nearest(still_up, key, 1).first() == lookup.found.first());
    }
    let cpu = machine::cpu() - start;
    let right = (all > 0).then(|| nearest_found as f64 / all as f64);
    let name = |what: &str| format!("{nodes} nodes, {} min of churn: {what}", lasting / 60);
    report.row(name("the nearest"), "-", right, Allowed::AtLeast(0.99), percent);
    report.row(name("slow or dead"), "-", slow.mean(), Allowed::Anything, two_digits);
    let allowed = if nodes == 1_000 { Allowed::AtMost(10.0) } else { Allowed::Anything };
    report.row(name("CPU"), "10 s", Some(cpu.as_secs_f64()), allowed, seconds);
}

/// How a lookup grows with the network.
fn growth(nodes: u32, lookups: u64, seed: u64, report: &mut Report) {
    let sizes = [100, 316, 1_000, 3_162, 10_000, 31_623, 100_000];
    let (mut hops, mut requests) = (Vec::new(), Vec::new());
    let largest = if nodes < 10_000 { nodes } else { 100_000 };
    for size in sizes.into_iter().filter(|size| *size <= largest) {
        let Some(mut network) = world::settled(size, seed, Config::default()) else { return };
        let done = world::lookups(&mut network, lookups.min(500), seed);
        let (mean_hops, mean_requests) = costs(&done);
        hops.extend(mean_hops.map(|hops| (f64::from(size), hops)));
        requests.extend(mean_requests.map(|requests| (f64::from(size), requests)));
        if size == 10_000 || size == largest {
            let bytes = memory_apart(size).map(|bytes| bytes as f64 / f64::from(size));
            let allowed = Allowed::AtMost(100_000.0);
            report.row(format!("{size} nodes: memory a node"), "100 KB", bytes, allowed, |bytes| {
                format!("{:.1} KB", bytes / 1e3)
            });
        }
        if size == largest {
            report.row(format!("{size} nodes: hops"), "-", mean_hops, Allowed::Anything, two_digits);
            let name = format!("{size} nodes: requests a lookup");
            report.row(name, "-", mean_requests, Allowed::Anything, two_digits);
        }
    }
    let plot = Plot::new("A lookup in networks of several sizes").axes("nodes", "a lookup").log_x();
    report.plot("growth", &plot.line("hops", hops).line("requests", requests));
}

/// Mean hops and requests.
fn costs(done: &[Lookup]) -> (Option<f64>, Option<f64>) {
    let [mut hops, mut requests] = [Summary::default(); 2];
    for lookup in done {
        hops.add(lookup.report.hops.into());
        requests.add(lookup.report.requests.into());
    }
    (hops.mean(), requests.mean())
}

/// The share of lookups that are as they should be; `None` if there were none.
fn share(done: &[Lookup], right: impl Fn(&Lookup) -> bool) -> Option<f64> {
    let count = done.iter().filter(|lookup| right(lookup)).count();
    (!done.is_empty()).then(|| count as f64 / done.len() as f64)
}

fn two_digits(number: f64) -> String {
    format!("{number:.2}")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// In a fresh process, because memory that an earlier run gave back would be used again unseen.
fn memory_apart(nodes: u32) -> Option<u64> {
    let this = std::env::current_exe().ok()?;
    let output = Process::new(this).args(["dht", "--memory-of", &nodes.to_string()]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The most memory that a network of this many settled nodes adds to this process, in bytes; for a process that does
/// nothing else.
pub(crate) fn memory(nodes: u32) -> Option<u64> {
    let (before, _) = machine::resident()?;
    let mut network = world::settled(nodes, 1, Config::default())?;
    world::lookups(&mut network, 100, 1);
    network.run_for(Duration::from_secs(1));
    Some(machine::resident()?.1.saturating_sub(before))
}
