//! Death certificates: what is deleted stays deleted, and what is written again stays.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_gossip::Timestamp;
use dsys_gossip::certificate::{Command, Config, Entry, Event, Message, Replica, Stamp, Timer, What};
use dsys_sim::{Connections, Network};

const SECOND: Duration = Duration::from_secs(1);

fn began() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn config(sites: usize) -> Config {
    Config { t1: 15 * SECOND, t2: 300 * SECOND, sites, period: SECOND, ..Config::default() }
}

/// What came of one schedule.
#[derive(Debug, Default)]
struct Outcome {
    /// Sites that have the deleted item in the end, and sites that lack the one that was written again.
    back: usize,
    lost: usize,
    awakened: u64,
    dropped: u64,
}

/// Two items are written everywhere and deleted somewhere, while random partitions come and go; one is written again by
/// somebody who knows of its death. Then all is healed.
fn schedule(seed: u64, sites: usize) -> Outcome {
    let simulated = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(simulated);
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..6).map(|index| network.id(index)).collect();
    let config = Arc::new(config(sites));
    for id in &ids {
        network.add(Replica::new(*id, ids.iter().copied(), began(), config.clone())).unwrap();
    }
    let any = |rng: &mut Rng| *rng.choose(&ids).unwrap();
    for key in ["dead", "reborn"] {
        network.command(any(&mut rng), Command::Put(key.into(), "first".into()));
    }
    network.run_for(15 * SECOND);
    let killer = any(&mut rng);
    let deletion = rng.below(20);
    for round in 0..4 {
        let mut order = ids.clone();
        rng.shuffle(&mut order);
        let (one, other) = order.split_at(1 + rng.index(5));
        let cuts = network.partition(one, other);
        if round == 0 {
            network.run_for(Duration::from_secs(deletion));
            network.command(killer, Command::Delete("dead".into()));
            network.command(killer, Command::Delete("reborn".into()));
        }
        network.run_for(Duration::from_secs(5 + rng.below(50)));
        if round == 1 {
            let knows = |id: &NodeId| network.machine(*id).is_some_and(|one| one.get(b"reborn").is_none());
            let author = ids.iter().copied().rfind(knows).unwrap_or(killer);
            network.command(author, Command::Put("reborn".into(), "second".into()));
        }
        if rng.chance(0.7) {
            cuts.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
        }
    }
    network.heal();
    network.run_for(40 * SECOND);
    let mut outcome = Outcome::default();
    for (_, site) in network.machines() {
        outcome.back += usize::from(site.get(b"dead").is_some());
        outcome.lost += usize::from(site.get(b"reborn").is_none_or(|value| value != "second"));
        outcome.awakened += site.stats().awakened;
        outcome.dropped += site.stats().dropped;
    }
    outcome
}

#[test]
fn in_no_schedule_of_partitions_does_what_was_deleted_come_back() {
    none_comes_back(300);
}

/// `cargo test --release -p dsys-gossip --test gossip -- --ignored ten_thousand`
#[test]
#[ignore = "minutes of a release build"]
fn in_ten_thousand_schedules_nothing_comes_back() {
    none_comes_back(10_000);
}

fn none_comes_back(schedules: u64) {
    let (mut awakened, mut dropped) = (0, 0);
    for seed in 0..schedules {
        let outcome = schedule(seed, 2);
        assert_eq!((outcome.back, outcome.lost), (0, 0), "seed {seed}: {outcome:?}");
        awakened += u64::from(outcome.awakened > 0);
        dropped += u64::from(outcome.dropped > 0);
    }
    assert!(awakened > schedules / 10 && dropped > schedules / 2, "{awakened} and {dropped}: no test");
}

#[test]
fn with_plain_tombstones_it_does() {
    let back = (0..100).filter(|seed| schedule(*seed, 0).back > 0).count();
    assert!(back > 10, "{back} of 100");
}

/// One site and its peers 1 to 3, driven by hand.
struct Bench {
    site: Replica,
    rng: Rng,
    now: Time,
    ids: Vec<NodeId>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let ids: Vec<NodeId> = (0..4).map(NodeId::from_number).collect();
        let site = Replica::new(ids[0], ids.iter().copied(), began(), config);
        Bench { site, rng: Rng::from_seed(1), now: Time::ZERO, ids }
    }

    fn give(&mut self, input: Input<Replica>) -> Vec<Effect<Replica>> {
        let mut effects = Vec::new();
        self.site.handle(input, &mut Context::new(self.now, &mut self.rng, &mut effects));
        effects
    }

    fn item(&self, millis: u64) -> Entry {
        let time = began().plus(Duration::from_millis(millis));
        Entry { stamp: Stamp { time, by: self.ids[1] }, what: What::Item("old".into()) }
    }

    fn differ(&mut self, entries: Vec<(Bytes, Entry)>) -> Vec<Effect<Replica>> {
        let from = self.ids[1];
        self.give(Input::Message(from, Message::Differ { entries, want: vec![] }))
    }
}

fn compared(effects: &[Effect<Replica>]) -> Option<usize> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(_, Message::Compare { have, .. }) => Some(have.len()),
        _ => None,
    })
}

#[test]
fn a_certificate_spreads_sleeps_wakes_and_goes() {
    let mut bench = Bench::new(Config { sites: 4, ..config(4) });
    bench.now += SECOND;
    bench.give(Input::Command(Command::Put("k".into(), "v".into())));
    assert_eq!(bench.site.get(b"k"), Some(&"v".into()));
    let effects = bench.give(Input::Command(Command::Delete("k".into())));
    assert!(matches!(&effects[..], [Effect::Emit(Event::Deleted(key))] if key == "k"));
    assert_eq!(compared(&bench.give(Input::Timer(Timer::Compare))), Some(1), "active");
    bench.now += 16 * SECOND;
    assert_eq!(compared(&bench.give(Input::Timer(Timer::Compare))), Some(0), "dormant");
    assert_eq!(bench.site.entries().count(), 1);
    // What is older wakes it, and does not pass.
    let old = bench.item(500);
    assert!(bench.differ(vec![("k".into(), old)]).is_empty());
    assert_eq!((bench.site.get(b"k"), bench.site.stats().awakened), (None, 1));
    assert_eq!(compared(&bench.give(Input::Timer(Timer::Compare))), Some(1), "active again");
    // What is newer does.
    let new = bench.item(60_000);
    assert!(matches!(&bench.differ(vec![("k".into(), new)])[..], [Effect::Emit(Event::Changed(..))]));
    // Written and deleted by a node whose clock is behind the other's, it is dead all the same.
    bench.give(Input::Command(Command::Delete("k".into())));
    assert_eq!(bench.site.get(b"k"), None);
    bench.now += 400 * SECOND;
    bench.give(Input::Timer(Timer::Compare));
    assert_eq!((bench.site.entries().count(), bench.site.stats().dropped), (0, 1), "t1 and t2 are over");
}

#[test]
fn nobody_drops_what_no_retention_site_is_known_to_hold() {
    let mut bench = Bench::new(config(4));
    let time = began().plus(SECOND);
    let sites = [bench.ids[2]].into();
    let what = What::Dead { activated: time, sites, held: [].into() };
    let certificate = Entry { stamp: Stamp { time, by: bench.ids[1] }, what };
    bench.differ(vec![("k".into(), certificate.clone())]);
    bench.now += 1_000 * SECOND;
    assert_eq!(compared(&bench.give(Input::Timer(Timer::Compare))), Some(1), "it spreads still");
    let mut held = certificate;
    if let What::Dead { held, .. } = &mut held.what {
        held.insert(bench.ids[2]);
    }
    bench.differ(vec![("k".into(), held.clone())]);
    bench.give(Input::Timer(Timer::Compare));
    assert_eq!(bench.site.entries().count(), 0);
    bench.differ(vec![("k".into(), held)]);
    assert_eq!(bench.site.entries().count(), 0, "it does not come again");
}

#[test]
fn bounds_hold() {
    let bounds = Config { max_entries: 2, max_size: 5, max_compared: 3, ..config(2) };
    let mut bench = Bench::new(bounds);
    let put = |bench: &mut Bench, key: &'static str, value: &'static str| {
        let effects = bench.give(Input::Command(Command::Put(key.into(), value.into())));
        matches!(&effects[..], [Effect::Emit(Event::Changed(..))])
    };
    assert!(
        put(&mut bench, "a", "12345") && !put(&mut bench, "b", "123456") && !put(&mut bench, "123456", "a")
    );
    assert!(put(&mut bench, "b", "x") && !put(&mut bench, "c", "x") && put(&mut bench, "b", "y"));
    let item = bench.item(1);
    let many: Vec<(Bytes, Entry)> = (0..4u8).map(|key| (Bytes::from(vec![key]), item.clone())).collect();
    assert!(bench.differ(many.clone()).is_empty());
    bench.differ(many[..3].to_vec());
    let sites: std::collections::BTreeSet<NodeId> = (0..65).map(NodeId::from_number).collect();
    let what = What::Dead { activated: began(), sites, held: [].into() };
    bench.differ(vec![("a".into(), Entry { stamp: item.stamp, what })]);
    let stats = bench.site.stats();
    assert_eq!((bench.site.entries().count(), stats.refused, stats.violations), (2, 7, 1));
    // A range that ends before it begins has nothing in it.
    let from = bench.ids[1];
    let message = Message::Compare { from: "b".into(), to: Some("a".into()), have: vec![] };
    assert!(bench.give(Input::Message(from, message)).is_empty());
}
