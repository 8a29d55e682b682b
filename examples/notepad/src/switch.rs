//! A transport whose link can be cut: what a pulled cable does, by a key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dsys_core::{NodeAddr, NodeId, Signer};
use dsys_transport::{Connection, DialError, Transport, TransportStats, code};

/// Cuts and heals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(crate) fn set(&self, cut: bool) {
        self.0.store(cut, Ordering::Release);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A transport behind a switch: while it is cut nobody is dialled and nobody let in.
pub(crate) struct Switched<T> {
    pub(crate) inner: T,
    pub(crate) switch: Switch,
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
        if self.switch.is_cut() {
            return Err(DialError::Unreachable { peer: to.id, reason: "the link is cut".into() });
        }
        self.inner.dial(to).await
    }

    async fn accept(&self) -> Option<T::Connection> {
        loop {
            let connection = self.inner.accept().await?;
            if !self.switch.is_cut() {
                return Some(connection);
            }
            connection.close(code::REFUSED, "the link is cut");
        }
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
