//! The same work done by dsys and by its peers, side by side, in one run. See the README.

pub mod harness;
pub mod transport;
