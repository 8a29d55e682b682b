//! What a simulation is made of, and its bounds.

use std::time::Duration;

use crate::{Faults, Latency};

/// What a simulation is made of. Every bound is counted in [`Stats`](crate::Stats) when it is hit.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one seed from which all randomness comes.
    pub seed: u64,
    /// How long messages take.
    pub latency: Latency,
    /// What happens to them on the way, at first.
    pub faults: Faults,
    /// Whether there are connections.
    pub connections: Connections,
    /// How long a write takes until it is durable.
    pub disk_latency: Duration,
    /// Whether a crash may cut a record in two, as a power failure does.
    pub torn_records: bool,
    /// Whether events enter the trace hash; costs about 3 ns each.
    pub hash_trace: bool,
    /// At most this many nodes, those that left included.
    pub max_nodes: u32,
    /// At most this many messages and timers on their way; further ones are dropped.
    pub max_queued: usize,
    /// At most this many emitted events kept for [`take_events`](crate::Network::take_events); further ones are
    /// dropped, and an observer sees them all the same.
    pub max_kept_events: usize,
    /// At most this many messages of one node wait for one dial; further ones are dropped.
    pub max_waiting: usize,
    /// At most this many effects of one node wait for a write; further ones are dropped.
    pub max_held_effects: usize,
    /// At most this many bytes on one node's disk; further appends are not kept and never acknowledged.
    pub max_disk: usize,
    /// The simulation does not run past this time.
    pub max_time: Duration,
}

/// Whether there are connections, and what nodes learn about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connections {
    /// None: messages go straight to the other node, machines get no `PeerUp` or `PeerDown`, and nothing is kept per
    /// link. A message to a node that is not there is lost in silence. Fast and small.
    None,
    /// The first message to a peer dials it, and waits; a round trip later both sides have `PeerUp`. [`Faults`] meet
    /// the messages on a connection, not its making and its end; cuts meet all.
    Tracked {
        /// After this long without an answer a dial has failed (`PeerDown`), and a connection whose peer went silent
        /// or was cut off is gone. `None`: nothing is ever heard.
        timeout: Option<Duration>,
        /// What a node that is not there does with a dial.
        absent: Notice,
    },
}

impl Connections {
    /// Tracked, with a timeout of ten seconds; absent nodes refuse.
    pub const TRACKED: Connections =
        Connections::Tracked { timeout: Some(Duration::from_secs(10)), absent: Notice::Refused };
}

/// How peers find out that a node is not there. Matters in [`Connections::Tracked`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The host answers for it: a dial fails after a round trip, connections are reset after one latency. The
    /// process died, the machine lives.
    Refused,
    /// Nothing answers: peers notice by the timeout. The power failed.
    Silent,
}

impl Config {
    /// The defaults with this seed.
    pub fn new(seed: u64) -> Self {
        Config { seed, ..Self::default() }
    }
}

impl Default for Config {
    /// Latency uniform in 10 to 100 ms, no faults, connections tracked, 5 ms to make a write durable, torn records,
    /// bounds that a workstation holds.
    fn default() -> Self {
        Config {
            seed: 0,
            latency: Latency::default(),
            faults: Faults::NONE,
            connections: Connections::TRACKED,
            disk_latency: Duration::from_millis(5),
            torn_records: true,
            hash_trace: true,
            max_nodes: 1 << 24,
            max_queued: 1 << 26,
            max_kept_events: 1 << 22,
            max_waiting: 1_024,
            max_held_effects: 65_536,
            max_disk: 1 << 28,
            max_time: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}
