//! All that a node does: its topics, and the links that they share.
//!
//! ```text
//!     Command::Links           Command::Router       Event::Router
//!           |                         |                    ^
//!       links::Links  -- Down --> router::Router ----------+
//!           |         <-- Watch --    |
//!        Message::Link          Message::Topic
//! ```
//!
//! A link that is found dead is a connection that ended, as far as the router is concerned: it gets
//! [`PeerDown`](dsys_core::Input::PeerDown), and each topic looks for another neighbour at once. Whom a topic takes as a
//! neighbour the links watch.

mod machine;
mod message;

pub use machine::{Agent, Command, Event, Timer};
pub use message::Message;
