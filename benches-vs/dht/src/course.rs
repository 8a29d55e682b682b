//! What each contender has to do, in a process of its own.

use std::alloc::System;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use futures::future::join_all;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::contender::Contender;
use crate::counting;
use crate::harness::median;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Nodes responsible for a key of all contenders.
const K: usize = 20;
/// Bytes of a value. mainline takes no more than 1,000.
const VALUE: usize = 500;
/// After so long without use all have closed their connections, those that do.
const IDLE: Duration = Duration::from_secs(20);

/// Runs the course and prints a line for each figure: its name and its value.
pub async fn run<C: Contender>(nodes: usize, puts: usize) {
    counting::install();
    let before = memory();
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let mut all = vec![C::start(None).await];
    // Its socket's buffers among it, of which most are never touched.
    let alone = memory().heap - before.heap;
    for _ in 1..nodes {
        let new = C::start(all.first()).await;
        all.push(new);
    }
    let until = wall + Duration::from_secs(120);
    let mut sweeps = 0;
    let share = loop {
        sweeps += 1;
        let (right, share) = sweep::<C>(&all, sweeps).await;
        if right || Instant::now() > until {
            break share;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    print("converged", if Instant::now() < until { wall.elapsed().as_secs_f64() } else { f64::INFINITY });
    print("joined cpu", cpu.elapsed().as_secs_f64());
    print("sweeps", sweeps as f64);
    print("share", share);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cpu = ProcessTime::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    print("idle cpu", cpu.elapsed().as_secs_f64() / 3.0 / nodes as f64);
    let grown = |what: &str| {
        let after = memory();
        let heap = (after.heap - before.heap) as f64 / nodes as f64;
        print(&format!("heap{what}"), heap - alone as f64);
        print(&format!("resident{what}"), (after.resident - before.resident) as f64 / nodes as f64);
        print(&format!("threads{what}"), (after.threads - before.threads) as f64 / nodes as f64);
    };
    grown("");
    let keys = timed_puts::<C>(&all, 0..puts, "").await;
    timed_gets::<C>(&all, &keys, "").await;
    requests::<C>(&all, puts).await;
    tokio::time::sleep(IDLE).await;
    grown(" idle");
    // Few, each by another node: whoever has done one is connected with all it needs.
    let cold = 2 * puts..2 * puts + puts.div_ceil(4);
    let keys = timed_puts::<C>(&all, cold, " idle").await;
    tokio::time::sleep(IDLE).await;
    timed_gets::<C>(&all, &keys, " idle").await;
    // Nobody closes anything in order: the process ends.
    std::process::exit(0);
}

/// Each node is asked for a key of its own: whether all find the nearest node there is, and the share of the nearest 19
/// that they find. (One fewer than are responsible, since some count themselves.)
async fn sweep<C: Contender>(all: &[C::Node], sweep: usize) -> (bool, f64) {
    let lookups = all.iter().enumerate().map(|(at, node)| async move {
        let key = *blake3::hash(format!("sweep {sweep} node {at}").as_bytes()).as_bytes();
        let found = C::lookup(node, key).await.places;
        let place = C::place_of(key);
        let others = all.iter().map(C::place).filter(|other| *other != C::place(node));
        let mut others: Vec<Vec<u8>> = others.collect();
        others.sort_by_key(|other| distance(other, &place));
        others.iter().take(K - 1).map(|other| found.contains(other)).collect::<Vec<bool>>()
    });
    let found = join_all(lookups).await;
    let nearest = found.iter().all(|found| found.first() == Some(&true));
    let all: Vec<bool> = found.into_iter().flatten().collect();
    (nearest, all.iter().filter(|found| **found).count() as f64 / all.len() as f64)
}

fn distance(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

fn value(number: usize) -> Vec<u8> {
    let mut value = vec![0; VALUE];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut value);
    value
}

/// Puts of these values, each by another node: the value's number and its key.
async fn timed_puts<C: Contender>(
    all: &[C::Node],
    numbers: std::ops::Range<usize>,
    what: &str,
) -> Vec<(usize, [u8; 32])> {
    let at = |number: usize| &all[number % all.len()];
    if what.is_empty() {
        // The first is not counted.
        C::put(at(3), value(usize::MAX)).await;
    }
    let (mut times, mut copies, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let cpu = ProcessTime::now();
    for number in numbers {
        let wall = Instant::now();
        let stored = C::put(at(number * 7), value(number)).await;
        times.push(wall.elapsed().as_secs_f64());
        copies.extend(stored.copies.map(|copies| copies as f64));
        keys.push((number, stored.key));
    }
    print(&format!("put cpu{what}"), cpu.elapsed().as_secs_f64() / keys.len() as f64);
    print(&format!("put{what}"), median(times));
    print(&format!("copies{what}"), median(copies));
    keys
}

/// Gets them back, each by a node that did not put it.
async fn timed_gets<C: Contender>(all: &[C::Node], keys: &[(usize, [u8; 32])], what: &str) {
    let mut times = Vec::new();
    let cpu = ProcessTime::now();
    for (number, key) in keys {
        let wall = Instant::now();
        let got = C::get(&all[(number * 7 + 25) % all.len()], *key).await;
        assert!(got.value.is_some_and(|got| got == value(*number)), "it comes back as it was");
        // Who has it already asks nobody.
        if !got.local {
            times.push(wall.elapsed().as_secs_f64());
        }
    }
    print(&format!("get cpu{what}"), cpu.elapsed().as_secs_f64() / keys.len() as f64);
    print(&format!("get{what}"), median(times));
}

async fn requests<C: Contender>(all: &[C::Node], puts: usize) {
    let at = |number: usize| &all[number % all.len()];
    counting::on();
    let (mut put, mut looked) = (Vec::new(), Vec::new());
    for number in 0..puts.div_ceil(2) {
        put.push(f64::from(C::put(at(number * 11), value(puts + number)).await.requests));
        let key = *blake3::hash(&number.to_be_bytes()).as_bytes();
        looked.push(f64::from(C::lookup(at(number * 13), key).await.requests));
    }
    counting::off();
    print("put requests", put.iter().sum::<f64>() / put.len() as f64);
    print("lookup requests", looked.iter().sum::<f64>() / looked.len() as f64);
}

struct Memory {
    heap: i64,
    resident: i64,
    threads: i64,
}

fn memory() -> Memory {
    let stats = HEAP.stats();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    Memory {
        heap: stats.bytes_allocated as i64 - stats.bytes_deallocated as i64,
        resident: number("VmRSS:") * 1024,
        threads: number("Threads:"),
    }
}

fn print(name: &str, value: f64) {
    println!("{name}\t{value}");
}
