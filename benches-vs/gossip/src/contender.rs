//! What the driver needs to know of a protocol.

use dsys_core::{Machine, NodeId};

/// A broadcast among many nodes, as a machine. Both run in the same simulator, with the same seeds.
pub trait Contender: 'static {
    type Node: Machine<Message: Clone>;

    /// A node that knows nobody.
    fn node(id: NodeId, seed: u64) -> Self::Node;
    /// Enter by a node that is there already; nobody for the first.
    fn join(contact: Option<NodeId>) -> <Self::Node as Machine>::Command;
    /// Tell everybody this number.
    fn broadcast(number: u32) -> <Self::Node as Machine>::Command;
    /// The number that a node heard for the first time. The sender may or may not hear its own.
    fn heard(event: &<Self::Node as Machine>::Event) -> Option<u32>;
    /// Messages with a payload that a node has sent.
    fn payloads(node: &Self::Node) -> u64;
    /// Bytes of a message on the wire.
    fn size(message: &<Self::Node as Machine>::Message) -> usize;
}
