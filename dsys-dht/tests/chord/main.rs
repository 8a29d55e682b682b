//! Chord: every key's owner is found, and Zave's invariant holds after every step.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod explore;
mod hostile;
mod invariant;
mod lookup;
mod records;
mod wire;
mod world;
