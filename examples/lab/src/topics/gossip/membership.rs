//! Full membership: how soon a death is seen, what it costs, and who is wrongly declared dead.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng, Time};
use dsys_gossip::membership::full::{Config, Event, Full, Message, Targets};
use dsys_sim::measure::Summary;
use dsys_sim::{Connections, Crash, Faults, Network};

use super::slow::{Slow, hangs};
use crate::args::Args;
use crate::report::{Allowed, Report};

pub(super) fn run(args: &Args, report: &mut Report) {
    if args.mine(3) {
        first_suspicion(100, 1.5773, if args.smoke { 100 } else { 4_000 }, args.smoke, report);
        if !args.smoke {
            first_suspicion(1_000, 1.5815, 2_500, false, report);
        }
    }
    if args.mine(4) {
        let seeds = args.seeds.unwrap_or(if args.smoke { 1 } else { 20 });
        detection(if args.smoke { 100 } else { 1_000 }, seeds, args.smoke, report);
    }
    if args.mine(5) {
        let seeds = args.seeds.unwrap_or(if args.smoke { 1 } else { 5 });
        wrongly_down(seeds, args.smoke, report);
    }
}

/// Nodes that know each other from the start; one that starts again does too.
fn known(nodes: u32, seed: u64, config: Config) -> (Network<Full>, Vec<NodeId>) {
    let mut network =
        Network::new(dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) });
    network.set_size(Message::size);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let (all, config) = (ids.clone(), Arc::new(config));
    network.set_spawn(move |id, _| {
        Full::new(id, config.clone()).with_members(all.iter().map(|id| NodeAddr::new(*id)))
    });
    for _ in &ids {
        network.join();
    }
    (network, ids)
}

/// In how many periods after its death a node is first suspected, if targets are random and all periods begin together.
fn first_suspicion(nodes: u32, theirs: f64, deaths: u32, smoke: bool, report: &mut Report) {
    let mut summary = Summary::default();
    let of_one = 50;
    for seed in 0..u64::from(deaths / of_one) {
        let config = Config { targets: Targets::Random, stagger: false, ..Config::default() };
        let (mut network, ids) = known(nodes, seed, config);
        let mut rng = Rng::from_seed(seed);
        for _ in 0..of_one {
            // Half a period before the next probes.
            let second = network.now().as_secs_f64().floor() as u64;
            network.run_until(Time::ZERO + Duration::from_millis(second * 1_000 + 2_500));
            let Some(doomed) = rng.choose(&ids).copied() else { return };
            network.crash(doomed, Crash::POWER);
            let died = network.now();
            network.take_events();
            let first = loop {
                let suspects = |event: &Event| matches!(event, Event::Suspected(id) if *id == doomed);
                if let Some(first) = network.take_events().into_iter().find(|one| suspects(&one.event)) {
                    break first.time;
                }
                if !network.step() {
                    return;
                }
            };
            // Probed at the beginning of a period and suspected at its end; rounded, for it takes some microseconds.
            summary.add(((first - died).as_secs_f64() - 0.5).round());
            let second = first.as_secs_f64().ceil() as u64;
            network.run_until(Time::ZERO + Duration::from_secs(second));
            network.restart(doomed);
            network.run_for(Duration::from_secs(5));
        }
    }
    let name = format!("SWIM, n = {nodes}: periods to the first suspicion");
    let allowed = if smoke { Allowed::Anything } else { Allowed::Between(theirs - 0.04, theirs + 0.04) };
    report.row(name, format!("{theirs:.4}"), summary.mean(), allowed, |value| format!("{value:.4}"));
}

fn detection(nodes: u32, seeds: u64, smoke: bool, report: &mut Report) {
    let (mut rate, mut first, mut all) = (Summary::default(), Summary::default(), Summary::default());
    for seed in 0..seeds {
        let (mut network, ids) = known(nodes, seed, Config::default());
        network.run_for(Duration::from_secs(5));
        let Some(doomed) = Rng::from_seed(seed).choose(&ids).copied() else { return };
        network.crash(doomed, Crash::POWER);
        let (died, sent) = (network.now(), network.stats().sent);
        network.take_events();
        let lasting = Duration::from_secs(30);
        network.run_for(lasting);
        rate.add((network.stats().sent - sent) as f64 / f64::from(nodes) / lasting.as_secs_f64());
        let events = network.take_events();
        let mut told = events.iter().filter(|one| one.event == Event::Down(doomed)).map(|one| one.time);
        if let Some(time) = told.next() {
            first.add((time - died).as_secs_f64());
        }
        if let Some(time) = told.next_back() {
            all.add((time - died).as_secs_f64());
        }
    }
    let seconds = |value: f64| format!("{value:.2} s");
    let goal = |most| if smoke { Allowed::Anything } else { Allowed::AtMost(most) };
    report.row(
        format!("SWIM, n = {nodes}: messages a node and second"),
        "2.1",
        rate.mean(),
        goal(2.1),
        |value| format!("{value:.3}"),
    );
    report.row(format!("SWIM, n = {nodes}: first declared down"), "14.2 s", first.mean(), goal(5.0), seconds);
    report.row(
        format!("SWIM, n = {nodes}: declared down by all"),
        "-",
        all.mean(),
        Allowed::Anything,
        seconds,
    );
}

fn wrongly_down(seeds: u64, smoke: bool, report: &mut Report) {
    let lasting = Duration::from_secs(if smoke { 30 } else { 300 });
    fn down<M: dsys_core::Machine<Event = Event, Message: Clone>>(network: &mut Network<M>) -> f64 {
        let events = network.take_events();
        events.iter().filter(|one| matches!(one.event, Event::Down(_))).count() as f64
    }
    let (mut lossy, mut slow, mut hung) = (Summary::default(), Summary::default(), Summary::default());
    for seed in 0..seeds {
        let (mut network, _) = known(100, seed, Config::default());
        network.set_faults(Faults { loss: 0.1, ..Faults::NONE });
        network.run_for(lasting);
        lossy.add(down(&mut network));
        // Slow: gets to run for a moment each half second to two. Hung: does nothing for one to four, then is well for as long.
        for (summary, stops, runs) in
            [(&mut slow, 500..2_000, 50..500), (&mut hung, 1_000..4_000, 1_000..4_000)]
        {
            let mut network = Network::new(dsys_sim::Config {
                connections: Connections::None,
                ..dsys_sim::Config::new(seed)
            });
            let ids: Vec<NodeId> = (0..128).map(|index| network.id(index)).collect();
            let mut rng = Rng::from_seed(seed);
            for (at, id) in ids.iter().enumerate() {
                let inner =
                    Full::new(*id, Config::default()).with_members(ids.iter().map(|id| NodeAddr::new(*id)));
                let hangs = if at < 32 { hangs(lasting, &stops, &runs, &mut rng) } else { Vec::new() };
                if network.add(Slow::new(inner, hangs)).is_err() {
                    return;
                }
            }
            network.run_for(lasting);
            summary.add(down(&mut network));
        }
    }
    let whole = |value: f64| format!("{value:.1}");
    let goal = |most| if smoke { Allowed::Anything } else { Allowed::AtMost(most) };
    let seconds = lasting.as_secs();
    report.row(
        format!("SWIM, 10 % lost, n = 100: wrongly down in {seconds} s"),
        "167",
        lossy.mean(),
        goal(0.0),
        whole,
    );
    report.row(
        format!("SWIM, 32 of 128 slow: wrongly down in {seconds} s"),
        "1408",
        slow.mean(),
        goal(28.0),
        whole,
    );
    report.row(
        format!("SWIM, 32 of 128 hang: wrongly down in {seconds} s"),
        "-",
        hung.mean(),
        Allowed::Anything,
        whole,
    );
}
