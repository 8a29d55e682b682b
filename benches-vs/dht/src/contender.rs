//! What the course needs to know of a DHT.

use std::future::Future;

/// A DHT of which 50 nodes run in this process, each with a socket of its own.
pub trait Contender: Send + Sync + 'static {
    /// Name and version.
    const NAME: &'static str;
    /// A node.
    type Node: Send + Sync;

    /// Starts a node that begins with this one. It joins by itself; nobody waits for it here.
    fn start(first: Option<&Self::Node>) -> impl Future<Output = Self::Node> + Send;
    /// Its place in the contender's own space.
    fn place(node: &Self::Node) -> Vec<u8>;
    /// Where a key lies in that space.
    fn place_of(key: [u8; 32]) -> Vec<u8>;
    /// The nodes nearest to a key by a full lookup, as their places.
    fn lookup(node: &Self::Node, key: [u8; 32]) -> impl Future<Output = Looked> + Send;
    /// Stores a value under its hash and waits until all who should keep it have said something.
    fn put(node: &Self::Node, value: Vec<u8>) -> impl Future<Output = Stored> + Send;
    /// Gets it back, until the first copy is there.
    fn get(node: &Self::Node, key: [u8; 32]) -> impl Future<Output = Fetched> + Send;
}

/// What a lookup found, and requests sent.
pub struct Looked {
    pub places: Vec<Vec<u8>>,
    pub requests: u32,
}

/// Where it lies, how many keep it if that is known, and requests sent.
pub struct Stored {
    pub key: [u8; 32],
    pub copies: Option<usize>,
    pub requests: u32,
}

/// Whether the value came back, and whether the asker had it itself.
pub struct Fetched {
    pub value: Option<Vec<u8>>,
    pub local: bool,
}
