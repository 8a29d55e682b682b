//! TON'03 Table III: lookups in a ring of Chord in which nodes come and fail all the time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::chord::{Chord, Config};
use dsys_dht::{Command, Event, Key, QueryId};
use dsys_sim::{Crash, Network};

use super::chord::ring;
use super::two_digits;
use super::world::random_key;
use crate::report::{Allowed, Report};

/// Joins a second, failures a second, and wrong owners in 10,000 lookups: the paper's, and what we allow.
const TABLE: [(f64, &str, f64); 5] =
    [(0.05, "0", 20.0), (0.1, "0", 20.0), (0.2, "5", 20.0), (0.4, "15", 20.0), (0.8, "-", 30.0)];
/// Nodes come and fail at moments so far apart.
const STEP: Duration = Duration::from_millis(50);

/// A thousand nodes that stabilize every 15 to 45 s, 20 successors, one lookup a second, by a random node for a random key.
pub(super) fn run(_: u32, lookups: u64, seed: u64, report: &mut Report) {
    let (nodes, lookups) = if lookups < 1_000 { (200, 300) } else { (1_000, 10_000) };
    for (rate, theirs, most) in TABLE {
        if nodes < 1_000 && rate != 0.2 {
            continue;
        }
        let Some(counted) = churn(nodes, lookups, rate, seed) else { return };
        let in_10_000 = |count: u64| Some(count as f64 * 10_000.0 / lookups as f64);
        let name = |what: &str| format!("Chord, {rate:.2} joins and failures a second: {what}");
        let allowed = if nodes == 1_000 { Allowed::AtMost(most) } else { Allowed::Anything };
        let show = |count: f64| format!("{count:.0}");
        report.row(name("wrong of 10,000"), theirs, in_10_000(counted.wrong), allowed, show);
        let mean = Some(f64::from(counted.failures) / lookups as f64);
        report.row(name("time-outs"), "-", mean, Allowed::Anything, two_digits);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    wrong: u64,
    failures: u32,
}

/// A lookup on its way.
struct Asked {
    from: NodeId,
    key: Key,
    /// Who owned the key when it began.
    owner: Option<NodeId>,
}

/// A lookup that has ended.
struct Ended {
    query: u64,
    owner: Option<NodeId>,
    failures: u32,
}

fn churn(nodes: u32, lookups: u64, rate: f64, seed: u64) -> Option<Counted> {
    let config = Arc::new(Config::default());
    let mut network = ring(nodes, seed, config.clone())?;
    let mut rng = Rng::from_seed(seed ^ 0x000c_4a05);
    let done: Rc<RefCell<Vec<Ended>>> = Rc::default();
    let seen = done.clone();
    network.set_observer(move |_, _, event| {
        if let Event::Done { query, found, report } = event {
            let owner = found.as_ref().ok().and_then(|found| found.first()).map(|owner| owner.id);
            seen.borrow_mut().push(Ended { query: query.0, owner, failures: report.failures });
        }
    });
    let known: Rc<RefCell<Vec<NodeId>>> = Rc::default();
    let (list, settings) = (known.clone(), config);
    let mut spawn = Rng::from_seed(seed);
    network.set_spawn(move |id, _| {
        let list = list.borrow();
        let first = (0..3).filter_map(|_| spawn.choose(&list).map(|first| (*first).into()));
        Chord::new(id, first.collect(), settings.clone())
    });
    let (mut asked, mut counted): (BTreeMap<u64, Asked>, Counted) = Default::default();
    // A while without lookups, so that fingers are as old as they will be.
    let before = lookups / 10;
    for second in 0..before + lookups + 60 {
        for _ in 0..20 {
            let part = rate * STEP.as_secs_f64();
            if rng.chance(part) {
                known.replace(members(&network).into_iter().collect());
                network.join();
            }
            if rng.chance(part) {
                let up: Vec<NodeId> = network.machines().map(|(id, _)| id).collect();
                network.crash(*rng.choose(&up)?, Crash::FIRE);
            }
            network.run_for(STEP);
        }
        let members = members(&network);
        for Ended { query, owner: found, failures } in done.borrow_mut().drain(..) {
            let Some(asked) = asked.remove(&query) else { continue };
            // It may have changed hands meanwhile; either is right.
            let right =
                found.is_some() && (found == asked.owner || found == owner(&members, asked.from, asked.key));
            counted.wrong += u64::from(!right);
            counted.failures += failures;
        }
        // Whoever failed while it asked is not counted, and asked again by another.
        asked.retain(|_, asked| members.contains(&asked.from));
        if (before..before + lookups).contains(&second) {
            let up: Vec<NodeId> = members.iter().copied().collect();
            let (from, key) = (*rng.choose(&up)?, random_key(&mut rng));
            network.command(from, Command::Find { query: QueryId(second), key, steps: false });
            asked.insert(second, Asked { from, key, owner: owner(&members, from, key) });
        }
    }
    // What has not ended after a minute is no answer.
    counted.wrong += asked.len() as u64;
    Some(counted)
}

/// Those that are up and have joined.
fn members(network: &Network<Chord>) -> BTreeSet<NodeId> {
    network.machines().filter(|(_, chord)| chord.is_member()).map(|(id, _)| id).collect()
}

/// Who owns a key, the asker left out: of a key of its own a node finds those behind it.
fn owner(members: &BTreeSet<NodeId>, from: NodeId, key: Key) -> Option<NodeId> {
    let key = NodeId::from_bytes(*key.as_bytes());
    members.range(key..).chain(members).find(|node| **node != from).copied()
}
