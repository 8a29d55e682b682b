//! Rumour mongering against the paper's own table.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::Time;
use dsys_sim::measure::{Spread, Summary};
use dsys_sim::plot::Plot;
use dsys_sim::{Connections, Latency, Network};
use rumor::{Command, Config, Event, Message, Rumor};

use super::Topic;
use crate::args::Args;
use crate::machine;
use crate::report::{Allowed, Report, progress};

pub(super) const TOPIC: Topic = Topic {
    name: "rumor",
    about: "rumour mongering: Demers et al. 1987, table 1 (push, feedback, counter; 1,000 sites)",
    run,
};

/// Table 1: k, residue s, traffic m (updates sent per site), t_avg, t_last in cycles.
///
/// Its sites act in step, ours one after the other. In step, pushes of one cycle that meet at a site all count as news,
/// which leaves a little less residue for a little more traffic; and a site infected in a cycle waits for the next,
/// where ours pushes within a cycle, so that ours are sooner done.
const TABLE: [(u32, f64, f64, f64, f64); 5] = [
    (1, 0.18, 1.7, 11.0, 16.8),
    (2, 0.037, 3.3, 12.1, 16.9),
    (3, 0.011, 4.5, 12.5, 17.4),
    (4, 0.0036, 5.6, 12.7, 17.5),
    (5, 0.0012, 6.7, 12.8, 17.7),
];
const SEEDS: u64 = 200;
const ROUND: Duration = Duration::from_secs(1);

fn run(args: &Args, report: &mut Report) {
    let seeds = args.seeds.unwrap_or(SEEDS);
    let table: Vec<_> =
        TABLE.iter().enumerate().filter(|(at, _)| args.mine(*at)).map(|(_, row)| *row).collect();
    let bar = progress(seeds * table.len() as u64);
    let mut curves = Plot::new("Who has not heard yet").axes("cycles", "residue (fraction of the nodes)");
    for (k, residue, traffic, t_avg, t_last) in table {
        let [mut s, mut m, mut avg, mut last] = [Summary::default(); 4];
        for seed in 0..seeds {
            bar.inc(1);
            // A latency far below a cycle, as the paper's synchronous cycles have none.
            let latency = Latency::constant(Duration::from_millis(1));
            let Some(course) = course(1_000, k, seed, latency, ROUND) else { continue };
            s.add(course.spread.residue());
            m.add(course.spread.traffic(course.pushes));
            course.spread.t_avg().into_iter().for_each(|time| avg.add(time));
            course.spread.t_last().into_iter().for_each(|time| last.add(time));
            if seed == 0 {
                curves = curves.line(format!("k = {k}"), course.spread.residue_over_time());
            }
        }
        let number = |value: f64| format!("{value:.4}");
        let near = |value: f64, part: f64| Allowed::Between(value * (1.0 - part), value * (1.0 + part));
        // The bar steps aside for the lines.
        bar.suspend(|| {
            let mut row = |what: &str, theirs: f64, ours: Summary, allowed: Allowed| {
                report.row(format!("k = {k}: {what}"), number(theirs), ours.mean(), allowed, number);
            };
            row("residue s", residue, s, near(residue, 0.5));
            row("traffic m", traffic, m, near(traffic, 0.25));
            row("t_avg, cycles", t_avg, avg, Allowed::AtMost(t_avg));
            row("t_last, cycles", t_last, last, Allowed::AtMost(t_last));
        });
    }
    bar.finish_and_clear();
    report.plot("residue", &curves);
}

/// One rumour from the first push to the last.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) spread: Spread,
    /// Messages that carried the rumour.
    pushes: u64,
    pub(super) trace_hash: u64,
    /// Inputs handed to machines from the publishing on, and the CPU time they took.
    pub(super) inputs: u64,
    pub(super) cpu: Duration,
}

impl Default for Course {
    fn default() -> Self {
        let spread = Spread::new(0, Time::ZERO);
        Course { spread, pushes: 0, trace_hash: 0, inputs: 0, cpu: Duration::ZERO }
    }
}

/// A course over a wide network: latency uniform in 10 to 100 ms, a round each 100 ms.
pub(super) fn spread(nodes: u32, k: u32, seed: u64) -> Option<Course> {
    let ms = Duration::from_millis;
    course(nodes, k, seed, Latency::uniform(ms(10), ms(100)), ms(100))
}

/// `None` if the simulator does not hold that many nodes.
fn course(nodes: u32, k: u32, seed: u64, latency: Latency, round: Duration) -> Option<Course> {
    let config = dsys_sim::Config { latency, connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(config);
    network.set_size(Message::size);
    let peers: Arc<[_]> = (0..nodes).map(|index| network.id(index)).collect();
    let config = Arc::new(Config { k, round, anti_entropy: None, ..Config::default() });
    for &id in peers.iter() {
        network.add(Rumor::new(id, peers.clone(), config.clone())).ok()?;
    }
    network.run_for(Duration::ZERO);

    let spread = Rc::new(RefCell::new(Spread::new(nodes as usize, Time::ZERO)));
    let observed = spread.clone();
    network.set_observer(move |at, _, event| {
        if let Event::Heard { hops, .. } = event {
            observed.borrow_mut().heard(at, *hops);
        }
    });
    let before = network.stats();
    network.command(*peers.first()?, Command::Publish("news".into()));
    let start = machine::cpu();
    network.run();
    let cpu = machine::cpu() - start;
    let after = network.stats();
    let spread = spread.borrow().clone();
    Some(Course {
        spread,
        // Each push is answered by one feedback, and nothing else is sent.
        pushes: (after.sent - before.sent) / 2,
        trace_hash: network.trace_hash(),
        inputs: after.inputs - before.inputs,
        cpu,
    })
}
