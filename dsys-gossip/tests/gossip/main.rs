//! The protocols of the crate in the simulator.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)] // clippy.toml's leave is for test functions

mod flood;
mod nearer;
mod overlay;
mod partial;
mod plumtree;
mod rumor_rules;
mod rumor_tables;
mod topic;
mod wire;
