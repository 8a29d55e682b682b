//! Counters.

mod bounded;
mod causal;
mod grow;
mod pn;

pub use bounded::{BoundedCounter, BoundedOp, RightsError};
pub use causal::CausalCounter;
pub use grow::{GCounter, Total};
pub use pn::{PnCounter, Totals};
