//! Who takes part: views of all that each node keeps for itself.

pub mod full;
pub mod partial;
