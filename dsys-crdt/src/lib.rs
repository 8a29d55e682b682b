#![doc = include_str!("../README.md")]

mod agent;
mod encoding;
mod history;
mod order;
mod rope;
mod text;
mod walk;

pub use agent::{Agent, AgentError, VersionVector};
pub use encoding::DecodeError;
pub use history::Limits;
pub use text::{EditError, Text};

#[cfg(test)]
mod tests;
