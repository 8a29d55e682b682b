//! Documents in step: in the simulator under all faults, with hostile peers, and between real nodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // clippy.toml's leave is for test functions

mod converging;
#[path = "../../src/tests/data.rs"]
mod data;
mod hostile;
mod network;
mod replica;
mod traces;
mod wire;
