//! How a message spreads: three broadcasts, networks of several sizes, nodes that stay and nodes that come and go.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Machine, NodeAddr, NodeId, Rng};
use dsys_gossip::{MessageId, broadcast, flood, rumor, topic};
use dsys_sim::measure::{Spread, Summary};
use dsys_sim::plot::Plot;
use dsys_sim::{Change, Churn, Crash, Latency, Network};

use super::broadcast::{id, ms, overlay, share};
use crate::args::Args;
use crate::report::{Allowed, Report, progress};

/// Broadcasts are so far apart.
const PACE: Duration = Duration::from_secs(5);

/// What all nodes of a protocol that knows no membership are given.
struct Given {
    all: rumor::Sites,
    links: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

trait Protocol: 'static {
    type Node: Machine<Message: Clone>;
    const NAME: &'static str;
    /// Whether nodes know each other only by joining.
    const JOINS: bool;

    fn node(id: NodeId, given: &Given) -> Self::Node;
    fn join(contact: NodeId) -> Option<<Self::Node as Machine>::Command>;
    fn tell(number: u32) -> <Self::Node as Machine>::Command;
    /// Which message was heard for the first time, over how many hops.
    fn heard(event: &<Self::Node as Machine>::Event) -> Option<(MessageId, u32)>;
    /// Messages with a payload that a node has sent.
    fn payloads(node: &Self::Node) -> u64;
}

fn delivered(event: &broadcast::Event) -> Option<(MessageId, u32)> {
    match event {
        broadcast::Event::Delivered { id, hops, .. } => Some((*id, *hops)),
        _ => None,
    }
}

fn told(number: u32) -> broadcast::Command {
    broadcast::Command::Broadcast { id: id(number), payload: Bytes::from_static(b"all") }
}

struct Flood;

impl Protocol for Flood {
    type Node = flood::Flood;
    const NAME: &'static str = "flood";
    const JOINS: bool = false;

    fn node(id: NodeId, given: &Given) -> flood::Flood {
        let links = given.links.get(&id).into_iter().flatten().copied();
        flood::Flood::new(id, links, flood::Config { max_neighbours: 1_024, ..flood::Config::default() })
    }

    fn join(_: NodeId) -> Option<broadcast::Command> {
        None
    }

    fn tell(number: u32) -> broadcast::Command {
        told(number)
    }

    fn heard(event: &broadcast::Event) -> Option<(MessageId, u32)> {
        delivered(event)
    }

    fn payloads(node: &flood::Flood) -> u64 {
        node.stats().payloads
    }
}

struct Rumor;

impl Protocol for Rumor {
    type Node = rumor::Rumor;
    const NAME: &'static str = "rumor, push-pull";
    const JOINS: bool = false;

    fn node(id: NodeId, given: &Given) -> rumor::Rumor {
        rumor::Rumor::new(id, given.all.clone(), rumor::Config::default())
    }

    fn join(_: NodeId) -> Option<rumor::Command> {
        None
    }

    fn tell(number: u32) -> rumor::Command {
        rumor::Command::Publish { id: id(number), payload: Bytes::from_static(b"all") }
    }

    fn heard(event: &rumor::Event) -> Option<(MessageId, u32)> {
        match event {
            rumor::Event::Heard { id, hops, .. } => Some((*id, *hops)),
            _ => None,
        }
    }

    fn payloads(node: &rumor::Rumor) -> u64 {
        node.stats().updates
    }
}

struct Topic;

impl Protocol for Topic {
    type Node = topic::Topic;
    const NAME: &'static str = "topic, a tree";
    const JOINS: bool = true;

    fn node(id: NodeId, _: &Given) -> topic::Topic {
        topic::Topic::new(id, &topic::Config::default())
    }

    fn join(contact: NodeId) -> Option<topic::Command> {
        Some(topic::Command::Join(vec![NodeAddr::new(contact)]))
    }

    fn tell(number: u32) -> topic::Command {
        topic::Command::Broadcast(told(number))
    }

    fn heard(event: &topic::Event) -> Option<(MessageId, u32)> {
        match event {
            topic::Event::Broadcast(event) => delivered(event),
            _ => None,
        }
    }

    fn payloads(node: &topic::Topic) -> u64 {
        node.broadcast().stats().payloads
    }
}

/// What became of some broadcasts.
#[derive(Default)]
struct Course {
    residue: Summary,
    traffic: Summary,
    last: Summary,
    /// Of the last one.
    curve: Vec<(f64, f64)>,
    /// Seconds until each node of each broadcast had heard it.
    times: Vec<f64>,
}

/// Nodes on links of 10 to 100 ms, and broadcasts by random ones. With `churn`, one node in 200 crashes each second, and is
/// back after ten on average, having forgotten everything but one contact.
fn course<P: Protocol>(nodes: u32, count: u32, churn: bool) -> Option<Course> {
    let latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(100)).per_link();
    let simulated = dsys_sim::Config { latency, hash_trace: false, ..dsys_sim::Config::new(1) };
    let mut network: Network<P::Node> = Network::new(simulated);
    let mut rng = Rng::from_seed(1);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let links = if P::JOINS { BTreeMap::new() } else { overlay(&ids, 1) };
    let given = Rc::new(Given { all: ids.as_slice().into(), links });
    let spawn = given.clone();
    network.set_spawn(move |id, _| P::node(id, &spawn));
    // All join within twenty seconds.
    let gap = Duration::from_secs(20) / nodes;
    for (at, node) in ids.iter().enumerate() {
        network.add(P::node(*node, &given)).ok()?;
        let contact = ids.get(..at).and_then(|earlier| rng.choose(earlier));
        if let Some(join) = contact.and_then(|contact| P::join(*contact)) {
            network.command(*node, join);
            network.run_for(gap);
        }
    }
    if P::JOINS {
        network.run_for(Duration::from_secs(40));
        // The tree forms with the first messages.
        for number in 0..5 {
            network.command(*rng.choose(&ids)?, P::tell(1_000_000 + number));
            network.run_for(PACE);
        }
    }
    if churn {
        let crashes = f64::from(nodes) / 200.0;
        let rates = Churn { crashes, crash: Crash::PROCESS, ..Churn::default() };
        let lasting = Duration::from_secs(20) + PACE * count;
        for (at, change) in rates.plan(1, &ids, network.now(), lasting) {
            network.schedule(at, change.clone());
            if let (Change::Restart(node), Some(contact)) = (change, rng.choose(&ids))
                && let Some(join) = P::join(*contact)
            {
                network.command_at(at + Duration::from_millis(1), node, join);
            }
        }
        network.run_for(Duration::from_secs(20));
    }
    network.take_events();
    let mut course = Course::default();
    for number in 0..count {
        broadcast::<P>(&mut network, number, &mut rng, &mut course)?;
    }
    Some(course)
}

fn broadcast<P: Protocol>(
    network: &mut Network<P::Node>,
    number: u32,
    rng: &mut Rng,
    course: &mut Course,
) -> Option<()> {
    let before: BTreeMap<NodeId, u64> =
        network.machines().map(|(id, node)| (id, P::payloads(node))).collect();
    let alive: Vec<NodeId> = before.keys().copied().collect();
    let start = network.now();
    let heard = Rc::new(RefCell::new((
        Spread::new(alive.len(), start),
        alive.iter().copied().collect::<BTreeSet<_>>(),
    )));
    let (observed, times) = (heard.clone(), Rc::new(RefCell::new(Vec::new())));
    let observed_times = times.clone();
    network.set_observer(move |at, node, event| {
        if let Some((_, hops)) = P::heard(event).filter(|(heard, _)| *heard == id(number)) {
            let (spread, lacking) = &mut *observed.borrow_mut();
            // Those that were there at the start, each once.
            if lacking.remove(&node) {
                spread.heard(at, hops);
                observed_times.borrow_mut().push((at - start).as_secs_f64());
            }
        }
    });
    network.command(*rng.choose(&alive)?, P::tell(number));
    network.run_for(PACE);
    network.take_events();
    // What a node had sent before it crashed is not counted.
    let sent =
        |(node, now): (NodeId, u64)| now.checked_sub(before.get(&node).copied().unwrap_or(0)).unwrap_or(now);
    let payloads: u64 = network.machines().map(|(id, node)| sent((id, P::payloads(node)))).sum();
    let (spread, lacking) = &*heard.borrow();
    // Who crashed meanwhile could not hear it.
    let stayed = lacking.iter().filter(|node| network.machine(**node).is_some()).count();
    course.residue.add(stayed as f64 / alive.len().max(1) as f64);
    course.traffic.add(spread.traffic(payloads));
    spread.t_last().into_iter().for_each(|time| course.last.add(time));
    course.curve = spread.residue_over_time();
    course.times.extend(times.borrow().iter());
    Some(())
}

struct Plots {
    /// By the number of nodes: who has not heard yet, and when a node hears.
    courses: BTreeMap<u32, (Plot, Plot)>,
    traffic: Plot,
    last: Plot,
}

/// So many points show a distribution.
const POINTS: usize = 1_000;

/// Evenly chosen ones of these, which are put in order.
fn thinned(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    let step = times.len().div_ceil(POINTS).max(1);
    times.into_iter().step_by(step).collect()
}

/// The same of a curve, with its end.
fn thinned_curve(curve: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let (step, end) = (curve.len().div_ceil(POINTS).max(1), curve.last().copied());
    let mut thin: Vec<(f64, f64)> = curve.into_iter().step_by(step).collect();
    thin.extend(end.filter(|end| thin.last() != Some(end)));
    thin
}

fn thousands(nodes: u32) -> String {
    if nodes < 1_000 { nodes.to_string() } else { format!("{},000", nodes / 1_000) }
}

fn plots_of(nodes: u32) -> (Plot, Plot) {
    let residue = Plot::new(format!("Who has not heard yet, {} nodes", thousands(nodes)));
    let times = Plot::new(format!("When a node hears, {} nodes", thousands(nodes)));
    (
        residue.axes("seconds", "residue (fraction of the nodes)"),
        times.axes("seconds", "fraction of the nodes"),
    )
}

pub(super) fn run(args: &Args, report: &mut Report) {
    let sizes: &[u32] = if args.smoke { &[100] } else { &[100, 1_000, 10_000, 100_000] };
    let mut plots = Plots {
        courses: sizes.iter().map(|nodes| (*nodes, plots_of(*nodes))).collect(),
        traffic: Plot::new("What a broadcast costs").axes("nodes", "payloads sent for each node").log_x(),
        last: Plot::new("When the last node hears").axes("nodes", "seconds").log_x(),
    };
    let bar = progress(6 * sizes.len() as u64);
    let mut item = 0;
    for churn in [false, true] {
        item = sweep::<Flood>(args, sizes, churn, item, &mut plots, report, &bar);
        item = sweep::<Rumor>(args, sizes, churn, item, &mut plots, report, &bar);
        item = sweep::<Topic>(args, sizes, churn, item, &mut plots, report, &bar);
    }
    bar.finish_and_clear();
    for (nodes, (residue, times)) in &plots.courses {
        report.plot(&format!("spread-residue-{nodes}"), residue);
        report.plot(&format!("spread-times-{nodes}"), times);
    }
    report.plot("spread-traffic", &plots.traffic);
    report.plot("spread-last", &plots.last);
}

fn sweep<P: Protocol>(
    args: &Args,
    sizes: &[u32],
    churn: bool,
    mut item: usize,
    plots: &mut Plots,
    report: &mut Report,
    bar: &indicatif::ProgressBar,
) -> usize {
    let name = format!("{}{}", P::NAME, if churn { ", churn" } else { "" });
    let (mut traffic, mut last) = (Vec::new(), Vec::new());
    for nodes in sizes {
        bar.set_message(format!("{name}, {nodes} nodes"));
        bar.inc(1);
        item += 1;
        if !args.mine(item) {
            continue;
        }
        let count = if *nodes >= 100_000 { 2 } else { 10 };
        let Some(course) = course::<P>(*nodes, count, churn) else { continue };
        bar.suspend(|| {
            // A flood and a tree reach everybody where nobody goes; an epidemic leaves out a few by chance. With churn,
            // whoever comes back must be found, and a flood over fixed links looks for nobody.
            let allowed = match (P::NAME, churn) {
                (Flood::NAME, true) => Allowed::Anything,
                (Rumor::NAME, _) | (_, true) => Allowed::AtMost(0.05),
                _ => Allowed::AtMost(0.0),
            };
            report.row(format!("{name}, {nodes} nodes: residue"), "-", course.residue.mean(), allowed, share);
            let nothing = Allowed::Anything;
            report.row(format!("{name}, {nodes} nodes: traffic"), "-", course.traffic.mean(), nothing, share);
            report.row(format!("{name}, {nodes} nodes: t_last"), "-", course.last.mean(), nothing, ms);
        });
        let size = f64::from(*nodes);
        traffic.extend(course.traffic.mean().map(|payloads| (size, payloads)));
        last.extend(course.last.mean().map(|time| (size, time)));
        if let Some((residue, times)) = plots.courses.remove(nodes) {
            let (curve, heard) = (thinned_curve(course.curve), thinned(course.times));
            let drawn = (residue.line(&name, curve), times.distribution(&name, heard));
            plots.courses.insert(*nodes, drawn);
        }
    }
    plots.traffic = std::mem::replace(&mut plots.traffic, Plot::new("")).line(&name, traffic);
    plots.last = std::mem::replace(&mut plots.last, Plot::new("")).line(&name, last);
    item
}
