//! Documents in step: in the simulator under all faults, with hostile peers, and between real nodes.
// clippy.toml's leave is for test functions; and these wait for real nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::disallowed_types, clippy::disallowed_methods)]

mod converging;
#[path = "../../src/tests/data.rs"]
mod data;
mod hostile;
mod measure;
mod network;
mod partition;
mod preview;
mod replica;
mod traces;
mod trimmed;
mod wire;
