//! What the nodes of a tour tell each other.

use dsys_crdt::repo::Link;
use serde::{Deserialize, Serialize};

use crate::manifest::Hash;

/// The topic in which folders are told of.
pub(crate) const TOPIC: &str = "tour.folders";
/// A request with a root; the response is the manifest.
pub(crate) const MANIFEST: &str = "tour/manifest/1";
/// A stream on which a root goes out and frames of [`Runs`] come back, as the peer's copy grows.
pub(crate) const HAVE: &str = "tour/have/1";
/// A request with a [`ChunkRequest`]; the response is the chunk.
pub(crate) const CHUNK: &str = "tour/chunk/1";

/// What is asked for is not here.
pub(crate) const NOT_HERE: u32 = dsys_transport::code::PROTOCOL;
/// The file was changed or cannot be read any more.
pub(crate) const CHANGED: u32 = dsys_transport::code::PROTOCOL + 1;

/// At most so many runs in one frame.
pub(crate) const MAX_RUNS: usize = 1_024;
/// No frame of runs is longer: two numbers of at most five bytes each, and their count.
pub(crate) const MAX_RUNS_FRAME: usize = MAX_RUNS * 10 + 5;

/// A piece of news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// There is a folder to be had. Who has it, the DHT knows: the root is the key.
    Folder {
        /// The hash of its manifest.
        root: Hash,
        /// The note to which all add who have it.
        notes: Link,
    },
}

/// Chunks that have come: first and count.
pub(crate) type Runs = Vec<(u32, u32)>;

/// Asks for one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkRequest {
    /// Of which folder.
    pub(crate) root: Hash,
    /// Which.
    pub(crate) index: u32,
}
