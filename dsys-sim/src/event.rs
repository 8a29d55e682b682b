//! What lies in the queue.

use dsys_core::{Machine, NodeAddr, NodeId};

use crate::change::Change;

/// The body of a queued event; its time and its node lie in the wheel.
pub(crate) enum Body<M: Machine> {
    Message { from: u32, link: u32, message: M::Message },
    Timer { timer: M::Timer, generation: u32 },
    Start { life: u32 },
    Command(Box<M::Command>),
    Control(Control),
}

/// The link of a message that needs no connection.
pub(crate) const NO_LINK: u32 = 0;
/// The node of an event that concerns none.
pub(crate) const NO_NODE: u32 = u32::MAX;

/// Everything that is not handed to a machine as it is.
pub(crate) enum Control {
    /// A dial arrives.
    Dial { from: u32, link: u32, begun: u64 },
    /// The answer to a dial arrives.
    Accepted { peer: u32, link: u32 },
    /// The link is gone: reset, refused or timed out.
    Closed { peer: u32, link: u32 },
    /// Time to notice that nothing passes any more.
    CheckCut { peer: u32, link: u32 },
    /// A dial to a name that nobody has comes to its end.
    NobodyThere { life: u32, id: NodeId },
    /// A probe arrives.
    Probe { from: u32, life: u32, begun: u64, addr: Box<NodeAddr> },
    /// The outcome of a probe arrives, or its time is up.
    Probed { life: u32, addr: Box<NodeAddr>, reached: bool },
    /// A flush is complete.
    Flushed { life: u32 },
    /// A cut ends.
    Healed(crate::CutId),
    /// Somebody planned this.
    Change(Box<Change>),
}
