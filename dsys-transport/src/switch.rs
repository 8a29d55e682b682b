//! A transport whose link can be cut: what a pulled cable does, on purpose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dsys_core::{NodeAddr, NodeId, Signer};

use crate::error::{DialError, code};
use crate::node::Node;
use crate::transport::{Connection, Transport, TransportStats};

/// Cuts a [`Switched`] transport off and heals it: an app's offline mode, or a test's pulled cable. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// From now on nobody is dialled and nobody let in, and the connections of `node`, which is on the transport, are closed.
    pub fn cut(&self, node: &Node) {
        self.0.store(true, Ordering::Release);
        for peer in node.stats().peers {
            node.disconnect(peer.peer, code::DISCONNECTED, CUT);
        }
    }

    /// Dials and accepts again. Nobody is dialled because of it.
    pub fn heal(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

const CUT: &str = "the link is cut";

/// A transport behind a [`Switch`].
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use dsys_core::NodeId;
/// use dsys_transport::{MemoryNetwork, Node, NodeConfig, Switch, Switched};
///
/// let (network, switch) = (MemoryNetwork::new(), Switch::default());
/// let transport = Switched::new(network.transport(NodeId::from_number(1)), &switch);
/// let node = Node::new(transport, NodeConfig::default());
/// # let other = Node::new(network.transport(NodeId::from_number(2)), NodeConfig::default());
/// switch.cut(&node);
/// assert!(node.connect(other.addr()).await.is_err());
/// switch.heal();
/// node.connect(other.addr()).await?;
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug)]
pub struct Switched<T> {
    inner: T,
    switch: Switch,
}

impl<T> Switched<T> {
    /// Puts a switch before a transport. It stands as it is: healed, if it is a new one.
    pub fn new(inner: T, switch: &Switch) -> Self {
        Switched { inner, switch: switch.clone() }
    }
}

impl<T: Transport> Transport for Switched<T> {
    type Connection = T::Connection;

    fn id(&self) -> NodeId {
        self.inner.id()
    }

    fn signer(&self) -> Option<Arc<dyn Signer>> {
        self.inner.signer()
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.inner.local_addrs()
    }

    fn stats(&self) -> TransportStats {
        self.inner.stats()
    }

    async fn dial(&self, to: &NodeAddr) -> Result<T::Connection, DialError> {
        if !self.switch.is_cut() {
            let connection = self.inner.dial(to).await?;
            // It may have been cut meanwhile.
            if !self.switch.is_cut() {
                return Ok(connection);
            }
            connection.close(code::DISCONNECTED, CUT);
        }
        Err(DialError::Unreachable { peer: to.id, reason: CUT.into() })
    }

    async fn probe(&self, to: &NodeAddr) -> Result<Option<SocketAddr>, DialError> {
        if self.switch.is_cut() {
            return Err(DialError::Unreachable { peer: to.id, reason: CUT.into() });
        }
        self.inner.probe(to).await
    }

    async fn accept(&self) -> Option<T::Connection> {
        loop {
            let connection = self.inner.accept().await?;
            if !self.switch.is_cut() {
                return Some(connection);
            }
            connection.close(code::REFUSED, CUT);
        }
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
