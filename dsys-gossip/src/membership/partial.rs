//! Partial views: Leitão, Pereira, Rodrigues 2007, "HyParView: a membership protocol for reliable gossip-based
//! broadcast".
//!
//! Every node knows a few neighbours, its *active view*: links that both sides know, over which broadcasts go. Beside
//! it there is a larger *passive view* of nodes that it could turn to. A node that loses a neighbour asks those of its
//! passive view, and the two views together stay connected when most nodes die at once.
//!
//! What is our own:
//!
//! - All free places are filled at once, not one after the other: when most of the passive view is dead too, the time
//!   to find who lives is what a broadcast waits for.
//! - Neighbours are probed when they say nothing, so a neighbour that fell silent is lost after
//!   [`Config::max_silence`], whether or not the transport noticed. A probe of a node that does not count us among its
//!   neighbours is answered so, which ends half-open links.
//! - Neighbours are near, all but a few: [X-BOT](Config::unbiased), as `nearer.rs` says.
//! - Nodes that were refused or are taken by others are not asked again before the next shuffle. A node without
//!   neighbours turns to its contacts again.
//! - Neighbours that were lost are tried again, one with each shuffle, so that the two sides of a partition find each
//!   other when it has healed.

mod config;
mod links;
mod machine;
mod message;
mod nearer;
mod shuffle;
mod views;

pub use config::Config;
pub use machine::{Command, Event, Partial, Stats, Timer};
pub use message::Message;
