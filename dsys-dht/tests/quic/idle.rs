//! Connections that nobody uses are closed, and made again when they are needed.

use std::time::Duration;

use dsys_core::SecretKey;
use dsys_dht::Dht;
use dsys_transport::{Node, ProtocolConfig, Tag};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::handle::{node, patient};

/// Two nodes that know each other.
async fn pair(idle: Duration) -> [(Node, Dht); 2] {
    let nodes = [SecretKey::generate().unwrap(), SecretKey::generate().unwrap()].map(|secret| node(&secret));
    let first = patient(&nodes[0]).idle(idle).start().await.unwrap();
    let second = patient(&nodes[1]).idle(idle).bootstrap([nodes[0].ticket()]).start().await.unwrap();
    timeout(Duration::from_secs(60), async { (first.joined().await, second.joined().await) }).await.unwrap();
    let [a, b] = nodes;
    [(a, first), (b, second)]
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waiting = async {
        while !is() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_uses_is_closed_and_dialled_again_when_needed() {
    let [(a, first), (b, second)] = pair(Duration::from_millis(400)).await;
    let put = second.put(b"kept".as_slice()).await.unwrap();
    assert_eq!(put.report.stored_on, 1);
    until("it is closed", || a.stats().peers.is_empty() && b.stats().peers.is_empty()).await;
    let dialled = a.stats().dialled + b.stats().dialled;
    assert_eq!(second.stats().await.unwrap().peers, 1, "a contact needs no connection");
    let put = first.put(b"again".as_slice()).await.unwrap();
    assert_eq!((put.report.stored_on, put.report.timeouts), (1, 0));
    assert!(a.stats().dialled + b.stats().dialled > dialled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_another_protocol_may_need_is_left_alone() {
    let [(a, _first), (b, _second)] = pair(Duration::from_millis(100)).await;
    let _own = a.protocol("other/1", ProtocolConfig::default()).unwrap();
    let other = b.protocol("other/1", ProtocolConfig::default()).unwrap();
    let mut stream = a.open(b.addr(), Tag::new("other/1").unwrap()).await.unwrap();
    stream.write_all(b"here").await.unwrap();
    drop((stream, other.accept().await.unwrap()));
    let dialled = a.stats().dialled;
    // Long enough to be closed many times over.
    sleep(Duration::from_secs(2)).await;
    assert_eq!((a.stats().peers.len(), a.stats().dialled), (1, dialled));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_so_keeps_connections() {
    let [(a, _first), (b, _second)] = pair(Duration::MAX).await;
    let dialled = a.stats().dialled + b.stats().dialled;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((a.stats().peers.len(), a.stats().dialled + b.stats().dialled), (1, dialled));
}
