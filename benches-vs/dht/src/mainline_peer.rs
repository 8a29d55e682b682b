//! mainline, in server mode.

use mainline::async_dht::AsyncDht;
use mainline::{Dht, Id};

use crate::contender::{Contender, Fetched, Looked, Stored};
use crate::counting;

pub struct Mainline;

pub struct Peer {
    dht: AsyncDht,
    addr: String,
    id: Id,
}

/// Its keys have 20 bytes.
fn id(key: [u8; 32]) -> Id {
    Id::from_bytes(&key[..20]).expect("20 bytes")
}

impl Contender for Mainline {
    const NAME: &'static str = "mainline 8.0.1";
    type Node = Peer;

    async fn start(first: Option<&Peer>) -> Peer {
        let mut builder = Dht::builder();
        builder.server_mode().bind_address(std::net::Ipv4Addr::LOCALHOST);
        match first {
            Some(first) => builder.bootstrap(std::slice::from_ref(&first.addr)),
            None => builder.no_bootstrap(),
        };
        let dht = builder.build().expect("a free port").as_async();
        let info = dht.info().await;
        Peer { addr: info.local_addr().to_string(), id: *info.id(), dht }
    }

    fn place(peer: &Peer) -> Vec<u8> {
        peer.id.as_bytes().to_vec()
    }

    fn place_of(key: [u8; 32]) -> Vec<u8> {
        key[..20].to_vec()
    }

    async fn lookup(peer: &Peer, key: [u8; 32]) -> Looked {
        let before = counting::requests();
        let nodes = peer.dht.find_node(id(key)).await;
        let places = nodes.iter().map(|node| node.id().as_bytes().to_vec()).collect();
        Looked { places, requests: counting::requests() - before }
    }

    async fn put(peer: &Peer, value: Vec<u8>) -> Stored {
        let before = counting::requests();
        let stored = peer.dht.put_immutable(&value).await.expect("it is stored");
        let mut key = [0; 32];
        key[..20].copy_from_slice(stored.as_bytes());
        Stored { key, copies: None, requests: counting::requests() - before }
    }

    async fn get(peer: &Peer, key: [u8; 32]) -> Fetched {
        let value = peer.dht.get_immutable(id(key)).await;
        Fetched { value: value.map(|value| value.into_vec()), local: false }
    }
}
