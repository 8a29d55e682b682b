//! Measurements between real nodes: `cargo test --release -p dsys-crdt --test sync -- --ignored --nocapture measure`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dsys_core::NodeAddr;
use dsys_crdt::repo::{Doc, Repo, Update};
use dsys_crdt::sync::{Config, Sync};
use tokio::net::UdpSocket;

use crate::network::{Peer, begun, node, peer, peer_with, text, until, update};

/// An address from which datagrams go to another, and the answers back, each so much later: a link between machines.
async fn relay(to: SocketAddr, delay: Duration) -> SocketAddr {
    let near = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(to).await.unwrap();
    let at = near.local_addr().unwrap();
    let (first, dialler) = tokio::sync::watch::channel(None);
    let pass = |from: std::sync::Arc<UdpSocket>,
                first: Option<tokio::sync::watch::Sender<Option<SocketAddr>>>| {
        let (late, queue) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        tokio::spawn(async move {
            let mut datagram = vec![0; 1 << 16];
            while let Ok((length, sender)) = from.recv_from(&mut datagram).await {
                if let Some(first) = &first {
                    first.send_replace(Some(sender));
                }
                late.send((Instant::now() + delay, datagram[..length].to_vec())).unwrap();
            }
        });
        queue
    };
    let (mut there, mut back) = (pass(near.clone(), Some(first)), pass(far.clone(), None));
    tokio::spawn(async move {
        while let Some((at, datagram)) = there.recv().await {
            tokio::time::sleep_until(at.into()).await;
            drop(far.send(&datagram).await);
        }
    });
    tokio::spawn(async move {
        while let Some((at, datagram)) = back.recv().await {
            tokio::time::sleep_until(at.into()).await;
            let to = *dialler.borrow();
            drop(near.send_to(&datagram, to.unwrap()).await);
        }
    });
    at
}

/// Prints how long a keystroke takes to ten peers, beside the round trip of a request on the same connections.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_a_keystroke_to_ten_peers() {
    for _ in 0..3 {
        measure_keystrokes("in memory", None, |_| async { Repo::memory().unwrap() }).await;
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(format!("{at}.redb"));
        measure_keystrokes("in files", None, |at| async move { Repo::open(path(at)).await.unwrap() }).await;
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(format!("{at}.redb"));
        let delay = Some(Duration::from_millis(5));
        measure_keystrokes(
            "in files, 5 ms away",
            delay,
            |at| async move { Repo::open(path(at)).await.unwrap() },
        )
        .await;
    }
}

async fn measure_keystrokes<F: Future<Output = Repo>>(
    kept: &str,
    delay: Option<Duration>,
    repo: impl Fn(usize) -> F,
) {
    let anna = peer_with(repo(0).await);
    let here = begun(&anna.repo);
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    let mut peers: Vec<(Peer, Doc)> = Vec::new();
    for at in 1..=10 {
        let peer = peer_with(repo(at).await);
        let doc = peer.repo.join("notes", here.link()).unwrap();
        peers.push((peer, doc));
    }
    let mut services = Vec::new();
    let tag = dsys_transport::Tag::new("echo/1").unwrap();
    for (peer, doc) in &peers {
        let mut addr = anna.node.addr();
        if let Some(delay) = delay {
            addr = NodeAddr::new(addr.id).with(relay(addr.direct()[0], delay).await);
        }
        peer.sync.share(doc, [addr]).await.unwrap();
        until("the beginning", || text(doc).is_empty()).await;
        let echo = |_, request| async move { Ok::<bytes::Bytes, u32>(request) };
        services.push(peer.node.serve(tag, Default::default(), Default::default(), echo).unwrap());
    }
    let (mut each, mut last, mut saved) = (Vec::new(), Vec::new(), Vec::new());
    let (mut trips, mut round_trips) = (Vec::new(), Vec::new());
    for round in 0..200 {
        // Each peer's own task notes when it has come.
        let arrivals: Vec<_> = peers
            .iter()
            .map(|(_, doc)| {
                let mut updates = doc.subscribe();
                tokio::spawn(async move {
                    update(&mut updates, |update| matches!(update, Update::Remote(_))).await;
                    Instant::now()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(5) + 3 * delay.unwrap_or_default()).await;
        let started = Instant::now();
        here.change(|doc| doc.insert_text("/body", round, "x")).unwrap();
        let mut arrived = Vec::new();
        for arrival in arrivals {
            arrived.push(arrival.await.unwrap() - started);
        }
        last.extend(arrived.iter().max());
        each.append(&mut arrived);
        here.change(|doc| doc.set("/saved", round as i64)).unwrap();
        let started = Instant::now();
        here.saved().await.unwrap();
        saved.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
        let started = Instant::now();
        anna.node.request(peers[round % 10].0.node.addr(), tag, "x").await.unwrap();
        trips.push(started.elapsed());
        let started = Instant::now();
        let asked: Vec<_> = peers
            .iter()
            .map(|(peer, _)| {
                let (node, addr) = (anna.node.clone(), peer.node.addr());
                tokio::spawn(async move {
                    node.request(addr, tag, "x").await.unwrap();
                    Instant::now()
                })
            })
            .collect();
        for asked in asked {
            round_trips.push(asked.await.unwrap() - started);
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (each, last, saved) = (median(each), median(last), median(saved));
    let (trip, trips) = (median(trips), median(round_trips));
    println!(
        "{kept}: a keystroke at one of ten peers: p50 {each:?}, at the last of them {last:?}; saved here in {saved:?}; a \
         request to one: p50 {trip:?}, to one of ten that are asked at once {trips:?}; {:.2} round trips to one, {:.2} to ten",
        each.as_secs_f64() / trip.as_secs_f64(),
        each.as_secs_f64() / trips.as_secs_f64(),
    );
}

/// How much CPU this process has taken, in hundredths of a second; nothing where there is no such file.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Prints how long 100,000 changes take to a new peer, beside the bytes alone on a stream between the same nodes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_a_long_history_to_a_new_peer() {
    let anna = peer();
    let here = begun(&anna.repo);
    for number in 0..100_000 {
        here.change(|doc| doc.insert_text("/body", number, "x")).unwrap();
    }
    anna.repo.flush().await.unwrap();
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    let (node, repo, mut config) = (node(), Repo::memory().unwrap(), Config::default());
    config.preview = true;
    let sync = Sync::builder(&node, &repo).config(config).spawn().unwrap();
    let ben = Peer { node, repo, sync };
    // The connection stands before it is measured.
    let tag = dsys_transport::Tag::new("echo/1").unwrap();
    let echo = |_, request| async move { Ok::<bytes::Bytes, u32>(request) };
    let _echo = anna.node.serve(tag, Default::default(), Default::default(), echo).unwrap();
    ben.node.request(anna.node.addr(), tag, "x").await.unwrap();
    let there: Doc = ben.repo.join("notes", here.link()).unwrap();
    let mut updates = there.subscribe();
    let sight = tokio::spawn(async move {
        update(&mut updates, |update| matches!(update, Update::Preview { .. })).await;
        Instant::now()
    });
    let (started, busy) = (Instant::now(), cpu());
    ben.sync.share(&there, [anna.node.ticket().0]).await.unwrap();
    until("all", || there.read(|doc| doc.log().len()).unwrap() == 100_001).await;
    let (synced, busy) = (started.elapsed(), (cpu() - busy) * 10);
    let seen = sight.await.unwrap() - started;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bytes = anna.sync.stats().sent_bytes;
    let tag = dsys_transport::Tag::new("bytes/1").unwrap();
    let mut config = dsys_transport::RpcConfig::default();
    config.max_request = 64 << 20;
    let taken = |_, _| async { Ok::<bytes::Bytes, u32>(bytes::Bytes::new()) };
    let _service = ben.node.serve(tag, Default::default(), config, taken).unwrap();
    let mut alone = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        anna.node.request(ben.node.addr(), tag, vec![7u8; bytes as usize]).await.unwrap();
        alone.push(started.elapsed());
    }
    alone.sort();
    println!(
        "100,001 changes in {synced:?}, {busy} ms of CPU on both sides; what they say to be seen in {seen:?}; \
         their {bytes} bytes alone in {:?}",
        alone[2]
    );
}
