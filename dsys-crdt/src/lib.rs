#![doc = include_str!("../README.md")]

mod agent;
#[cfg(feature = "keys")]
pub mod blob;
#[cfg(feature = "keys")]
pub mod change;
// Trees have numbers alone; bodies of changes have the rest.
#[cfg_attr(not(feature = "keys"), allow(dead_code))]
mod column;
#[cfg(feature = "keys")]
pub mod doc;
mod edit;
mod encoding;
mod history;
pub mod laws;
mod list;
mod order;
mod places;
mod presence;
#[cfg(feature = "store")]
pub mod repo;
mod rich;
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
pub use list::{Element, ElementId, List, ListEdit, ListUndo};
pub use places::{Anchor, Places};
pub use presence::{Presence, PresenceConfig, Present, Selection};
pub use rich::{Expand, MarkError, MarkLimits, RichEdits, RichText, RichUndo, RichVersion, Span};
pub use text::{EditError, Text};
pub use undo::Undo;
pub use versions::VersionError;

#[cfg(test)]
mod tests;
