//! dsys-dht: Kademlia on QUIC with the settings it comes with.

use dsys_core::{SecretKey, Ticket};
use dsys_dht::{Dht, Key};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};

use crate::contender::{Contender, Fetched, Looked, Stored};

pub struct Ours;

pub struct Peer {
    node: Node,
    dht: Dht,
}

impl Contender for Ours {
    const NAME: &'static str = "dsys-dht";
    type Node = Peer;

    async fn start(first: Option<&Peer>) -> Peer {
        let secret = SecretKey::generate().expect("the system gives random bytes");
        let local = ["127.0.0.1:0".parse().expect("an address")];
        let quic = Quic::bind(&secret, &local, QuicConfig::wan()).expect("a free port");
        let node = Node::new(quic, NodeConfig::default());
        let first: Option<Ticket> = first.map(|first| first.node.ticket());
        let dht = Dht::builder(&node).bootstrap(first).start().await.expect("it starts");
        Peer { node, dht }
    }

    fn place(peer: &Peer) -> Vec<u8> {
        peer.node.id().as_bytes().to_vec()
    }

    fn place_of(key: [u8; 32]) -> Vec<u8> {
        key.to_vec()
    }

    async fn lookup(peer: &Peer, key: [u8; 32]) -> Looked {
        let found = peer.dht.find_nodes(Key::from_bytes(key)).await;
        let Ok(found) = found else { return Looked { places: Vec::new(), requests: 0 } };
        let places = found.nodes.iter().map(|node| node.id.as_bytes().to_vec()).collect();
        Looked { places, requests: found.report.requests }
    }

    async fn put(peer: &Peer, value: Vec<u8>) -> Stored {
        let put = peer.dht.put(value).await.expect("it is stored");
        let (copies, requests) = (Some(put.report.stored_on), put.report.queried);
        Stored { key: *put.key.as_bytes(), copies, requests }
    }

    async fn get(peer: &Peer, key: [u8; 32]) -> Fetched {
        match peer.dht.get(&Key::from_bytes(key)).await {
            Ok(got) => Fetched { local: got.report.queried == 0, value: Some(got.to_vec()) },
            Err(_) => Fetched { value: None, local: false },
        }
    }
}
