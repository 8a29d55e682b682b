//! Broadcasts: what flooding and trees cost, and what a topic delivers when most nodes die.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_gossip::MessageId;
use dsys_gossip::topic::{Command, Config, Event, Message, Topic};
use dsys_gossip::{broadcast, flood, plumtree};
use dsys_sim::measure::{Spread, Summary};
use dsys_sim::{Connections, Crash, Latency, Network};

use crate::args::Args;
use crate::machine;
use crate::report::{Allowed, Report};

pub(super) fn run(args: &Args, report: &mut Report) {
    let nodes = if args.smoke { 100 } else { 1_000 };
    if args.mine(0) {
        flooding(nodes, report);
        frozen_tree(nodes, report);
    }
    if args.mine(1) {
        topic(nodes, args.seeds.unwrap_or(if args.smoke { 1 } else { 5 }), args.smoke, report);
    }
    if args.mine(2) {
        deaths(nodes, args.seeds.unwrap_or(if args.smoke { 1 } else { 5 }), args.smoke, report);
    }
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

pub(super) fn ms(value: f64) -> String {
    format!("{:.0} ms", value * 1e3)
}

pub(super) fn share(value: f64) -> String {
    format!("{value:.4}")
}

/// A random tree of these nodes and four times as many links more.
pub(super) fn overlay(ids: &[NodeId], seed: u64) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
    let mut rng = Rng::from_seed(seed);
    let mut links: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    let mut link = |a: Option<&NodeId>, b: Option<&NodeId>| {
        if let (Some(a), Some(b)) = (a, b)
            && a != b
        {
            links.entry(*a).or_default().insert(*b);
            links.entry(*b).or_default().insert(*a);
        }
    };
    for at in 1..ids.len() {
        link(ids.get(at), ids.get(rng.index(at)));
    }
    for _ in 0..4 * ids.len() {
        link(rng.choose(ids), rng.choose(ids));
    }
    links
}

pub(super) fn id(number: u32) -> MessageId {
    let mut id = [0; 16];
    for (byte, of) in id.iter_mut().zip(number.to_be_bytes()) {
        *byte = of;
    }
    MessageId(id)
}

fn flooding(nodes: u32, report: &mut Report) {
    let simulated = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(1) };
    let mut network = Network::new(simulated);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let links = overlay(&ids, 1);
    let config = flood::Config { max_neighbours: nodes as usize, ..flood::Config::default() };
    for (node, neighbours) in ids.iter().filter_map(|id| Some((*id, links.get(id)?))) {
        let added = network.add(flood::Flood::new(node, neighbours.iter().copied(), config.clone()));
        if added.is_err() {
            return;
        }
    }
    if let Some(first) = ids.first() {
        network.command(*first, flood::Command::Broadcast { id: id(1), payload: "all".into() });
    }
    network.run();
    // Each link stands with both its ends.
    let ends: usize = links.values().map(BTreeSet::len).sum();
    let law = (ends + 1 - ids.len()) as f64;
    let sent = network.stats().sent as f64;
    report.row("flood: messages (2E - n + 1)", whole(law), Some(sent), Allowed::Between(law, law), whole);
}

/// Equal latencies, one sender: payloads of the third and later messages.
fn frozen_tree(nodes: u32, report: &mut Report) {
    let latency = Latency::constant(Duration::from_millis(20));
    let simulated = dsys_sim::Config { latency, connections: Connections::None, ..dsys_sim::Config::new(1) };
    let mut network = Network::new(simulated);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let links = overlay(&ids, 1);
    for (node, neighbours) in ids.iter().filter_map(|id| Some((*id, links.get(id)?))) {
        let config = plumtree::Config { max_neighbours: nodes as usize, ..plumtree::Config::default() };
        let added = network.add(plumtree::Plumtree::new(node, neighbours.iter().copied(), config));
        if added.is_err() {
            return;
        }
    }
    network.run_for(Duration::from_secs(1));
    let (mut least, mut most) = (u64::MAX, 0);
    for number in 0..10 {
        let payloads = |network: &Network<plumtree::Plumtree>| -> u64 {
            network.machines().map(|(_, node)| node.stats().payloads).sum()
        };
        let before = payloads(&network);
        if let Some(first) = ids.first() {
            network.command(*first, plumtree::Command::Broadcast { id: id(number), payload: "all".into() });
        }
        network.run_for(Duration::from_secs(3));
        if number >= 2 {
            let sent = payloads(&network) - before;
            (least, most) = (least.min(sent), most.max(sent));
        }
    }
    let law = f64::from(nodes - 1);
    let allowed = Allowed::Between(law, law);
    report.row("plumtree, frozen: fewest payloads (n - 1)", whole(law), Some(least as f64), allowed, whole);
    report.row("plumtree, frozen: most payloads (n - 1)", whole(law), Some(most as f64), allowed, whole);
}

/// Nodes that joined one after the other through random earlier ones; links of 10 to 100 ms.
fn joined(nodes: u32, seed: u64) -> Option<(Network<Topic>, Vec<NodeId>)> {
    let latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(100)).per_link();
    let simulated = dsys_sim::Config { latency, hash_trace: false, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(simulated);
    network.set_size(Message::size);
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let config = Config::default();
    for (at, id) in ids.iter().enumerate() {
        network.add(Topic::new(*id, &config)).ok()?;
        if let Some(contact) = ids.get(..at).and_then(|earlier| rng.choose(earlier)) {
            network.command(*id, Command::Join(vec![NodeAddr::new(*contact)]));
        }
        network.run_for(Duration::from_millis(20));
    }
    network.run_for(Duration::from_secs(60));
    network.take_events();
    Some((network, ids))
}

#[derive(Default)]
struct Course {
    reliability: Summary,
    redundancy: Summary,
    last: Summary,
}

/// So many broadcasts, three seconds apart, by whom `sender` says.
fn broadcasts(
    network: &mut Network<Topic>,
    count: u32,
    first: u32,
    mut sender: impl FnMut() -> Option<NodeId>,
    course: &mut Course,
) {
    let payloads = |network: &Network<Topic>| -> u64 {
        network.machines().map(|(_, node)| node.broadcast().stats().payloads).sum()
    };
    let alive = network.machines().count();
    for number in first..first + count {
        let (before, start) = (payloads(network), network.now());
        let spread = Rc::new(RefCell::new(Spread::new(alive, start)));
        let observed = spread.clone();
        network.set_observer(move |at, _, event| {
            if let Event::Broadcast(plumtree::Event::Delivered { id: of, hops, .. }) = event
                && *of == id(number)
            {
                observed.borrow_mut().heard(at, *hops);
            }
        });
        if let Some(sender) = sender() {
            let tell = broadcast::Command::Broadcast { id: id(number), payload: "all".into() };
            network.command(sender, Command::Broadcast(tell));
        }
        network.run_for(Duration::from_secs(3));
        network.take_events();
        let spread = spread.borrow();
        course.reliability.add(1.0 - spread.residue());
        spread
            .redundancy(payloads(network) - before)
            .into_iter()
            .for_each(|part| course.redundancy.add(part));
        spread.t_last().into_iter().for_each(|time| course.last.add(time));
    }
}

fn topic(nodes: u32, seeds: u64, smoke: bool, report: &mut Report) {
    let (mut fixed, mut random) = (Course::default(), Course::default());
    let (mut cpu, mut idle) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let Some((mut network, ids)) = joined(nodes, seed) else { continue };
        let mut rng = Rng::from_seed(seed);
        let one = ids.first().copied();
        // The tree forms with the first messages.
        broadcasts(&mut network, 20, 0, || one, &mut Course::default());
        let start = machine::cpu();
        broadcasts(&mut network, 100, 20, || one, &mut fixed);
        cpu.push((machine::cpu() - start).as_secs_f64());
        let start = machine::cpu();
        network.run_for(Duration::from_secs(300));
        idle.push((machine::cpu() - start).as_secs_f64());
        broadcasts(&mut network, 100, 120, || rng.choose(&ids).copied(), &mut random);
    }
    let goal = |allowed| if smoke { Allowed::Anything } else { allowed };
    report.row(
        "topic, one sender: reliability",
        "1",
        fixed.reliability.mean(),
        Allowed::AtLeast(1.0 - 1e-9),
        share,
    );
    report.row(
        "topic, one sender: redundancy",
        ".82",
        fixed.redundancy.mean(),
        goal(Allowed::AtMost(0.05)),
        share,
    );
    report.row("topic, one sender: t_last", "650 ms", fixed.last.mean(), goal(Allowed::AtMost(0.375)), ms);
    report.row(
        "topic, any sender: reliability",
        "1",
        random.reliability.mean(),
        Allowed::AtLeast(1.0 - 1e-9),
        share,
    );
    report.row(
        "topic, any sender: redundancy",
        ".72-.75",
        random.redundancy.mean(),
        goal(Allowed::AtMost(0.30)),
        share,
    );
    report.row(
        "topic, any sender: t_last",
        "713-735 ms",
        random.last.mean(),
        goal(Allowed::AtMost(0.450)),
        ms,
    );
    let seconds = |value: f64| format!("{value:.2}");
    let (cpu, idle) = (crate::report::median(&cpu), crate::report::median(&idle));
    report.row("topic: 100 broadcasts in 300 s, CPU s", "2.6-3.5", cpu, Allowed::Anything, seconds);
    report.row("topic: 300 s without any, CPU s", "-", idle, Allowed::Anything, seconds);
}

fn deaths(nodes: u32, seeds: u64, smoke: bool, report: &mut Report) {
    for (percent, theirs, least) in [(80, ".70-.82", 0.999), (90, ".04-.34", 0.99), (95, ".03-.05", 0.90)] {
        let mut course = Course::default();
        for seed in 0..seeds {
            let Some((mut network, ids)) = joined(nodes, seed) else { continue };
            let mut rng = Rng::from_seed(seed);
            let one = ids.first().copied();
            broadcasts(&mut network, 20, 0, || one, &mut Course::default());
            let mut alive = ids;
            rng.shuffle(&mut alive);
            let doomed = alive.split_off(alive.len() * (100 - percent) / 100);
            for id in doomed {
                network.crash(id, Crash::PROCESS);
            }
            network.run_for(Duration::from_secs(5));
            broadcasts(&mut network, 100, 20, || rng.choose(&alive).copied(), &mut course);
        }
        let allowed = if smoke { Allowed::Anything } else { Allowed::AtLeast(least) };
        let name = format!("topic, {percent} % killed: reliability after 5 s");
        report.row(name, theirs, course.reliability.mean(), allowed, share);
    }
}
