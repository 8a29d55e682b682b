//! How evenly keys lie on the nodes of Chord, and how many are lost when nodes die and nobody repairs.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::chord::{Chord, Config, Place};
use dsys_dht::records::{self, Command, Event, Record, Records, UnixTime, Value};
use dsys_dht::{Key, QueryId};
use dsys_sim::measure::percentile;
use dsys_sim::{Connections, Crash, Network};

use super::chord::placed;
use super::world::random_key;
use super::{percent, two_digits};
use crate::report::{Allowed, Report};

/// SIGCOMM'01 §6.2: keys for each node, with and without virtual nodes.
pub(super) fn run(nodes: u32, _: u64, seed: u64, report: &mut Report) {
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..nodes).map(|_| NodeId::from_bytes(*random_key(&mut rng).as_bytes())).collect();
    let keys: Vec<Key> = (0..u64::from(nodes) * 100).map(|_| random_key(&mut rng)).collect();
    for (virtual_nodes, theirs) in [(1, 4.6), (20, 1.65)] {
        let mut places: Vec<(Key, usize)> = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            places.extend((0..virtual_nodes).map(|number| (Place::key_of(*id, number), at)));
        }
        places.sort_unstable();
        let mut owned = vec![0.0; ids.len()];
        for key in &keys {
            let at = places.partition_point(|(place, _)| place < key);
            let owner = places.get(at).or(places.first()).and_then(|(_, owner)| owned.get_mut(*owner));
            owner.into_iter().for_each(|owned| *owned += 1.0);
        }
        let of_mean = percentile(&owned, 0.99).map(|most| most * owned.len() as f64 / keys.len() as f64);
        let name =
            format!("Chord, {nodes} nodes of {virtual_nodes} places: 99th percentile of keys, by the mean");
        let allowed = match nodes {
            10_000 => Allowed::Between(theirs * 0.9, theirs * 1.1),
            _ => Allowed::Anything,
        };
        report.row(name, two_digits(theirs), of_mean, allowed, two_digits);
    }
}

/// TON'03 §IV-E: a record is lost if all its `r` holders are, which happens to a part p^r.
pub(super) fn lost(nodes: u32, _: u64, seed: u64, report: &mut Report) {
    // Neighbours share their holders, so that one ring says little about the next.
    let (nodes, count, rings) = if nodes < 10_000 { (200, 400, 1) } else { (1_000, 1_000, 16) };
    for copies in [1, 2, 4] {
        let parts = (0..rings).filter_map(|ring| lost_of(nodes, count, copies, seed * 1_000 + ring));
        let part = parts.sum::<f64>() / rings as f64;
        let theirs = 0.5_f64.powi(copies as i32);
        let allowed = match nodes {
            1_000 => Allowed::Between(theirs * 0.75, theirs * 1.25),
            _ => Allowed::Anything,
        };
        let name = format!("Chord, {copies} copies, half of {nodes} dead without repair: records lost");
        report.row(name, percent(theirs), Some(part), allowed, percent);
    }
}

fn lost_of(nodes: u32, count: u32, successors: usize, seed: u64) -> Option<f64> {
    let simulated = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network: Network<Records<Chord>> = Network::new(simulated);
    let never = Duration::from_secs(1_000_000);
    let ring = Arc::new(Config { successors, stabilize: never, ..Config::default() });
    let mut kept = records::Config::default();
    (kept.repair, kept.republish, kept.cache) = (never, never, Duration::ZERO);
    let kept = Arc::new(kept);
    let mut ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for chord in placed(&ids, &ring, true) {
        network.add(Records::new(chord, UnixTime(1_800_000_000), kept.clone())).ok()?;
    }
    network.run_for(Duration::from_millis(1));
    let values = (0..count).map(|number| Value::new(format!("{seed} {number}").into_bytes()));
    let records: Vec<Record> =
        values.map(|value| value.map(Record::Immutable)).collect::<Result<_, _>>().ok()?;
    let names: Vec<_> = records.iter().map(Record::id).collect();
    let writer = ids.swap_remove(0);
    network.command(writer, Command::Sweep { op: QueryId(1), records });
    for _ in 0..10_000 {
        network.run_for(Duration::from_secs(1));
        if network.take_events().iter().any(|emitted| matches!(emitted.event, Event::Swept { .. })) {
            break;
        }
    }
    // The writer keeps all, and is one of the dead.
    network.crash(writer, Crash::POWER);
    Rng::from_seed(seed).shuffle(&mut ids);
    let alive = ids.split_off(ids.len() / 2);
    for node in ids {
        network.crash(node, Crash::POWER);
    }
    let is_kept = |name| alive.iter().any(|node| network.machine(*node).is_some_and(|node| node.keeps(name)));
    Some(names.iter().filter(|name| !is_kept(name)).count() as f64 / names.len() as f64)
}
