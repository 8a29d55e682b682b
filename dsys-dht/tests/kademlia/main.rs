//! Kademlia in the simulator: somebody else's figures first, then networks that are small, broken or hostile.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod dead;
mod hostile;
mod join;
mod liars;
mod lookup;
mod prefixes;
mod reach;
mod round_trips;
mod swarm;
mod wire;
mod world;

#[path = "../common/places.rs"]
mod places;
