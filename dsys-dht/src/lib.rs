#![doc = include_str!("../README.md")]

mod bounded;
pub mod kademlia;
mod key;
mod overlay;
pub mod records;

pub use bounded::Bounded;
pub use kademlia::Kademlia;
pub use key::{Distance, Key};
pub use overlay::{Command, Event, FindError, Overlay, QueryId, QueryReport, Step};
