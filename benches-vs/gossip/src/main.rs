//! The figures of dsys-gossip: `cargo run --release -p gossip -- [--only broadcast|deaths|swim|reconcile] [--rounds N] [--quick]`.

mod contender;
mod foca;
#[allow(dead_code)] // Made for the binaries beside.
#[path = "../../src/harness.rs"]
mod harness;
mod heap;
mod iroh;
mod membership;
mod ours;
mod reconcile;
#[path = "../../../examples/lab/src/topics/gossip/slow.rs"]
mod slow;
mod world;

use contender::Contender;
use harness::{Args, Goal, median};
use world::{Course, World};

#[global_allocator]
static HEAP: heap::Counting = heap::COUNTING;

fn main() {
    let args = Args::parse();
    println!("load before: {}", harness::load());
    harness::head();
    if args.wants("broadcast") {
        broadcast(&args);
    }
    if args.wants("deaths") {
        [(80, 0.999), (90, 0.99), (95, 0.90)]
            .iter()
            .for_each(|(percent, goal)| deaths(&args, *percent, *goal));
    }
    if args.wants("swim") {
        membership::run(&args);
    }
    if args.wants("reconcile") {
        reconcile::run(&args);
    }
    println!("load after: {}", harness::load());
}

fn nodes(args: &Args) -> u32 {
    if args.quick { 100 } else { 1_000 }
}

/// What one contender made of one seed.
#[derive(Default)]
struct Run {
    heap: f64,
    fixed: Course,
    random: Course,
    cpu: f64,
    idle: f64,
}

fn run<C: Contender>(args: &Args, seed: u64) -> Run {
    let mut world = World::<C>::joined(nodes(args), seed);
    let heap = world.heap();
    let one = world.ids[0];
    // The tree forms with the first messages.
    world.broadcasts(20, |_, _| one);
    let start = cpu_time::ProcessTime::now();
    let fixed = world.broadcasts(100, |_, _| one);
    let cpu = start.elapsed().as_secs_f64();
    let start = cpu_time::ProcessTime::now();
    world.rest(300);
    let idle = start.elapsed().as_secs_f64();
    let random = world.broadcasts(100, |rng, ids| *rng.choose(ids).expect("there are nodes"));
    Run { heap, fixed, random, cpu, idle }
}

fn broadcast(args: &Args) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for seed in 0..args.rounds(5) as u64 {
        ours.push(run::<ours::Ours>(args, seed));
        theirs.push(run::<iroh::Iroh>(args, seed));
    }
    let print = |figure: &str,
                 of: fn(&Run) -> f64,
                 show: fn(f64) -> String,
                 most: Option<f64>,
                 ratio: Option<f64>| {
        let (a, b) = (median(ours.iter().map(of).collect()), median(theirs.iter().map(of).collect()));
        let goal = match (ratio, most) {
            (Some(ratio), _) => Goal::AtMost(ratio),
            (_, Some(most)) => Goal::AtMost(most / b),
            _ => Goal::None,
        };
        let shown = most.map_or(String::new(), |most| format!(" (goal {})", show(most)));
        harness::line(figure, &format!("{}{shown}", show(a)), iroh::NAME, &show(b), a / b, goal);
    };
    print("one sender: reliability", |run| run.fixed.reliability(), share, None, None);
    print("one sender: redundancy", |run| run.fixed.redundancy(), share, Some(0.05), None);
    print("one sender: t_last", |run| run.fixed.t_last(), ms, Some(0.375), None);
    print("any sender: reliability", |run| run.random.reliability(), share, None, None);
    print("any sender: redundancy", |run| run.random.redundancy(), share, Some(0.30), None);
    print("any sender: t_last", |run| run.random.t_last(), ms, Some(0.450), None);
    print("100 broadcasts in 300 s, CPU", |run| run.cpu, seconds, None, Some(0.35 / 2.6));
    print("300 s without any, CPU", |run| run.idle, seconds, None, None);
    print("heap of a node after joining", |run| run.heap, bytes, Some(4_096.0), None);
}

fn deaths(args: &Args, percent: usize, goal: f64) {
    fn reliability<C: Contender>(args: &Args, seed: u64, percent: usize) -> f64 {
        let mut world = World::<C>::joined(nodes(args), seed);
        let one = world.ids[0];
        world.broadcasts(20, |_, _| one);
        world.kill(percent);
        world.rest(5);
        world.broadcasts(100, |rng, ids| *rng.choose(ids).expect("some live")).reliability()
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for seed in 0..args.rounds(5) as u64 {
        ours.push(reliability::<ours::Ours>(args, seed, percent));
        theirs.push(reliability::<iroh::Iroh>(args, seed, percent));
    }
    let worst = ours.iter().copied().fold(f64::INFINITY, f64::min);
    let (a, b) =
        (ours.iter().sum::<f64>() / ours.len() as f64, theirs.iter().sum::<f64>() / theirs.len() as f64);
    let figure = format!("{percent} % killed: reliability after 5 s (goal {goal}, worst seed {worst:.4})");
    harness::line(&figure, &share(a), iroh::NAME, &share(b), a / b, Goal::AtLeast(goal / b));
}

fn share(value: f64) -> String {
    format!("{value:.4}")
}

fn ms(value: f64) -> String {
    format!("{:.0} ms", value * 1e3)
}

fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

fn bytes(value: f64) -> String {
    format!("{value:.0} B")
}
