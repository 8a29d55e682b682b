//! What a store gives back: each change behind two bytes with its length.
#![no_main]

#[path = "dht/node.rs"]
#[allow(dead_code)]
mod node;

use dsys_dht::kademlia::{Config, Kademlia};
use dsys_dht::records::{self, Change, Records, UnixTime};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut left = bytes;
    let mut changes = Vec::new();
    while let [low, high, rest @ ..] = left {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (change, after) = rest.split_at(length);
        left = after;
        changes.push(change);
    }
    let sound = changes.iter().take_while(|change| Change::decode(change).is_some()).count();
    let kademlia = Kademlia::new(node::id(0), Vec::new(), Config::default());
    let machine = Records::new(kademlia, UnixTime(1_800_000_000), records::Config::default());
    match machine.restore(changes.iter().copied()) {
        Ok(_) => assert_eq!(sound, changes.len()),
        Err(damaged) => assert_eq!(damaged.0, sound, "the first that makes no sense is named"),
    }
});
