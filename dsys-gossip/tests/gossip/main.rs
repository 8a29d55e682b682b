//! The protocols of the crate in the simulator.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)] // clippy.toml's leave is for test functions

#[cfg(feature = "keys")]
mod agent;
mod certificate;
mod demers;
mod detector;
#[cfg(feature = "keys")]
mod envelope;
mod flood;
mod full;
mod nearer;
mod overlay;
mod partial;
#[cfg(feature = "keys")]
mod path;
mod plumtree;
mod reconcile;
#[cfg(feature = "keys")]
mod router;
mod rumor_rules;
mod rumor_tables;
mod scuttlebutt;
mod topic;
mod wire;
