//! Flooding: whoever hears something new tells all its neighbours, except the one it heard it from.
//!
//! The surest and the dearest way: every message crosses every link of the overlay, most of them in both directions.
//! On a connected graph with n nodes and E links that is exactly 2E - n + 1 messages: the origin sends one to each
//! neighbour, every other node to all but one. It needs no state besides the names of messages seen, and is what the
//! others are measured against.

mod config;
mod machine;
mod message;

pub use crate::broadcast::{Command, Event};
pub use config::Config;
pub use machine::{Flood, Stats, Timer};
pub use message::Message;
