//! One topic: a broadcast tree over a membership of its own, partial or, in a small topic, full, as one machine.
//!
//! ```text
//!            Command::Join, Leave        Command::Broadcast        Event::Delivered
//!                      |                          |                        ^
//!   PeerDown -> membership::partial -- Up, Down -> plumtree ----------------+
//! ```
//!
//! The membership alone hears of connections; the tree hears of neighbours, as its `PeerUp` and `PeerDown`. Another
//! broadcast or another membership takes the same place without either noticing.

mod everybody;
mod machine;
mod message;

pub use machine::{Command, Config, Event, Timer, Topic};
pub use message::Message;
