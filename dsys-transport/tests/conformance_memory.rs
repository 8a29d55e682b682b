//! The conformance suite over the memory transport.

use dsys_core::NodeId;
use dsys_transport::conformance::{self, Harness, Pair};
use dsys_transport::{MemoryNetwork, MemoryTransport, Switch, Switched, Transport};

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

/// The one call and the single tests run the same clauses; this one shows that the call gives what they give.
#[tokio::test]
async fn all_at_once() -> Result<(), conformance::Failure> {
    conformance::all(&Memory).await
}

/// A transport behind a switch that is not cut.
struct Behind;

impl Harness for Behind {
    type Transport = Switched<MemoryTransport>;

    async fn pair(&self) -> Result<Pair<Self::Transport>, String> {
        let Pair { left, right, left_addr, right_addr } = Memory.pair().await?;
        let [left, right] = [left, right].map(|inner| Switched::new(inner, &Switch::default()));
        Ok(Pair { left, right, left_addr, right_addr })
    }
}

#[tokio::test]
async fn a_switch_changes_nothing_while_it_is_healed() -> Result<(), conformance::Failure> {
    conformance::all(&Behind).await
}
