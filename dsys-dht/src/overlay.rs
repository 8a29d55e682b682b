//! What every overlay does, whatever its geometry: find the nodes that are responsible for a key.

use std::time::Duration;

use dsys_core::{Machine, NodeAddr, NodeId, Rng, Time};

use crate::{Distance, Key};

/// An overlay: a [`Machine`] that knows how to find the nodes responsible for a key, and nothing about what they
/// keep.
///
/// That it is a machine with these commands and events is the whole seam. So it runs alone in the simulator and under
/// the model checker, and what stands above (records, the async handle) drives it without knowing which it is.
pub trait Overlay: Machine<Command = Command, Event = Event> {
    /// This node.
    fn me(&self) -> NodeId;

    /// The nodes nearest to `key` that this node knows, the responsible one first; at most `most`, itself not among
    /// them. No message is sent.
    fn nearest(&self, key: Key, most: usize) -> Vec<NodeAddr>;

    /// How many other nodes this node knows and believes to be there.
    fn known(&self) -> usize;

    /// Whether this node answers others, and is to be known by them.
    fn serves(&self) -> bool;

    /// How many nodes are responsible for a key.
    fn copies(&self) -> usize;

    /// How far a node is from a key: the less, the more it is responsible.
    fn distance(&self, node: NodeId, key: Key) -> Distance;

    /// The distance within which [`copies`](Self::copies) nodes are to be expected, judged by how dense nodes lie around
    /// this one; the largest if fewer are known.
    fn reach(&self) -> Distance;

    /// Keys to search in order to meet all nodes within [`reach`](Self::reach) of `key`, even if others have chosen ids
    /// much nearer to it. None where ids cannot be chosen.
    fn around(&self, key: Key, rng: &mut Rng) -> Vec<Key>;

    /// Whether the nodes that were found responsible for `key` are so for `other` too, near enough that whoever looks for
    /// it meets most of them.
    fn alike(&self, key: Key, found: &[NodeId], other: Key) -> bool;

    /// The nodes that are known, and how long ago each was heard of, for a later life.
    fn contacts(&self, now: Time) -> Vec<(NodeAddr, Duration)>;

    /// Takes in what [`contacts`](Self::contacts) gave in an earlier life, before the start.
    fn restore(&mut self, contacts: Vec<(NodeAddr, Duration)>);

    /// The same settings for a node of this name, reached at these addresses, that knows nobody.
    #[must_use]
    fn named(&self, me: NodeAddr) -> Self;

    /// The tag under which nodes with records above this overlay talk to each other.
    const TAG: &'static str;
}

/// What is asked of an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Find the nodes responsible for a key. Answered by one [`Event::Done`] of the same name.
    Find {
        /// The asker's name for it. The name of a search that still runs is refused with [`FindError::NameTaken`].
        query: QueryId,
        /// For which key.
        key: Key,
        /// Whether each step is told as an [`Event::Step`].
        steps: bool,
    },
    /// Forget a search; no further event of it follows. Nothing happens if there is none of this name.
    Cancel(QueryId),
    /// Nodes to begin with when no other is known, and to return to when few are left. Replaces those given before,
    /// and asks them at once.
    Bootstrap(Vec<NodeAddr>),
    /// Somebody else did not get an answer of this node: ask whether it is there, and believe in it less until it answers.
    Check(NodeId),
    /// How others reach this node: from now on it says so, if it serves.
    Advertise(Vec<std::net::SocketAddr>),
    /// Whether it answers others, and wants to be known by them.
    Serve(Mode),
}

/// Whether a node answers others, and wants to be in their tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It finds out whether others can dial it, and serves if they can. Where no address is needed, and among addresses of
    /// this host alone, it serves at once. Only Kademlia finds out; in Chord it is the same as `Server`.
    #[default]
    Auto,
    /// It serves: it is known that it can be dialled.
    Server,
    /// It only asks.
    Client,
}

/// What an overlay tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// One step of a search that was begun with `steps`.
    Step {
        /// Of which search.
        query: QueryId,
        /// With whom.
        peer: NodeId,
        /// What happened.
        step: Step,
    },
    /// A search has ended.
    Done {
        /// Which.
        query: QueryId,
        /// The responsible nodes that answered, the nearest first.
        found: Result<Vec<NodeAddr>, FindError>,
        /// What it cost.
        report: QueryReport,
    },
    /// The first search for our own place has ended and others are known, or somebody else has joined by us: so many
    /// are known.
    Joined(usize),
}

/// The asker's own name for a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// One step of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The peer is asked.
    Asked {
        /// On which of the disjoint paths, from 0.
        path: u8,
        /// So many nodes led to it, itself included.
        hop: u32,
    },
    /// It answered.
    Answered {
        /// So many of the nodes it named were new.
        new: u32,
        /// The time from question to answer.
        after: Duration,
    },
    /// It takes longer than such answers do, and another is asked in its place. Its answer still counts.
    Slow,
    /// It did not answer in time, or its connection failed.
    Failed,
}

/// Why a search found nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// No other node is known, so nobody was asked. Not the same as "nobody has it". No state changed.
    #[error("no other node is known, so nobody was asked; give a node to begin with")]
    NoPeers,
    /// Nodes were known, and none of them answered. They count as doubtful from now on.
    #[error("none of the nodes that were asked answered; see whether we are connected")]
    NobodyAnswered,
    /// As many searches run as the configuration allows. No state changed; try again when one has ended.
    #[error("too many searches run at once; wait for one of them to end")]
    Busy,
    /// A search of this name runs. No state changed; choose another name.
    #[error("a search of this name still runs; choose another name")]
    NameTaken,
    /// The DHT has ended.
    #[error("the DHT has ended, because its node was shut down or its store failed; Dht::ended says which")]
    Ended,
}

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct QueryReport {
    /// Requests sent.
    pub requests: u32,
    /// Answers that came while it ran.
    pub answers: u32,
    /// Requests that failed: no answer in time, or no connection.
    pub failures: u32,
    /// Requests that took so long that another was sent in their place.
    pub hedges: u32,
    /// How many nodes led to the nearest that was found, that one included.
    pub hops: u32,
    /// How long it took.
    pub elapsed: Duration,
}
