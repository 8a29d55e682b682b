//! The overlay alone on real connections.

use std::time::Duration;

use dsys_core::{NodeAddr, SecretKey};
use dsys_dht::kademlia::Config;
use dsys_dht::{Command, Event, FindError, Kademlia, Key, QueryId};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig, Running, run};

/// A node on loopback that tells others where it is reached, and begins with `first`.
async fn start(first: Vec<NodeAddr>) -> (Node, Running<Kademlia>) {
    let secret = SecretKey::generate().unwrap();
    let quic = Quic::bind(&secret, &["127.0.0.1:0".parse().unwrap()], QuicConfig::test()).unwrap();
    let node = Node::new(quic, NodeConfig::default());
    let running = run(Kademlia::new(node.id(), Vec::new(), Config::default()), &node, "dsys/kad/1").unwrap();
    running.command(Command::Advertise(node.addr().direct().to_vec())).await.unwrap();
    running.command(Command::Bootstrap(first)).await.unwrap();
    (node, running)
}

/// Looks a key up and waits for the end.
async fn find(running: &mut Running<Kademlia>, key: Key) -> Result<Vec<NodeAddr>, FindError> {
    running.command(Command::Find { query: QueryId(1), key, steps: false }).await.unwrap();
    let done = async {
        loop {
            if let Event::Done { found, .. } = running.next_event().await.unwrap() {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done).await.expect("the lookup ends")
}

#[tokio::test]
async fn nodes_on_quic_find_each_other_by_the_addresses_that_travel_with_the_names() {
    let (first, mut on_first) = start(Vec::new()).await;
    let key = Key::from_bytes([7; 32]);
    assert_eq!(find(&mut on_first, key).await, Err(FindError::NoPeers));
    let mut others = Vec::new();
    for _ in 0..11 {
        others.push(start(vec![first.addr()]).await);
    }
    // Each knows only the first one at the start, and dials the rest by what it is told.
    let mut all: Vec<_> = others.iter().map(|(node, _)| node.id()).chain([first.id()]).collect();
    all.sort_by_key(|id| Key::of_node(*id).xor(key));
    let (last, mut on_last) = others.pop().unwrap();
    all.retain(|id| *id != last.id());
    let mut found = Vec::new();
    for _ in 0..100 {
        found = find(&mut on_last, key).await.unwrap_or_default();
        if found.len() == all.len() {
            break;
        }
        // Some are still joining.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found.iter().map(|node| node.id).collect::<Vec<_>>(), all);
    assert!(found.iter().all(|node| !node.direct().is_empty() || node.id == first.id()));

    // One that is gone is noticed, and the others are found all the same.
    let (gone, _running) = others.pop().unwrap();
    gone.shutdown(Duration::from_secs(5)).await;
    all.retain(|id| *id != gone.id());
    let found = find(&mut on_last, key).await.unwrap();
    assert_eq!(found.iter().map(|node| node.id).collect::<Vec<_>>(), all);
}
