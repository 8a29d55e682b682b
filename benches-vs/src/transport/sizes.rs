//! What lies in memory and on disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Stack, dsys::Dsys, iroh::Iroh, quinn::Quinn};
use crate::harness::{Args, Goal, line, median};

/// Heap and resident memory per idle connection, both ends counted, each in fresh processes that take turns.
pub(super) fn memory(args: &Args) {
    let stacks = [Dsys::NAME, Quinn::NAME, Iroh::NAME];
    let mut samples = vec![(Vec::new(), Vec::new()); stacks.len()];
    for _ in 0..args.rounds(3) {
        for (at, name) in stacks.iter().enumerate() {
            let (heap, resident) = child(name, if args.quick { 50 } else { 300 });
            samples[at].0.push(heap);
            samples[at].1.push(resident);
        }
    }
    let medians: Vec<_> =
        samples.into_iter().map(|(heap, resident)| (median(heap), median(resident))).collect();
    let text = |bytes: f64| format!("{:.1} KiB", bytes / 1024.0);
    let (ours, quinn, iroh) = (medians[0], medians[1], medians[2]);
    for (name, theirs, goal) in
        [(Quinn::NAME, quinn, Goal::AtMost(1.2)), (Iroh::NAME, iroh, Goal::AtMost(0.6))]
    {
        let figure = "idle peer, six protocols, both ends: heap";
        line(figure, &text(ours.0), name, &text(theirs.0), ours.0 / theirs.0, goal);
        let figure = "idle peer, six protocols, both ends: resident";
        line(figure, &text(ours.1), name, &text(theirs.1), ours.1 / theirs.1, Goal::None);
    }
}

fn child(name: &str, connections: usize) -> (f64, f64) {
    let name = name.split([' ', '-']).next().unwrap_or(name);
    let output = Command::new(beside("idle")).args([name, &connections.to_string()]).output();
    let output = output.expect("`idle` is built with this program");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [heap, resident] => (heap, resident),
        _ => panic!("`idle {name}` failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The stripped binaries of the two-node hellos, as far as they were built.
pub(super) fn binaries() {
    let (Some(ours), Some(theirs)) = (stripped("hello-dsys"), stripped("hello-iroh")) else {
        return println!("hello, stripped release binary | not built: cargo build --release --workspace");
    };
    let text = |bytes: u64| format!("{:.2} MiB", bytes as f64 / 1048576.0);
    let ratio = ours as f64 / theirs as f64;
    line(
        "hello of two nodes, stripped release binary",
        &text(ours),
        Iroh::NAME,
        &text(theirs),
        ratio,
        Goal::AtMost(0.35),
    );
}

fn stripped(name: &str) -> Option<u64> {
    let from = beside(name);
    let to = std::env::temp_dir().join(format!("{name}-{}.stripped", std::process::id()));
    let done = Command::new("strip").arg("-o").args([&to, &from]).status().ok()?;
    let size = std::fs::metadata(&to).ok().filter(|_| done.success()).map(|file| file.len());
    let _ = std::fs::remove_file(to);
    size
}

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join(name)
}
