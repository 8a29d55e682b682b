//! The handle, on QUIC and loopback.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, SecretKey, Ticket};
use dsys_dht::records::{Config, Kind, Record};
use dsys_dht::{
    Builder, ContentRouting, Dht, GetError, Kademlia, Key, Mode, NoStore, PeerRouting, Progress, PutError,
    StartError, Step, kademlia,
};
use dsys_transport::{MemoryNetwork, Node, NodeConfig, Quic, QuicConfig};
use tokio::time::timeout;

pub(crate) fn node(secret: &SecretKey) -> Node {
    let quic = Quic::bind(secret, &["127.0.0.1:0".parse().unwrap()], QuicConfig::test()).unwrap();
    Node::new(quic, NodeConfig::default())
}

/// A node and its DHT, which begins with these.
async fn start(first: Vec<Ticket>) -> (Node, Dht, SecretKey) {
    let secret = SecretKey::generate().unwrap();
    let node = node(&secret);
    let dht = patient(&node).bootstrap(first).start().await.unwrap();
    (node, dht, secret)
}

/// A slow machine does not answer within two seconds.
pub(crate) fn patient(node: &Node) -> Builder<Kademlia, NoStore> {
    let mut config = Config::default();
    config.timeout = Duration::from_secs(30);
    let kad = kademlia::Config { timeout: Duration::from_secs(30), ..kademlia::Config::default() };
    Dht::builder(node).overlay(Kademlia::from(kad)).config(config)
}

async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(seconds.max(60)), future).await.expect("in time")
}

/// So many that all know of each other's networks.
async fn network(nodes: usize) -> Vec<(Node, Dht, SecretKey)> {
    let mut all = vec![start(Vec::new()).await];
    for _ in 1..nodes {
        let first = all[0].0.ticket();
        let new = start(vec![first]).await;
        within(20, new.1.joined()).await;
        all.push(new);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_nodes_put_get_publish_resolve_and_provide() {
    let all = network(20).await;
    within(20, all[0].1.joined()).await;
    let (dht, other) = (&all[3].1, &all[17].1);
    let put = within(20, dht.put(b"hello".as_slice())).await.unwrap();
    assert!(put.report.stored_on >= 15 && put.report.of <= 19, "{put:?}");
    let got = within(20, other.get(&put.key)).await.unwrap();
    assert_eq!(got, b"hello".as_slice());
    assert!(got.report.queried <= 19);
    let missing = Key::from_bytes([1; 32]);
    assert!(matches!(within(20, other.get(&missing)).await, Err(GetError::NotFound { .. })));

    let secret = SecretKey::generate().unwrap();
    within(20, dht.publish(&secret, "profile", 1, b"v1".as_slice())).await.unwrap();
    within(20, other.publish_after(1, &secret, "profile", 2, b"v2".as_slice())).await.unwrap();
    let record = within(20, all[9].1.resolve(&secret.public(), "profile")).await.unwrap();
    assert_eq!((record.seq, record.value.as_bytes()), (2, b"v2".as_slice()));
    assert!(record.report.agreed >= 1);
    let late = within(20, dht.publish_after(1, &secret, "profile", 3, b"v3".as_slice())).await;
    assert_eq!(late, Err(PutError::Conflict { seq: 2 }));

    within(20, dht.provide(&put.key)).await.unwrap();
    within(20, other.provide(&put.key)).await.unwrap();
    let mut providers = all[5].1.find_providers(&put.key);
    let mut found: Vec<NodeAddr> = Vec::new();
    while let Some(provider) = within(20, providers.next()).await {
        found.push(provider.unwrap().addr);
    }
    found.sort();
    let mut expected = vec![all[3].0.addr(), all[17].0.addr()];
    expected.sort();
    assert_eq!(found, expected);
    let routed = within(20, all[6].1.providers(put.key, 1)).await.unwrap();
    assert!(routed.len() == 1 && expected.contains(&routed[0]));
    let keys: Vec<Key> = (0..40).map(|number| Key::from_bytes([number; 32])).collect();
    let many = within(40, dht.provide_many(keys.iter().copied())).await.unwrap();
    assert!(many.records == 40 && many.fewest >= 15 && many.queried < 200, "{many:?}");
    let provided = within(20, all[6].1.providers(keys[39], 1)).await.unwrap();
    assert_eq!(provided, [all[3].0.addr()]);
    let many = within(40, all[4].1.get_many([put.key, missing])).await.unwrap();
    assert_eq!((many.found.len(), many.missing), (1, vec![missing]));
    assert_eq!(many.found[&put.key], b"hello".as_slice());

    let whom = all[11].0.addr();
    assert_eq!(within(20, all[2].1.address(whom.id)).await.unwrap(), Some(whom));
    assert_eq!(within(20, all[2].1.address(NodeId::from_number(1))).await.unwrap(), None);
    let stats = other.stats().await.unwrap();
    assert!(stats.peers >= 15 && stats.records >= 2 && stats.violations == 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_work_and_one_alone_says_so() {
    let (one_node, one, _) = start(Vec::new()).await;
    let missing = Key::from_bytes([1; 32]);
    assert_eq!(within(5, one.get(&missing)).await, Err(GetError::NoPeers));
    assert_eq!(within(5, one.put(b"early".as_slice())).await, Err(PutError::NoPeers));
    let (_other_node, other, _) = start(vec![one_node.ticket()]).await;
    within(20, other.joined()).await;
    within(20, one.joined()).await;
    let put = within(20, other.put(b"for two".as_slice())).await.unwrap();
    assert_eq!((put.report.stored_on, put.report.of), (1, 1));
    assert_eq!(within(20, one.get(&put.key)).await.unwrap(), b"for two".as_slice());
    // What was put alone is known to the other by now, or at once.
    let early = Record::Immutable(dsys_dht::records::Value::new(b"early".as_slice()).unwrap()).id();
    assert_eq!(within(20, other.get(&early.key)).await.unwrap(), b"early".as_slice());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_is_a_stream_of_its_steps() {
    let all = network(8).await;
    let record = Record::Immutable(dsys_dht::records::Value::new(b"watched".as_slice()).unwrap());
    let id = record.id();
    let mut watch = all[1].1.watch_put(record.clone(), None);
    let mut asked = 0;
    let report = loop {
        match within(20, watch.next()).await.unwrap() {
            Progress::Step(_, Step::Asked { .. }) => asked += 1,
            Progress::Step(..) => {}
            Progress::Put(result) => break result.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert!(asked >= 5 && report.stored_on >= 5, "{asked} {report:?}");
    assert!(within(5, watch.next()).await.is_none());
    let mut watch = all[6].1.watch_get(id.key, Kind::Immutable, 1);
    let mut found = None;
    let got = loop {
        match within(20, watch.next()).await.unwrap() {
            Progress::Found(record) => found = Some(record),
            Progress::Got(result) => break result.unwrap(),
            Progress::Step(..) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((found, got.record), (Some(record.clone()), record));
    let mut watch = all[3].1.watch_find(id.key);
    let mut answered = 0;
    let found = loop {
        match within(20, watch.next()).await.unwrap() {
            Progress::Step(_, Step::Answered { .. }) => answered += 1,
            Progress::Peers(found) => break found.unwrap(),
            Progress::Step(..) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(found.nodes.len() >= 5 && answered >= 5, "{answered} {found:?}");
}

/// Where a machine has no address but its own, they serve at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_all_interfaces_serve_once_others_have_dialled_them() {
    let mut all: Vec<(Node, Dht)> = Vec::new();
    for _ in 0..3 {
        let secret = SecretKey::generate().unwrap();
        let quic = Quic::bind(&secret, &["0.0.0.0:0".parse().unwrap()], QuicConfig::test()).unwrap();
        let node = Node::new(quic, NodeConfig::default());
        let first: Vec<Ticket> = all.first().map(|(first, _)| first.ticket()).into_iter().collect();
        let dht = patient(&node).bootstrap(first).start().await.unwrap();
        all.push((node, dht));
    }
    for (_, dht) in &all {
        within(40, async {
            while !dht.stats().await.unwrap().serves || dht.stats().await.unwrap().peers == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
    let put = within(40, all[1].1.put(b"hello".as_slice())).await.unwrap();
    assert_eq!(&*within(40, all[2].1.get(&put.key)).await.unwrap(), b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_no_server_and_finds_what_others_have() {
    let all = network(3).await;
    let put = within(40, all[1].1.put(b"hello".as_slice())).await.unwrap();
    let secret = SecretKey::generate().unwrap();
    let node = node(&secret);
    let dht = patient(&node).mode(Mode::Client).bootstrap([all[0].0.ticket()]).start().await.unwrap();
    within(40, dht.joined()).await;
    assert_eq!(&*within(40, dht.get(&put.key)).await.unwrap(), b"hello");
    assert!(!dht.stats().await.unwrap().serves);
    let found = within(40, all[2].1.find_nodes(Key::of_node(secret.public()))).await.unwrap();
    assert!(found.nodes.iter().all(|node| node.id != secret.public()), "in nobody's table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_node_that_is_down_is_waited_for() {
    let secret = SecretKey::generate().unwrap();
    let first = node(&secret);
    let (ticket, port) = (first.ticket(), first.addr().direct()[0]);
    first.shutdown(Duration::from_secs(1)).await;
    drop(first);
    let (_node, dht, _) = start(vec![ticket]).await;
    assert!(timeout(Duration::from_millis(700), dht.joined()).await.is_err());
    let get = within(20, dht.get(&Key::from_bytes([1; 32]))).await;
    assert!(matches!(get, Err(GetError::NobodyAnswered { .. } | GetError::NoPeers)), "{get:?}");
    // It starts at last, and is found without anybody asking for it.
    let quic = Quic::bind(&secret, &[port], QuicConfig::test()).unwrap();
    let first = Node::new(quic, NodeConfig::default());
    let _on_first = Dht::builder(&first).start().await.unwrap();
    within(30, dht.joined()).await;
    assert_eq!(within(20, dht.put(b"at last".as_slice())).await.unwrap().report.stored_on, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_hands_over_and_who_has_ended_says_so() {
    let all = network(4).await;
    let put = within(20, all[1].1.put(b"inheritance".as_slice())).await.unwrap();
    let report = within(20, all[1].1.leave()).await.unwrap();
    assert_eq!((report.handed, report.of), (1, 1));
    let ended = all[1].1.ended();
    all[1].0.shutdown(Duration::from_secs(5)).await;
    assert_eq!(within(5, ended).await, "its node was shut down");
    assert_eq!(all[1].1.get(&put.key).await, Err(GetError::Ended));
    assert_eq!(all[1].1.put(b"x".as_slice()).await, Err(PutError::Ended));
    assert!(all[1].1.stats().await.is_err() && all[1].1.leave().await.is_err());
    assert_eq!(within(20, all[3].1.get(&put.key)).await.unwrap(), b"inheritance".as_slice());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_before_anything_is_sent() {
    let secret = SecretKey::generate().unwrap();
    let one = node(&secret);
    let dht = Dht::builder(&one).start().await.unwrap();
    assert!(matches!(Dht::builder(&one).start().await, Err(StartError::Protocol(_))), "once a node");
    assert!(matches!(dht.put(vec![0; 65_537]).await, Err(PutError::TooLong(_))));
    assert!(matches!(dht.publish(&secret, [0; 65], 1, b"x".as_slice()).await, Err(PutError::TooLong(_))));
    assert!(matches!(dht.resolve(&one.id(), [0; 65]).await, Err(GetError::TooLong(_))));
    let nameless = Node::new(MemoryNetwork::new().transport(secret.public()), NodeConfig::default());
    let nameless = Dht::builder(&nameless).start().await.unwrap();
    assert_eq!(nameless.provide(&Key::from_bytes([1; 32])).await, Err(PutError::NoSigner));
    // Dropped, it speaks no more, and another may.
    drop(dht);
    for _ in 0..100 {
        if Dht::builder(&one).start().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the tag is still taken");
}
