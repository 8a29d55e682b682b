#![doc = include_str!("../README.md")]

mod agent;
#[cfg(feature = "keys")]
pub mod change;
#[cfg(feature = "keys")]
pub mod doc;
mod encoding;
mod history;
pub mod laws;
mod order;
mod rope;
mod text;
pub mod types;
mod walk;

pub use agent::{Agent, AgentError, VersionVector};
pub use encoding::DecodeError;
pub use text::{EditError, Text};

#[cfg(test)]
mod tests;
