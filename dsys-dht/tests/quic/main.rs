//! The same machines on real connections.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod handle;
mod idle;
mod overlay;
mod stores;
