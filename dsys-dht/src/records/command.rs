//! What the app asks of the machine, and what it is told.

use dsys_core::{NodeAddr, NodeId};

use super::clock::UnixTime;
use super::machine::Stats;
use super::record::{Kind, Record, RecordId};
use super::report::{GetError, Got, GotMany, LeaveReport, PeerError, PutError, PutReport, SweepReport};
use crate::Key;
use crate::overlay::{self, FindError, QueryId, QueryReport, Step};

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// For the overlay: `Bootstrap`, `Advertise`. Its searches are named here, not there: see [`Command::Find`].
    Overlay(overlay::Command),
    /// What the wall clock shows. To be told at the start and whenever it may have been set.
    Clock(UnixTime),
    /// Store a record on the nodes responsible for it, and again until it expires. Answered by [`Event::Put`].
    Put {
        /// The app's name for it, as for all operations: of two that run at once, not the same.
        op: QueryId,
        /// What.
        record: Record,
        /// Only if nobody has a higher sequence number than this (compare and swap).
        after: Option<u64>,
        /// Whether each step is told.
        steps: bool,
    },
    /// Store many records, each as [`Command::Put`] does, with one search for each region of the space. Answered by
    /// [`Event::Swept`].
    Sweep {
        /// The app's name for it.
        op: QueryId,
        /// What.
        records: Vec<Record>,
    },
    /// Find a record. Answered by some [`Event::Found`] and one [`Event::Got`].
    Get {
        /// The app's name for it.
        op: QueryId,
        /// Under which key.
        key: Key,
        /// What kind.
        kind: Kind,
        /// Ends when so many nodes agree on the newest version; of providers, when so many are found. At least 1.
        /// When fewer have it, the search ends when all responsible nodes have been asked.
        enough: usize,
        /// Whether each step is told.
        steps: bool,
    },
    /// Find many immutable records, with one search for each region of the space. Answered by [`Event::Bulk`].
    Bulk {
        /// The app's name for it.
        op: QueryId,
        /// Under which keys.
        keys: Vec<Key>,
    },
    /// Find the nodes responsible for a key, or the addresses of a node. Answered by [`Event::Peers`].
    Find {
        /// The app's name for it.
        op: QueryId,
        /// The key, or the node's place.
        key: Key,
        /// Whether each step is told.
        steps: bool,
    },
    /// Forget an operation; no further event of it follows.
    Cancel(QueryId),
    /// Publish this one no more. Copies elsewhere live until they expire.
    Unpublish(RecordId),
    /// Hand all records over to the nodes that are responsible without us. Answered by [`Event::Left`]. From then on
    /// nothing is stored here.
    Leave(QueryId),
    /// Tell [`Event::Stats`].
    Stats(QueryId),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Other nodes are known now: so many.
    Joined(usize),
    /// One step of an operation that was begun with `steps`.
    Step {
        /// Of which operation.
        op: QueryId,
        /// With whom.
        peer: NodeId,
        /// What happened.
        step: Step,
    },
    /// A get has found this: a newer version than before, or one more provider.
    Found {
        /// Which get.
        op: QueryId,
        /// What.
        record: Record,
    },
    /// A put has ended.
    Put {
        /// Which.
        op: QueryId,
        /// How.
        result: Result<PutReport, PutError>,
    },
    /// A sweep has ended.
    Swept {
        /// Which.
        op: QueryId,
        /// How.
        result: Result<SweepReport, PutError>,
    },
    /// A get has ended.
    Got {
        /// Which.
        op: QueryId,
        /// What was found.
        result: Result<Got, GetError>,
    },
    /// A bulk get has ended.
    Bulk {
        /// Which.
        op: QueryId,
        /// What was found.
        result: Result<GotMany, GetError>,
    },
    /// A find has ended.
    Peers {
        /// Which.
        op: QueryId,
        /// The responsible nodes that answered, the nearest first.
        found: Result<Vec<NodeAddr>, FindError>,
        /// What it cost.
        report: QueryReport,
    },
    /// All was handed over, as far as others took it.
    Left(QueryId, LeaveReport),
    /// A record of ours has lived for more than half of its time, and only a new signature can prolong it.
    Renew(RecordId),
    /// A peer broke the rules, and its connection was closed.
    Violation(NodeId, PeerError),
    /// What was counted.
    Stats(QueryId, Box<Stats>),
}
