//! What operations tell when they end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{Invalid, Record};
use super::value::TooLong;
use crate::Key;

/// What it cost to store a record, and how far it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReport {
    /// So many of the responsible nodes say that they keep it.
    pub stored_on: usize,
    /// So many responsible nodes were found.
    pub of: usize,
    /// Requests sent, for finding and for storing.
    pub queried: u32,
    /// Requests that failed: no answer in time, or no connection.
    pub timeouts: u32,
    /// How many nodes led to the nearest of them, that one included.
    pub hops: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// What it cost to store many records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Records that were to be stored.
    pub records: usize,
    /// Of these, so many do not hold, or are not newer than what is kept here.
    pub refused: usize,
    /// Of so many somebody has shown a newer version, which is kept here now instead of ours.
    pub overtaken: usize,
    /// The record of which the fewest nodes say that they keep it is kept by so many.
    pub fewest: usize,
    /// Copies of all of them that nodes say they keep, and copies that were sent.
    pub stored: u64,
    /// See `stored`.
    pub stores: u64,
    /// Searches for responsible nodes, and requests sent in them.
    pub searches: u32,
    /// See `searches`.
    pub queried: u32,
    /// Requests of either sort that failed: no answer in time, or no connection.
    pub timeouts: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a record was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// No other node is known, so nobody was asked. The record is kept here, and goes out once others are known.
    #[error("no other node is known, so the record is kept here alone until there are others")]
    NoPeers,
    /// Nobody answered, or nobody has room. The record is kept here, and is tried again.
    #[error(
        "none of {queried} requests stored the record ({timeouts} failed); it is kept here and tried again"
    )]
    NobodyStored {
        /// Requests sent.
        queried: u32,
        /// Of these, failed.
        timeouts: u32,
    },
    /// A newer version is published. Nodes that had not heard of it may keep ours until they do.
    #[error("version {seq} is published already, ours is not newer; resolve it, merge, publish a higher one")]
    Conflict {
        /// Its sequence number; 0 of kinds without one.
        seq: u64,
    },
    /// It does not hold. Nothing was done.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// This node has no room for a record of its own. Nothing was done.
    #[error("this node's own store is full; raise Config::max_bytes or unpublish something")]
    Full,
    /// `Config::max_operations` run already. Nothing was done.
    #[error("too many operations run at once; wait for one of them to end")]
    Busy,
    /// More bytes than fit into a record. Nothing was done.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A provider record names the node, so the node must sign it. Nothing was done.
    #[error("a provider record must be signed by the node, whose transport has no key to sign with")]
    NoSigner,
    /// The DHT has ended; if that was meanwhile, some nodes may keep the record.
    #[error("the DHT has ended, because its node was shut down or its store failed; Dht::ended says which")]
    Ended,
}

/// What was found, and what that cost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Got {
    /// The record that counts; of providers, the first that was found.
    pub record: Record,
    /// So many nodes had this version.
    pub agreed: usize,
    /// Requests sent.
    pub queried: u32,
    /// Requests that failed.
    pub timeouts: u32,
    /// How many nodes led to the one that had it; 0 if that was ourselves.
    pub hops: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// What was found of many records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GotMany {
    /// The records that were found.
    pub found: BTreeMap<Key, Record>,
    /// Keys of which the nodes that were asked have nothing; a get by itself asks more of them.
    pub missing: Vec<Key>,
    /// What it cost.
    pub report: BulkReport,
}

/// What it cost to find many records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkReport {
    /// Searches for responsible nodes.
    pub searches: u32,
    /// Requests sent, in searches and for records.
    pub queried: u32,
    /// Requests that failed: no answer in time, or no connection.
    pub timeouts: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why nothing was found. No state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// No other node is known, so nobody was asked. Not the same as "nobody has it".
    #[error("no other node is known, so nobody was asked; give a node to begin with")]
    NoPeers,
    /// Nodes are known, and none of them answered.
    #[error("none of {queried} nodes answered; see whether we are connected")]
    NobodyAnswered {
        /// Requests sent.
        queried: u32,
    },
    /// Those who would have it do not.
    #[error("none of the nodes responsible for it has it ({queried} asked, {timeouts} did not answer)")]
    NotFound {
        /// Requests sent.
        queried: u32,
        /// Of these, failed.
        timeouts: u32,
    },
    /// `Config::max_operations` run already.
    #[error("too many operations run at once; wait for one of them to end")]
    Busy,
    /// A salt that no record can have.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The DHT has ended.
    #[error("the DHT has ended, because its node was shut down or its store failed; Dht::ended says which")]
    Ended,
}

/// How a leave went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaveReport {
    /// So many of our records are on another node by its own word.
    pub handed: usize,
    /// So many were to be handed over.
    pub of: usize,
}

/// What a peer did that an honest one never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// It sent a record that is not signed by whose it is.
    #[error("it sent a record with a forged signature")]
    Forged,
    /// It answered with a record that lies elsewhere, or showed an older one as the newer.
    #[error("it sent another record than it was asked for")]
    WrongRecord,
}
