#![doc = include_str!("../README.md")]

mod change;
mod churn;
mod clock;
mod config;
mod disk;
mod event;
mod faults;
mod ids;
mod latency;
mod links;
mod math;
pub mod measure;

mod network;
mod node;
#[cfg(feature = "plot")]
pub mod plot;
mod slab;
mod stats;

pub mod swarm;
pub mod trace;
mod wheel;

pub use change::{Change, Crash};
pub use churn::Churn;
pub use clock::Clock;
pub use config::{Config, Connections, Notice};
pub use faults::{CutId, Faults};
pub use ids::generated_id;
pub use latency::Latency;
pub use network::{AddError, Emitted, Letter, Network};
pub use stats::{Counters, Stats};
