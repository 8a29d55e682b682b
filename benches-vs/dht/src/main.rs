//! The figures of dsys-dht: `cargo run --release -p dht -- [--only mainline|libp2p] [--rounds N] [--quick]`.

mod contender;
mod counting;
mod course;
#[allow(dead_code)] // Made for the binaries beside.
#[path = "../../src/harness.rs"]
mod harness;
mod libp2p_peer;
mod mainline_peer;
mod ours;

use std::collections::BTreeMap;
use std::process::Command;

use contender::Contender;
use harness::{Args, Goal, median};
use libp2p_peer::Libp2p;
use mainline_peer::Mainline;
use ours::Ours;

/// One round of a contender: its figures by name.
type Figures = BTreeMap<String, f64>;

fn main() {
    let args = Args::parse();
    let (nodes, puts) = (50, if args.quick { 10 } else { 40 });
    // A fresh process for each round: what one leaves behind is in nobody's figures.
    if let [child] = args.words.as_slice() {
        harness::runtime().block_on(async {
            match child.as_str() {
                "dsys" => course::run::<Ours>(nodes, puts).await,
                "libp2p" => course::run::<Libp2p>(nodes, puts).await,
                "mainline" => course::run::<Mainline>(nodes, puts).await,
                _ => eprintln!("usage: dht [dsys|libp2p|mainline]"),
            }
        });
        return;
    }
    println!("load before: {}", harness::load());
    let peers: Vec<&str> = ["mainline", "libp2p"].into_iter().filter(|peer| args.wants(peer)).collect();
    let mut rounds: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 0..args.rounds(3) {
        let mut order = [&["dsys"], peers.as_slice()].concat();
        if round % 2 == 1 {
            order.reverse();
        }
        for name in order {
            rounds.entry(name).or_default().push(child(name, args.quick));
        }
    }
    harness::head();
    for peer in peers {
        compare(&rounds["dsys"], &rounds[peer], peer == "mainline");
    }
    println!("load after: {}", harness::load());
}

fn child(name: &str, quick: bool) -> Figures {
    let me = std::env::current_exe().expect("this program is a file");
    let output = Command::new(me).arg(name).args(quick.then_some("--quick")).output().expect("it runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

fn compare(ours: &[Figures], theirs: &[Figures], mainline: bool) {
    let peer = if mainline { Mainline::NAME } else { Libp2p::NAME };
    let of = |rounds: &[Figures], name: &str| {
        median(rounds.iter().filter_map(|round| round.get(name).copied()).collect())
    };
    let print = |figure: &str, name: &str, show: fn(f64) -> String, goal: Goal| {
        let (a, b) = (of(ours, name), of(theirs, name));
        let pairs = ours.iter().zip(theirs);
        let ratio = median(pairs.filter_map(|(a, b)| Some(a.get(name)? / b.get(name)?)).collect());
        let shown = |value: f64| if value.is_nan() { "not told".into() } else { show(value) };
        harness::line(figure, &shown(a), peer, &shown(b), ratio, goal);
    };
    // Goals of so much, whatever the peer has.
    let most = |name: &str, most: f64| Goal::AtMost(most / of(theirs, name));
    print("put p50", "put", ms, Goal::AtMost(1.0 / if mainline { 20.0 } else { 5.0 }));
    print("get p50", "get", ms, Goal::AtMost(1.0 / if mainline { 20.0 } else { 2.0 }));
    print("CPU of a put", "put cpu", ms, Goal::None);
    print("CPU of a get", "get cpu", ms, Goal::None);
    print("copies of a put", "copies", count, Goal::None);
    print("50 nodes joined and converged (2 s)", "converged", seconds, most("converged", 2.0));
    print("CPU of that", "joined cpu", seconds, Goal::None);
    print("the nearest 19 that lookups find then", "share", share, Goal::None);
    print("CPU of an idle node in a second", "idle cpu", ms, Goal::None);
    print("memory of a node, resident (1.5 MB)", "resident", mb, most("resident", 1.5e6));
    print("memory of a node, heap beyond a lone one's", "heap", mb, Goal::None);
    print(
        "after 20 s without use: memory, resident (1.5 MB)",
        "resident idle",
        mb,
        most("resident idle", 1.5e6),
    );
    print("the same: heap beyond a lone one's", "heap idle", mb, Goal::None);
    print("the same: put p50", "put idle", ms, Goal::None);
    print("the same: get p50", "get idle", ms, Goal::None);
    print("the same: CPU of a put", "put cpu idle", ms, Goal::None);
    print("the same: CPU of a get", "get cpu idle", ms, Goal::None);
    print("threads of a node", "threads", count, Goal::None);
    print("requests of a put (44)", "put requests", count, most("put requests", 44.0));
    print("requests of a full lookup (24)", "lookup requests", count, most("lookup requests", 24.0));
}

fn ms(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

fn mb(bytes: f64) -> String {
    format!("{:.2} MB", bytes / 1e6)
}

fn share(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

fn count(value: f64) -> String {
    format!("{value:.1}")
}
