#![doc = include_str!("../README.md")]

mod estimate;
pub mod flood;
mod id;
mod kept;
mod peers;
pub mod plumtree;
pub mod rumor;
mod seen;

pub use id::MessageId;
