//! What the nodes of a tour tell each other.

use dsys_core::NodeAddr;
use serde::{Deserialize, Serialize};

use crate::manifest::Hash;

/// The rumour machine's messages: who shares what, and who else has it.
pub(crate) const RUMOR: &str = "tour/rumor/1";
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

/// A rumour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// There is a folder to be had.
    Folder {
        /// The hash of its manifest.
        root: Hash,
    },
    /// This node has chunks of it, or will have soon. Nobody has proven that it is so; whoever dials will see.
    Serves {
        /// Of which folder.
        root: Hash,
        /// Who, and where.
        addr: NodeAddr,
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
