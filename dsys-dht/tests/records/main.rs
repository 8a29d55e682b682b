//! Records above Kademlia, in the simulator.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod churn;
mod hostile;
mod kinds;
mod limits;
mod put_get;
mod restart;
mod swarm;
mod sweep;
mod wire;
mod world;

#[path = "../common/places.rs"]
mod places;
