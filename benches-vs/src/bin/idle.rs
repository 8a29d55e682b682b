//! Prints how much memory an idle connection takes, both ends together: bytes of heap, and bytes resident.
//! Started by `transport`, a fresh process for each contender: `idle dsys|quinn|iroh CONNECTIONS`.

use std::alloc::System;
use std::future::Future;
use std::time::Duration;

use benches_vs::harness;
use benches_vs::transport::{Mode, Stack, dsys::Dsys, iroh::Iroh, quinn::Quinn};
use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let args = harness::Args::parse();
    let count = args.words.get(1).and_then(|word| word.parse().ok()).unwrap_or(100);
    harness::runtime().block_on(async {
        match args.words.first().map(String::as_str) {
            Some("dsys") => {
                idle::<Dsys, _>(count, async |link, request| link.call_on_all(request).await).await;
            }
            Some("quinn") => idle::<Quinn, _>(count, call::<Quinn>).await,
            Some("iroh") => idle::<Iroh, _>(count, call::<Iroh>).await,
            _ => eprintln!("usage: idle dsys|quinn|iroh CONNECTIONS"),
        }
    });
}

async fn call<S: Stack>(link: S::Link, request: Bytes) {
    assert_eq!(S::call(&link, request.clone()).await.len(), request.len());
}

/// All endpoints stand before the first look: only what the connections add is counted.
async fn idle<S: Stack, F>(count: usize, call: impl Fn(S::Link, Bytes) -> F)
where
    F: Future<Output = ()>,
{
    let server = S::server(Mode::Echo).await;
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(S::client().await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = (heap(), resident());
    let mut links = Vec::new();
    for client in &clients {
        let link = S::dial(client, &server).await;
        call(link.clone(), Bytes::from(vec![7; 1024])).await;
        links.push(link);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = (heap(), resident());
    println!("{} {}", (after.0 - before.0) / count as i64, (after.1 - before.1) / count as i64);
    // Nobody closes anything in order: the process ends.
    std::process::exit(0);
}

fn heap() -> i64 {
    let stats = HEAP.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok()).unwrap_or(0) * 4096
}
