//! Limits of a node and of a protocol on it.

use std::time::Duration;

/// Limits and timings of a [`Node`](crate::Node).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeConfig {
    /// Connections at once, made and accepted; further ones are refused.
    pub max_connections: usize,
    /// Accepted connections whose HELLO has not yet come; further ones are refused.
    pub max_pending: usize,
    /// A peer's HELLO must come within this, and a stream's tag.
    pub hello_timeout: Duration,
    /// Streams of one peer whose tag has not come whole; further ones are refused as BUSY.
    pub max_untagged: usize,
    /// A connection that carried no stream and no datagram for so long is closed. It is looked at every quarter of
    /// this, so it may live on for up to half as long again.
    pub idle_timeout: Duration,
    /// Peers whose addresses are remembered; the longest unused are forgotten first.
    pub max_known_peers: usize,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            max_connections: 1_024,
            max_pending: 128,
            hello_timeout: Duration::from_secs(5),
            max_untagged: 32,
            idle_timeout: Duration::from_secs(60),
            max_known_peers: 4_096,
        }
    }
}

/// Limits of one protocol on a node. A peer that exceeds them is refused with [`BUSY`](crate::code::BUSY), and the
/// other protocols do not notice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProtocolConfig {
    /// Streams that peers opened and that live, over all peers.
    pub max_streams: usize,
    /// The same, of one peer.
    pub max_streams_per_peer: usize,
    /// Streams of each kind that wait to be accepted.
    pub accept_queue: usize,
    /// Datagrams that wait to be received; further ones are dropped and counted.
    pub datagram_queue: usize,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        ProtocolConfig {
            max_streams: 4_096,
            max_streams_per_peer: 1_024,
            accept_queue: 256,
            datagram_queue: 1_024,
        }
    }
}
