#![doc = include_str!("../README.md")]

mod id;
mod peers;
pub mod rumor;
mod seen;

pub use id::MessageId;
