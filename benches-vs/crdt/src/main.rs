//! The figures of dsys-crdt: `cargo run --release -p crdt -- [--only local|merge|load|size] [--rounds N] [--quick]`.

#[allow(dead_code)] // Made for the binaries beside.
#[path = "../../src/harness.rs"]
mod harness;

use std::hint::black_box;
use std::time::Instant;

use cpu_time::ProcessTime;
use crdt::data::Trace;
use crdt::peers::{Peer, automerge_peer, cola_peer, diamond, loro_peer, ours, ropes, yrs_peer};
use harness::{Args, Cost, Goal, Samples};

const SEQUENTIAL: [&str; 2] = ["automerge-paper", "rustcode"];
const ALL: [&str; 5] = ["automerge-paper", "rustcode", "friendsforever", "clownschool", "A1"];

type Work<'a> = (&'a str, Box<dyn Fn() -> usize + 'a>);

fn main() {
    let args = Args::parse();
    println!("load before: {}", harness::load());
    harness::head();
    if args.wants("local") {
        SEQUENTIAL.iter().for_each(|name| local(&args, name));
    }
    if ["merge", "load", "size"].iter().any(|group| args.wants(group)) {
        ALL.iter().for_each(|name| histories(&args, name));
    }
    println!("load after: {}", harness::load());
}

fn read(name: &str) -> Option<Trace> {
    let trace = Trace::read(name);
    if trace.is_none() {
        println!("{name}: skipped: no data");
    }
    trace
}

fn local(args: &Args, name: &str) {
    let Some(trace) = read(name) else { return };
    let (trace, bytes) = (&trace, &ropes::by_bytes(&trace));
    let peers = [ours::PEER, diamond::PEER, loro_peer::PEER, yrs_peer::PEER, automerge_peer::PEER];
    let mut all: Vec<Work> = vec![];
    for Peer { name, local, .. } in peers {
        // These take seconds.
        if !(args.quick && (name.starts_with("yrs") || name.starts_with("automerge"))) {
            all.push((name, Box::new(move || local(trace))));
        }
    }
    all.push(("jumprope 1.1 alone", Box::new(|| ropes::jumprope(trace))));
    all.push(("crop 0.4 alone", Box::new(move || ropes::crop(bytes))));
    all.push(("cola 0.5 + crop 0.4", Box::new(move || ropes::cola(bytes))));
    compare(args, &format!("local replay {name}"), &all, |peer| match peer {
        "diamond-types 1.0.0" => Goal::AtMost(0.45),
        _ => Goal::None,
    });
}

fn histories(args: &Args, name: &str) {
    let Some(trace) = read(name) else { return };
    let peers = [ours::PEER, diamond::PEER, loro_peer::PEER, yrs_peer::PEER, automerge_peer::PEER];
    let mut histories = Vec::new();
    for peer in peers {
        // In A1 one author has several branches at once: a replica for each author does not do.
        if name == "A1" && ["yrs", "loro", "automerge"].iter().any(|other| peer.name.starts_with(other)) {
            continue;
        }
        if let Some((changes, saved)) = (peer.history)(&trace) {
            for text in [(peer.merge)(&changes), (peer.load)(&saved)] {
                assert!(text == trace.end_content, "{} merges {name} wrongly", peer.name);
            }
            histories.push((peer, changes, saved));
        }
    }
    if args.wants("merge") {
        let work = |(peer, changes, _): &(Peer, Vec<u8>, Vec<u8>)| -> Work<'_> {
            let (merge, changes) = (peer.merge, changes.clone());
            (peer.name, Box::new(move || merge(&changes).len()))
        };
        let edits = if name == "A1" { Vec::new() } else { cola_peer::edits(&trace) };
        let mut all: Vec<Work> = histories.iter().map(work).collect();
        if !edits.is_empty() {
            assert!(cola_peer::merge(&edits) == trace.end_content, "cola merges {name} wrongly");
            all.push(("cola 0.5 + crop 0.4, nothing decoded", Box::new(|| cola_peer::merge(&edits).len())));
        }
        compare(args, &format!("merge {name}"), &all, |_| Goal::AtMost(1.0));
        if let Some((peer, changes, saved)) = histories.first() {
            put_off(args, name, peer, changes, saved);
        }
        if let Some((_, _, saved)) = histories.iter().find(|each| each.0.name == ours::PEER.name) {
            // The history is read when something refers to it.
            all.splice(
                ..1,
                [("dsys-crdt 0.1", Box::new(|| ours::open(saved).len()) as Box<dyn Fn() -> usize>)],
            );
            compare(args, &format!("join by a saved text {name}"), &all, |_| Goal::AtMost(1.0));
        }
    }
    if args.wants("load") {
        let work = |(peer, _, saved): &(Peer, Vec<u8>, Vec<u8>)| -> Work<'_> {
            let (load, saved) = (peer.load, saved.clone());
            (peer.name, Box::new(move || load(&saved).len()))
        };
        let mut all: Vec<Work> = histories.iter().map(work).collect();
        compare(args, &format!("load to text {name}"), &all, |_| Goal::AtMost(1.0));
        if let Some((_, _, saved)) = histories.iter().find(|each| each.0.name == ours::PEER.name) {
            all.splice(
                ..1,
                [("dsys-crdt 0.1", Box::new(|| ours::open(saved).len()) as Box<dyn Fn() -> usize>)],
            );
            compare(args, &format!("load to editable {name}"), &all, |_| Goal::None);
            all.splice(
                ..,
                [
                    ("dsys-crdt 0.1", Box::new(|| ours::open(saved).len()) as Box<dyn Fn() -> usize>),
                    ("dsys-crdt 0.1, history read", Box::new(|| ours::read_past(saved).len())),
                ],
            );
            compare(args, &format!("load with all of the history {name}"), &all, |_| Goal::None);
        }
    }
    if args.wants("size") {
        let kb = |bytes: usize| format!("{:.1} KB", bytes as f64 / 1e3);
        let trimmed =
            |(peer, _, saved): &(Peer, Vec<u8>, Vec<u8>)| peer.trim.map(|trim| (peer.name, trim(saved)));
        let trimmed: Vec<_> = histories.iter().filter_map(trimmed).collect();
        if let [(_, ours), (peer, theirs)] = &trimmed[..] {
            let ratio = ours.len() as f64 / theirs.len() as f64;
            let figure = format!("size {name}, text alone");
            harness::line(&figure, &kb(ours.len()), peer, &kb(theirs.len()), ratio, Goal::AtMost(1.0));
        }
        if let Some(((_, changes, saved), others)) = histories.split_first() {
            for (peer, _, theirs) in others {
                // Of the others not all keep everything.
                let keeps = ["diamond", "automerge"].iter().any(|all| peer.name.starts_with(all));
                let saved_goal = if keeps { Goal::AtMost(1.0) } else { Goal::None };
                for (what, ours, goal) in [
                    ("saved, with text", saved, saved_goal),
                    ("as changes, packed in a hurry", changes, Goal::None),
                ] {
                    let ratio = ours.len() as f64 / theirs.len() as f64;
                    harness::line(
                        &format!("size {name}, {what}"),
                        &kb(ours.len()),
                        peer.name,
                        &kb(theirs.len()),
                        ratio,
                        goal,
                    );
                }
            }
        }
    }
}

/// What merging a whole history leaves for later, and what it takes to send one.
fn put_off(args: &Args, name: &str, peer: &Peer, changes: &[u8], saved: &[u8]) {
    let (text, stranger) = (ours::read(saved), ours::stranger());
    let positions = ours::with_positions(&text);
    let merging: [Work; 4] = [
        ("", Box::new(|| (peer.merge)(changes).len())),
        ("itself, with positions", Box::new(|| (peer.merge)(&positions).len())),
        ("itself, and the history read", Box::new(|| ours::merge_and(changes, None))),
        ("itself, and the first concurrent change", Box::new(|| ours::merge_and(changes, Some(&stranger)))),
    ];
    compare(args, &format!("merge {name}"), &merging, |_| Goal::None);
    let sending: [Work; 2] = [
        ("", Box::new(|| ours::send(&text))),
        ("itself, with positions", Box::new(|| ours::with_positions(&text).len())),
    ];
    compare(args, &format!("encode {name} for one who has nothing"), &sending, |_| Goal::None);
    let kb = |bytes: &[u8]| format!("{:.1} KB", bytes.len() as f64 / 1e3);
    let ratio = changes.len() as f64 / positions.len() as f64;
    let figure = format!("size {name}, for one who has nothing");
    harness::line(&figure, &kb(changes), "itself, with positions", &kb(&positions), ratio, Goal::None);
}

/// Measures the first against each other, in rounds that take turns, and prints a line for each.
fn compare(args: &Args, figure: &str, all: &[Work], goal: impl Fn(&str) -> Goal) {
    let rounds = args.rounds(9);
    let mut samples = vec![Samples(Vec::new()); all.len()];
    let mut repeat = vec![1; all.len()];
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..all.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            for _ in 0..repeat[at] {
                black_box((all[at].1)());
            }
            let cost = Cost { wall: wall.elapsed().as_secs_f64(), cpu: cpu.elapsed().as_secs_f64() };
            if round == 0 {
                // Short work is repeated, so that the clock can measure it.
                repeat[at] = ((0.05 / cost.wall) as usize).clamp(1, 200);
            } else {
                samples[at].0.push(cost.per(repeat[at]));
            }
        }
    }
    let ms = |samples: &Samples| format!("{:.3} ms", samples.median(|cost| cost.cpu) * 1e3);
    for (at, (peer, _)) in all.iter().enumerate().skip(1) {
        let ratio = samples[0].ratio(&samples[at], |cost| cost.cpu);
        harness::line(figure, &ms(&samples[0]), peer, &ms(&samples[at]), ratio, goal(peer));
    }
}
