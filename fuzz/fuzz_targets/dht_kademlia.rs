//! What peers send to a node of Kademlia with records above it.
#![no_main]

#[path = "dht/node.rs"]
mod node;

use dsys_core::NodeId;
use dsys_dht::kademlia::{Config, Kademlia};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let config = Config { k: 4, spares: 2, max_calls: 16, max_lookups: 4, ..Config::default() };
    let kademlia = Kademlia::new(node::id(0), vec![node::id(1).into()], config);
    node::course(kademlia, bytes, |kademlia: &Kademlia| {
        assert!(kademlia.buckets().all(|contacts| contacts <= 4));
        assert!(kademlia.contacts().all(|contact| contact.id != NodeId::from(node::id(0))));
    });
});
