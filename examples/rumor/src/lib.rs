#![doc = include_str!("../README.md")]

mod config;
mod machine;
mod message;

pub use config::Config;
pub use machine::{Command, Event, Rumor, Stats, Timer};
pub use message::{Message, RumorId};
