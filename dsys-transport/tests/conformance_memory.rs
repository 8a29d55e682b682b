//! The conformance suite over the memory transport.

use dsys_core::NodeId;
use dsys_transport::conformance::{Harness, Pair};
use dsys_transport::{MemoryNetwork, MemoryTransport, Transport};

struct Memory;

impl Harness for Memory {
    type Transport = MemoryTransport;

    async fn pair(&self) -> Result<Pair<MemoryTransport>, String> {
        let network = MemoryNetwork::new();
        let left = network.transport(NodeId::from_number(1));
        let right = network.transport(NodeId::from_number(2));
        Ok(Pair { left_addr: left.id().into(), right_addr: right.id().into(), left, right })
    }
}

dsys_transport::conformance_tests!(Memory);
