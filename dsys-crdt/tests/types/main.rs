//! The basic types: their laws, what they mean, and how they stand a hostile peer.
#![allow(clippy::print_stdout, clippy::disallowed_types, clippy::disallowed_methods)] // it measures, too
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // clippy.toml's leave is for test functions, not their helpers

mod acts;
mod hostile;
mod laws;
mod meaning;
mod planted;
mod simulated;
mod tree;
