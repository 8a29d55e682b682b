//! Kademlia (Maymounkov and Mazières 2002) as a state machine, with the disjoint paths of S/Kademlia (Baumgart and
//! Mies 2007).
//!
//! [`Kademlia`] is an [`Overlay`](crate::Overlay): it finds the `k` nodes nearest to a key. Its parts:
//!
//! - the routing table: buckets that split where they cover our own place, with spares, and with limits on how many
//!   contacts one network prefix may have;
//! - the lookup: iterative, `alpha` questions at once on each of `paths` disjoint paths, going on with every answer, and
//!   asking another node when one takes longer than answers do;
//! - the calls: questions and answers matched by (peer, number), with time-outs.
//!
//! A node enters the table only after it has answered us: what other nodes tell about it is a hint, and so is a
//! question that it asks.

mod bucket;
mod calls;
mod config;
mod contact;
mod lookup;
mod machine;
mod message;
mod prefix;
mod reach;
mod round_trips;
mod table;
mod upkeep;

pub use config::Config;
pub use machine::{Kademlia, Stats, Timer};
pub use message::{Addresses, Ask, Message, Nodes};
