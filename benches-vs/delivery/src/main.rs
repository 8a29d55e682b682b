//! Twenty nodes in one process over QUIC on loopback: `cargo run --release -p delivery -- [--only ours|theirs] [--rounds N] [--quick]`.

#[allow(dead_code)] // Made for the binaries beside.
#[path = "../../src/harness.rs"]
mod harness;
mod ours;
mod swarm;
mod theirs;

use harness::{Args, Goal, line, median};
use swarm::{Contender as _, Run, run};

const NODES: usize = 20;

fn main() {
    let args = Args::parse();
    println!("load before: {}", harness::load());
    harness::head();
    let (calm, busy) = if args.quick { (50, 200) } else { (500, 3_000) };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds(5) {
        if args.wants("ours") {
            a.push(harness::runtime().block_on(run::<ours::Ours>(NODES, calm, busy)));
        }
        if args.wants("theirs") {
            b.push(harness::runtime().block_on(run::<theirs::Theirs>(NODES, calm, busy)));
        }
    }
    let print = |figure: &str, of: fn(&Run) -> f64, show: fn(f64) -> String, goal: Goal| {
        let [ours, theirs] = [&a, &b].map(|runs| median(runs.iter().map(of).collect()));
        let figure = format!("{NODES} nodes over QUIC: {figure}");
        line(&figure, &show(ours), theirs::Theirs::NAME, &show(theirs), ours / theirs, goal);
    };
    print("delivery p50", |run| run.p50, ms, Goal::AtMost(1.0));
    print("delivery p99", |run| run.p99, ms, Goal::AtMost(1.0));
    print("a message each 10 ms, CPU for each", |run| run.calm_cpu, ms, Goal::None);
    print(
        "messages a second, 64 under way",
        |run| run.rate,
        |value| format!("{value:.0}"),
        Goal::AtLeast(1.0),
    );
    print("64 under way, CPU for each message", |run| run.busy_cpu, ms, Goal::None);
    print("deliveries that never came", |run| run.lost, |value| format!("{value:.4}"), Goal::None);
    println!("load after: {}", harness::load());
}

fn ms(value: f64) -> String {
    format!("{:.2} ms", value * 1e3)
}
