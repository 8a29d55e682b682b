#![doc = include_str!("../README.md")]

mod compose;
mod estimate;
pub mod flood;
mod id;
mod kept;
pub mod membership;
mod peers;
pub mod plumtree;
pub mod rumor;
mod seen;
pub mod topic;

pub use id::MessageId;
