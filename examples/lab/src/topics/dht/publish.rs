//! How long it takes to publish where 45 % of all table entries cannot be dialled, beside the classic walk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::kademlia::{Config, Kademlia};
use dsys_dht::records::{self, Command, Event, PutReport, Record, Records, UnixTime, Value};
use dsys_dht::{Key, Overlay, QueryId};
use dsys_sim::{Connections, Crash, Network};

use super::world::contacts;
use super::{percent, two_digits};
use crate::report::{Allowed, Report};

type World = Network<Records<Kademlia>>;

/// Nodes that are up, and those of the tables that are not: 45 % of all.
const UP: usize = 500;
const GONE: usize = 409;
/// A link's latency, of which the simulator's default is.
const LATENCY: (f64, f64) = (0.01, 0.1);

/// Puts by as many nodes. The classic walk is computed from the same tables, before anybody has put anything: alpha questions
/// at once, each waited for until it is answered or has timed out, until the k nearest have answered; then a store on each
/// of those, all at once.
pub(super) fn run(_: u32, lookups: u64, seed: u64, report: &mut Report) {
    let puts = if lookups < 1_000 { 20 } else { 200 };
    let Some(mut network) = world(seed) else { return };
    let mut rng = Rng::from_seed(seed ^ 0x9b1);
    let up: Vec<NodeId> = network.machines().map(|(id, _)| id).collect();
    let work: Vec<(NodeId, Record)> = (0..puts)
        .filter_map(|number| {
            let value = Value::new(format!("number {number} of {seed}").into_bytes()).ok()?;
            Some((*rng.choose(&up)?, Record::Immutable(value)))
        })
        .collect();
    let classic: Vec<f64> =
        work.iter().map(|(from, record)| classic(&network, *from, record.id().key, &mut rng)).collect();
    let ours: Vec<PutReport> =
        work.iter().filter_map(|(from, record)| put(&mut network, *from, record.clone())).collect();
    let ended = ours.len() == work.len();
    let elapsed: Vec<f64> = ours.iter().map(|report| report.elapsed.as_secs_f64()).collect();
    let (theirs, median) = (part(&classic, 0.5), part(&elapsed, 0.5).filter(|_| ended));
    let show = |seconds: f64| format!("{seconds:.2} s");
    let allowed = theirs.map_or(Allowed::Anything, |theirs| Allowed::AtMost(theirs / 10.0));
    let name = |what: &str| format!("45 % undialable, {UP} nodes: {what}");
    let theirs = |part: Option<f64>| part.map_or("-".into(), show);
    report.row(name("a put, median"), theirs(part(&classic, 0.5)), median, allowed, show);
    report.row(
        name("a put, 90 of 100"),
        theirs(part(&classic, 0.9)),
        part(&elapsed, 0.9),
        Allowed::Anything,
        show,
    );
    let stored: usize = ours.iter().map(|report| report.stored_on).sum();
    let of: usize = ours.iter().map(|report| report.of).sum();
    let share = (of > 0).then(|| stored as f64 / of as f64);
    report.row(name("stored on those found"), "-", share, Allowed::AtLeast(0.99), percent);
    // Those that are really responsible, by the end.
    let kept = work.iter().map(|(from, record)| {
        let id = record.id();
        let others = up.iter().copied().filter(|node| node != from);
        let nearest = super::world::nearest(others, id.key, 20);
        nearest.iter().filter(|node| network.machine(**node).is_some_and(|node| node.keeps(&id))).count()
    });
    let kept = Some(kept.sum::<usize>() as f64 / (20 * work.len()) as f64);
    // Twenty puts of a smoke run say too little.
    let enough = if puts < 200 { Allowed::Anything } else { Allowed::AtLeast(0.9) };
    report.row(name("of the 20 nearest keep it"), "-", kept, enough, percent);
    let queried = ours.iter().map(|report| f64::from(report.queried)).sum::<f64>() / ours.len().max(1) as f64;
    report.row(name("requests"), "-", Some(queried), Allowed::Anything, two_digits);
}

fn world(seed: u64) -> Option<World> {
    let config = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = World::new(config);
    let (overlay, records) = (Arc::new(Config::default()), Arc::new(records::Config::default()));
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..(UP + GONE) as u32).map(|index| network.id(index)).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    for id in &ids {
        let known = contacts(*id, &sorted, overlay.k, &mut rng).into_iter().map(NodeAddr::new);
        let kademlia = Kademlia::new(*id, Vec::new(), overlay.clone()).with_contacts(known);
        network.add(Records::new(kademlia, UnixTime(1_800_000_000), records.clone())).ok()?;
    }
    network.run_for(Duration::from_secs(1));
    for id in ids.iter().take(GONE) {
        network.crash(*id, Crash::POWER);
    }
    network.take_events();
    Some(network)
}

fn put(network: &mut World, from: NodeId, record: Record) -> Option<PutReport> {
    network.command(from, Command::Put { op: QueryId(1), record, after: None, steps: false });
    for _ in 0..6_000 {
        network.run_for(Duration::from_millis(10));
        for emitted in network.take_events() {
            if let Event::Put { result, .. } = emitted.event {
                return result.ok();
            }
        }
    }
    None
}

/// Seconds that the classic walk takes, and the stores behind it.
fn classic(network: &World, from: NodeId, key: Key, rng: &mut Rng) -> f64 {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Asked,
        Answered,
        Failed,
    }
    let Config { k, alpha, timeout, .. } = Config::default();
    let mut round_trip = || (0..2).map(|_| LATENCY.0 + rng.unit() * (LATENCY.1 - LATENCY.0)).sum::<f64>();
    let named = |node: NodeId| {
        let known = network.machine(node).map(|machine| machine.overlay().nearest(key, k));
        known.unwrap_or_default().into_iter().map(|node| (Key::of_node(node.id).xor(key), node.id))
    };
    let mut heard: BTreeMap<_, (NodeId, State)> =
        named(from).map(|(distance, node)| (distance, (node, State::New))).collect();
    let mut way = Vec::new();
    let mut now = 0.0;
    loop {
        let mut nearest = heard.iter_mut().filter(|(_, (_, state))| *state != State::Failed).take(k);
        if way.len() < alpha
            && let Some((distance, (node, state))) = nearest.find(|(_, (_, state))| *state == State::New)
        {
            *state = State::Asked;
            let up = network.machine(*node).is_some();
            let takes = if up { round_trip() } else { timeout.as_secs_f64() };
            way.push((now + takes, *distance, *node, up));
            continue;
        }
        // The next that is answered, or times out.
        let Some(at) = (0..way.len()).min_by(|a, b| {
            let time = |at: &usize| way.get(*at).map_or(0.0, |(time, ..)| *time);
            time(a).total_cmp(&time(b))
        }) else {
            break;
        };
        let (time, distance, node, up) = way.swap_remove(at);
        now = time;
        heard.insert(distance, (node, if up { State::Answered } else { State::Failed }));
        if up {
            for (distance, node) in named(node).filter(|(_, node)| *node != from) {
                heard.entry(distance).or_insert((node, State::New));
            }
        }
        let mut nearest = heard.values().filter(|(_, state)| *state != State::Failed).take(k);
        if nearest.all(|(_, state)| *state == State::Answered) {
            break;
        }
    }
    now + (0..k).map(|_| round_trip()).fold(0.0, f64::max)
}

/// So much of them lies below.
fn part(values: &[f64], part: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1))).copied()
}
