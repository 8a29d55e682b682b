//! Who else is there.

pub mod partial;
