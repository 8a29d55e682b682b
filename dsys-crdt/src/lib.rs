#![doc = include_str!("../README.md")]

mod agent;
#[cfg(feature = "keys")]
pub mod change;
#[cfg(feature = "keys")]
pub mod doc;
mod edit;
mod encoding;
mod history;
pub mod laws;
mod order;
mod places;
#[cfg(feature = "store")]
pub mod repo;
mod rope;
#[cfg(feature = "store")]
pub mod schema;
#[cfg(feature = "sync")]
pub mod sync;
mod text;
pub mod types;
mod undo;
mod versions;
mod walk;

pub use agent::{Agent, AgentError, VersionVector};
pub use edit::{Edit, Side, Units};
pub use encoding::DecodeError;
pub use history::Limits;
pub use places::{Anchor, Places};
pub use text::{EditError, Text};
pub use undo::Undo;
pub use versions::VersionError;

#[cfg(test)]
mod tests;
