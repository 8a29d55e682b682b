//! Which detector, and bounds.

use std::sync::Arc;
use std::time::Duration;

use crate::detector::PhiConfig;
use crate::membership::full;

/// How deaths are found out.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Detection {
    /// By the transport, and by each topic's own probes.
    #[default]
    Connections,
    /// By heartbeats between neighbours.
    Heartbeats {
        /// How often one is sent.
        every: Duration,
        /// From when on one that does not come means death.
        judge: Judge,
    },
    /// By SWIM, among all nodes that detect so and hear of each other: the contacts of topics are its contacts too.
    Swim(Arc<full::Config>),
}

/// How heartbeats are judged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Judge {
    /// A node that was not heard for so long is dead.
    Deadline(Duration),
    /// A node is dead when a heartbeat so late is less likely than 10^-[threshold](PhiConfig::threshold).
    Phi(PhiConfig),
}

/// The detector, and bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which detector.
    pub detection: Detection,
    /// At most so many neighbours get heartbeats and are judged; further ones are left to the topics' own probes.
    pub max_watched: usize,
}

impl Default for Config {
    /// No detector; 1,024 neighbours.
    fn default() -> Self {
        Config { detection: Detection::default(), max_watched: 1_024 }
    }
}
