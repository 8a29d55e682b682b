//! What can go wrong.

use dsys_transport::ProtocolError;

use crate::envelope::BadTopicName;
use crate::store::{DamagedRecord, StoreError};

/// Why gossip was not started. Nothing was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The node has no key to sign with: see [`Node::signer`](dsys_transport::Node::signer).
    #[error("the node's transport has no key to sign with: gossip needs one that has, such as QUIC")]
    NoSigner,
    /// The node speaks gossip already, or has no randomness.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store has is no log of messages.
    #[error(transparent)]
    Damaged(#[from] DamagedRecord),
}

/// Why a topic was not joined. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// That is no topic's name.
    #[error(transparent)]
    Name(#[from] BadTopicName),
    /// So many topics are joined as the configuration allows.
    #[error("{0} topics are joined already, the most that are allowed: leave one, or raise max_topics")]
    TooMany(usize),
    /// The node has shut down.
    #[error("the node has shut down")]
    Ended,
}

/// Why a message was not deleted. Nobody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// Another has written it.
    #[error("only its origin can delete a message, and this is another's")]
    NotOurs,
    /// The node has shut down.
    #[error("the node has shut down")]
    Ended,
}

/// Why others were not told of us. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// It takes more bytes than the configuration allows.
    #[error("metadata of {size} bytes is too large: at most {most} are allowed")]
    TooLarge {
        /// The bytes of keys and values, and two more for each entry.
        size: usize,
        /// The most.
        most: usize,
    },
    /// Nobody keeps members.
    #[error(
        "there are no members without SWIM: set it by `Builder::detection`, or join the topic by `join_full`"
    )]
    NoMembers,
    /// The node has shut down.
    #[error("the node has shut down")]
    Ended,
}

/// Why a message was not published. Nobody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It is longer than the configuration allows.
    #[error("a message of {size} bytes is too large: at most {most} are allowed")]
    TooLarge {
        /// Its length.
        size: usize,
        /// The longest, in bytes.
        most: usize,
    },
    /// The node has shut down.
    #[error("the node has shut down")]
    Ended,
}
