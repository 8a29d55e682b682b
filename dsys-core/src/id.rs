//! The name of a node: its public key.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::zbase32;

/// The name of a node: its Ed25519 public key, 32 bytes.
///
/// As a value it is only a name. Any 32 bytes may be one, so that the simulator and a model checker can make as many
/// as they like, and a decoder takes what a peer claims. What makes a name true is a check against the key: the
/// transport's handshake, or [`verify`](NodeId::verify). A name that a person typed is parsed with `FromStr`
/// (feature `keys`), which refuses what could never be a sound key.
///
/// The text is z-base-32, 52 characters. On the wire (postcard) it is the 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// The name with these bytes, unchecked.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        NodeId(bytes)
    }

    /// The 32 bytes of the public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A name for tests, simulations and models: `number` big-endian in the last eight bytes, so names sort as
    /// their numbers do. No key belongs to it.
    pub const fn from_number(number: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        let mut bytes = [0; 32];
        [bytes[24], bytes[25], bytes[26], bytes[27]] = [a, b, c, d];
        [bytes[28], bytes[29], bytes[30], bytes[31]] = [e, f, g, h];
        NodeId(bytes)
    }

    /// The first ten characters of the text: enough to tell nodes apart on a screen, never to trust one.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(10);
        text
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&zbase32::encode(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}
