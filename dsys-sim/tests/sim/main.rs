//! Every fault model, shown to do something and nothing else.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)] // clippy.toml's leave is for test functions, not their helpers

mod bounds;
mod chatter;
mod connections;
mod determinism;
mod faults;
mod life;
mod probe;
mod storage;
mod swarm;
