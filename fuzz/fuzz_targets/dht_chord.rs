//! What peers send to a node of Chord with records above it.
#![no_main]

#[path = "dht/node.rs"]
mod node;

use dsys_dht::chord::{Chord, Config};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let config = Config { successors: 3, max_walks: 4, ..Config::default() };
    let ring: Vec<_> = (1..5).map(|number| node::id(number).into()).collect();
    let chord = Chord::new(node::id(0), Vec::new(), config).on_ring(0, ring.last().cloned(), &ring, &ring);
    node::course(chord, bytes, |chord: &Chord| {
        assert!(chord.successors().count() <= 3);
        assert!(chord.successors().all(|next| next != node::id(0)));
    });
});
