//! Sets.

mod add_wins;
mod grow;
mod remove_wins;
mod two_phase;

pub use add_wins::AddWinsSet;
pub use grow::GSet;
pub use remove_wins::RemoveWinsSet;
pub use two_phase::{TwoPhaseOp, TwoPhaseSet};
