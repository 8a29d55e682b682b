//! What may be done to the network, now or at a planned time.

use std::time::Duration;

use dsys_core::NodeId;

use crate::{Clock, Faults, Notice};

/// One thing done to the network from outside. See [`Network::schedule`](crate::Network::schedule).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A node stops at once.
    Crash(NodeId, Crash),
    /// A crashed node starts again, from its disk. Nothing happens if it runs, or left.
    Restart(NodeId),
    /// A node stops for good; its connections are closed.
    Leave(NodeId),
    /// A new node starts, made by the closure of [`Network::set_spawn`](crate::Network::set_spawn).
    Join,
    /// Nothing passes from any of the first nodes to any of the second, for this long. One way: for a partition
    /// schedule the opposite as well.
    Cut {
        /// Whose messages are lost.
        from: Vec<NodeId>,
        /// On their way to whom.
        to: Vec<NodeId>,
        /// For how long.
        lasting: Duration,
    },
    /// From now on these faults, instead of those before.
    Faults(Faults),
    /// From now on the node has this clock.
    Clock(NodeId, Clock),
    /// From now on others can, or cannot, open connections to the node, as behind a NAT. See
    /// [`Network::set_dialable`](crate::Network::set_dialable).
    Dialable(NodeId, bool),
}

/// How a node crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// How its peers find out.
    pub notice: Notice,
    /// Whether its disk survives. What was acknowledged by `Input::Stored` is then there after a restart; of what
    /// was not, a suffix is lost.
    pub keep_disk: bool,
}

impl Crash {
    /// The process dies: peers are told at once, the disk survives.
    pub const PROCESS: Crash = Crash { notice: Notice::Refused, keep_disk: true };
    /// The power fails: peers hear nothing, the disk survives.
    pub const POWER: Crash = Crash { notice: Notice::Silent, keep_disk: true };
    /// The machine burns: peers hear nothing, the disk is gone.
    pub const FIRE: Crash = Crash { notice: Notice::Silent, keep_disk: false };
}
