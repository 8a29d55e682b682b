#![doc = include_str!("../README.md")]

pub mod args;
mod fetch;
mod five;
mod machines;
pub mod manifest;
mod node;
mod notes;
mod output;
mod picker;
mod progress;
mod report;
mod run;
pub mod scan;
mod serve;
mod status;
pub mod store;
mod wire;

pub use five::spread;
pub use node::{Participant, Role, StartError};
pub use notes::NotesError;
pub use run::{Failure, run};
pub use status::{Phase, Status};
