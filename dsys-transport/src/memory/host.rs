//! A node of the network, and the transport that an app holds of it.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Signer};
use tokio::sync::Notify;

use super::connection::MemoryConnection;
use super::frame::Side;
use super::network::MemoryNetwork;
use super::pipe::Pipe;
use crate::error::{DialError, code};
use crate::transport::Transport;

/// How long `shutdown` waits for the peers to hear of it.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(3);

/// A node on a [`MemoryNetwork`]. A dial finds its target by id and ignores addresses. Dropping the transport takes
/// the node off the network and closes its connections, as `shutdown` does, without waiting.
pub struct MemoryTransport {
    network: MemoryNetwork,
    host: Arc<Host>,
    signer: Option<Arc<dyn Signer>>,
}

impl MemoryTransport {
    pub(super) fn new(network: MemoryNetwork, host: Arc<Host>, signer: Option<Arc<dyn Signer>>) -> Self {
        MemoryTransport { network, host, signer }
    }

    /// Leaves the network and closes everything; gives the connections that the peers may not know to be closed.
    fn leave(&self) -> Vec<(Side, Arc<Pipe>)> {
        self.network.remove(&self.host);
        self.host.retire(|side, pipe| {
            pipe.with(|state, wakes| state.close(side, code::GOING_AWAY, "the node shuts down", wakes));
        })
    }
}

impl Transport for MemoryTransport {
    type Connection = MemoryConnection;

    fn id(&self) -> NodeId {
        self.host.id
    }

    /// The key that was given to [`MemoryNetwork::transport_of`].
    fn signer(&self) -> Option<Arc<dyn Signer>> {
        self.signer.clone()
    }

    /// Empty: the id is enough.
    fn local_addrs(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    async fn dial(&self, to: &NodeAddr) -> Result<MemoryConnection, DialError> {
        self.network.dial(&self.host, to.id).await
    }

    async fn accept(&self) -> Option<MemoryConnection> {
        self.host.accept().await
    }

    /// Waits at most 3 s for peers behind a latency or a cut.
    async fn shutdown(&self) {
        let pipes = self.leave();
        let heard = async {
            for (side, pipe) in &pipes {
                pipe.closed(side.other()).await;
            }
        };
        let _ = tokio::time::timeout(SHUTDOWN_WAIT, heard).await;
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("id", &self.host.id).finish_non_exhaustive()
    }
}

/// What the network knows of a node. Its lock is taken inside the network's, and a pipe's inside either.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: NodeId,
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    gone: bool,
    queue: VecDeque<MemoryConnection>,
    pipes: Vec<(Side, Weak<Pipe>)>,
}

impl Host {
    pub(super) fn new(id: NodeId) -> Self {
        Host { id, inner: Mutex::default(), arrived: Notify::new() }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().gone
    }

    pub(super) fn has_room(&self, limit: usize) -> bool {
        self.lock().queue.len() < limit
    }

    /// Remembers a connection, to close it when this node goes.
    pub(super) fn add(&self, side: Side, pipe: &Arc<Pipe>) {
        let pipes = &mut self.lock().pipes;
        if pipes.len() == pipes.capacity() {
            pipes.retain(|(_, pipe)| pipe.strong_count() > 0);
        }
        pipes.push((side, Arc::downgrade(pipe)));
    }

    pub(super) fn enqueue(&self, connection: MemoryConnection) {
        self.lock().queue.push_back(connection);
        self.arrived.notify_one();
    }

    /// Ends `accept`, ends every connection with `end`, and gives them; those that nobody accepted are dropped.
    pub(super) fn retire(&self, end: impl Fn(Side, &Pipe)) -> Vec<(Side, Arc<Pipe>)> {
        let mut inner = self.lock();
        inner.gone = true;
        let queue = std::mem::take(&mut inner.queue);
        let pipes: Vec<_> =
            inner.pipes.iter().filter_map(|(side, pipe)| Some((*side, pipe.upgrade()?))).collect();
        drop(inner);
        for (side, pipe) in &pipes {
            end(*side, pipe);
        }
        self.arrived.notify_waiters();
        // Not before: a drop would close them with a code of its own.
        drop(queue);
        pipes
    }

    async fn accept(&self) -> Option<MemoryConnection> {
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            {
                let mut inner = self.lock();
                if inner.gone {
                    return None;
                }
                if let Some(connection) = inner.queue.pop_front() {
                    return Some(connection);
                }
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
