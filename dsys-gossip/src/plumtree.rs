//! Broadcast trees: Leitão, Pereira, Rodrigues 2007, "Epidemic Broadcast Trees" (Plumtree).
//!
//! The first message floods. A node that gets it a second time tells the sender so, and that link is *lazy* from then
//! on: only names of messages cross it. What stays *eager* is a tree, along which each later message reaches everybody
//! once. The lazy links are the insurance: a name that comes without its message means that the tree is broken, and
//! after a while the node *grafts* the link it heard the name on back into the tree.
//!
//! What is our own:
//!
//! - **How long a while.** The paper's timers are constants. Here each link's round trip is measured, when it comes up and
//!   with every graft, and a node learns how much later than their names messages come. The first graft waits for the
//!   latter, further ones for the round trip of the peer that was asked (mean and four deviations, RFC 6298).
//! - **When a better link replaces a worse one** (§3.8 counts hops). A link wins when its name comes earlier than the
//!   message by more than half its round trip, which is a hop's worth of time, and loses otherwise. It replaces the
//!   parent when it has won [`Config::optimize_after`] more often than it lost, so senders in all corners do not pull
//!   the tree to and fro.

mod config;
mod machine;
mod message;
mod missing;
mod neighbour;

pub use crate::broadcast::{Command, Event};
pub use config::Config;
pub use machine::{Plumtree, Stats, Timer};
pub use message::Message;
