//! Protocols on a node: who takes the streams that peers open.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId};
use tokio::sync::{Mutex, mpsc};
use tracing::debug;

use super::config::ProtocolConfig;
use super::hello::MAX_PROTOCOLS;
use super::link::Link;
use super::meter::{InUse, Usage};
use super::stream::{RecvHalf, SendHalf, Stream, refuse};
use super::table::Shared;
use super::{Node, OpenError, PeerWatch};
use crate::error::{DatagramError, code};
use crate::tag::{BadTag, Tag};

/// A stream in both directions that a peer opened.
#[derive(Debug)]
pub struct Incoming {
    /// Who opened it: the key it has proven.
    pub peer: NodeId,
    /// The stream, its tag taken off.
    pub stream: Stream,
}

/// A one-way stream that a peer opened.
#[derive(Debug)]
pub struct IncomingUni {
    /// Who opened it: the key it has proven.
    pub peer: NodeId,
    /// The stream, its tag taken off.
    pub stream: RecvHalf,
}

/// Why a protocol was not registered. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// See [`BadTag`].
    #[error(transparent)]
    BadTag(#[from] BadTag),
    /// This node speaks it already.
    #[error("{0} is spoken already on this node: drop the other one first")]
    Taken(Tag),
    /// The node speaks as many protocols as a HELLO can name.
    #[error("a node speaks at most {MAX_PROTOCOLS} protocols")]
    TooMany,
    /// A machine cannot be run without a random source.
    #[error("the operating system has no randomness to give: {0}")]
    NoRandomness(String),
}

impl From<std::convert::Infallible> for ProtocolError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// A protocol that a node speaks. Its streams and datagrams arrive here; dropping it ends it, and streams that wait
/// are reset.
#[derive(Debug)]
pub struct Protocol {
    node: Node,
    tag: Tag,
    bi: Mutex<mpsc::Receiver<Incoming>>,
    uni: Mutex<mpsc::Receiver<IncomingUni>>,
    datagrams: Mutex<mpsc::Receiver<(NodeId, Bytes)>>,
}

impl Protocol {
    /// Its tag.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The node that speaks it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The next stream in both directions; `None` once the node shuts down. Cancel safety: safe.
    pub async fn accept(&self) -> Option<Incoming> {
        let mut queue = self.bi.lock().await;
        tokio::select! {
            biased;
            incoming = queue.recv() => incoming,
            () = self.node.shutting_down() => None,
        }
    }

    /// The next one-way stream; `None` once the node shuts down. Cancel safety: safe.
    pub async fn accept_uni(&self) -> Option<IncomingUni> {
        let mut queue = self.uni.lock().await;
        tokio::select! {
            biased;
            incoming = queue.recv() => incoming,
            () = self.node.shutting_down() => None,
        }
    }

    /// The next datagram and its sender; `None` once the node shuts down. Cancel safety: safe.
    pub async fn recv_datagram(&self) -> Option<(NodeId, Bytes)> {
        let mut queue = self.datagrams.lock().await;
        tokio::select! {
            biased;
            datagram = queue.recv() => datagram,
            () = self.node.shutting_down() => None,
        }
    }

    /// [`Node::open`] with this protocol's tag.
    ///
    /// # Errors
    /// As there.
    pub async fn open(&self, peer: impl Into<NodeAddr>) -> Result<Stream, OpenError> {
        self.node.open(peer, self.tag).await
    }

    /// [`Node::open_uni`] with this protocol's tag.
    ///
    /// # Errors
    /// As there.
    pub async fn open_uni(&self, peer: impl Into<NodeAddr>) -> Result<SendHalf, OpenError> {
        self.node.open_uni(peer, self.tag).await
    }

    /// [`Node::send_datagram`] with this protocol's tag.
    ///
    /// # Errors
    /// As there.
    pub fn send_datagram(&self, peer: NodeId, data: &[u8]) -> Result<(), DatagramError> {
        self.node.send_datagram(peer, self.tag, data)
    }

    /// Follows which peers are up that speak this protocol.
    pub fn watch_peers(&self) -> PeerWatch {
        self.node.watch_protocol_peers(self.tag)
    }
}

impl Drop for Protocol {
    fn drop(&mut self) {
        unregister(self.node.shared(), self.tag);
    }
}

/// Takes a stream at once, without a queue, in a task of its own.
pub(crate) trait Handler: Send + Sync {
    fn bi(&self, shared: &Shared, incoming: Incoming);
    fn uni(&self, shared: &Shared, incoming: IncomingUni);
}

pub(super) struct Entry {
    config: ProtocolConfig,
    /// Streams that peers opened and that live.
    live: AtomicUsize,
    /// Dropped by its owner.
    ended: AtomicBool,
    kind: Kind,
}

/// One peer's streams of one protocol.
pub(super) struct Inbound {
    entry: Arc<Entry>,
    live: AtomicUsize,
}

impl Inbound {
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Inbound { entry, live: AtomicUsize::new(0) }
    }

    pub(super) fn is_spoken(&self) -> bool {
        !self.entry.ended.load(Ordering::Acquire)
    }

    /// Counts one more stream; false, and nothing is counted, if a limit is reached.
    pub(super) fn enter(&self) -> bool {
        let config = &self.entry.config;
        if self.entry.live.fetch_add(1, Ordering::AcqRel) < config.max_streams {
            if self.live.fetch_add(1, Ordering::AcqRel) < config.max_streams_per_peer {
                return true;
            }
            self.live.fetch_sub(1, Ordering::AcqRel);
        }
        self.entry.live.fetch_sub(1, Ordering::AcqRel);
        false
    }

    pub(super) fn leave(&self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
        self.entry.live.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound").field("live", &self.live).finish_non_exhaustive()
    }
}

enum Kind {
    Queues {
        bi: mpsc::Sender<Incoming>,
        uni: mpsc::Sender<IncomingUni>,
        datagrams: mpsc::Sender<(NodeId, Bytes)>,
    },
    Handler(Arc<dyn Handler>),
}

pub(super) fn register(node: &Node, tag: Tag, config: ProtocolConfig) -> Result<Protocol, ProtocolError> {
    let (bi, bi_queue) = mpsc::channel(config.accept_queue.max(1));
    let (uni, uni_queue) = mpsc::channel(config.accept_queue.max(1));
    let (datagrams, datagram_queue) = mpsc::channel(config.datagram_queue.max(1));
    insert(node.shared(), tag, config, Kind::Queues { bi, uni, datagrams })?;
    Ok(Protocol {
        node: node.clone(),
        tag,
        bi: Mutex::new(bi_queue),
        uni: Mutex::new(uni_queue),
        datagrams: Mutex::new(datagram_queue),
    })
}

impl Shared {
    pub(crate) fn register_handler(
        &self,
        tag: Tag,
        config: ProtocolConfig,
        handler: Arc<dyn Handler>,
    ) -> Result<(), ProtocolError> {
        insert(self, tag, config, Kind::Handler(handler))
    }
}

fn insert(shared: &Shared, tag: Tag, config: ProtocolConfig, kind: Kind) -> Result<(), ProtocolError> {
    let mut protocols = shared.protocols.write().unwrap_or_else(PoisonError::into_inner);
    if protocols.contains_key(&tag) {
        return Err(ProtocolError::Taken(tag));
    }
    if protocols.len() >= MAX_PROTOCOLS {
        return Err(ProtocolError::TooMany);
    }
    protocols.insert(
        tag,
        Arc::new(Entry { config, live: AtomicUsize::new(0), ended: AtomicBool::new(false), kind }),
    );
    drop(protocols);
    shared.announce();
    Ok(())
}

pub(crate) fn unregister(shared: &Shared, tag: Tag) {
    if let Some(entry) = shared.protocols.write().unwrap_or_else(PoisonError::into_inner).remove(&tag) {
        entry.ended.store(true, Ordering::Release);
    }
    shared.announce();
}

pub(super) fn entry(shared: &Shared, tag: &Tag) -> Option<Arc<Entry>> {
    shared.protocols.read().unwrap_or_else(PoisonError::into_inner).get(tag).cloned()
}

/// Gives a stream to the protocol of its tag, or refuses it with the code that says why.
pub(super) fn dispatch(
    shared: &Arc<Shared>,
    link: &Link,
    tag: io::Result<Option<Tag>>,
    in_use: InUse,
    send: Option<SendHalf>,
    mut recv: RecvHalf,
) {
    let Ok(tag) = tag else {
        // A reset may overtake the tag: the peer has thought better of it.
        return refuse(send, recv, code::CANCELLED);
    };
    let Some(tag) = tag else {
        shared.counters.violations.fetch_add(1, Ordering::Relaxed);
        debug!(peer = %link.peer, "a stream that begins with no tag");
        return refuse(send, recv, code::VIOLATION);
    };
    if shared.closing.load(Ordering::Acquire) {
        return refuse(send, recv, code::GOING_AWAY);
    }
    let Some(inbound) = link.inbound(shared, tag) else {
        shared.counters.unknown.fetch_add(1, Ordering::Relaxed);
        return refuse(send, recv, code::UNKNOWN_PROTOCOL);
    };
    let entry = inbound.entry.clone();
    let Some(usage) = Usage::inbound(in_use, inbound) else {
        shared.counters.busy.fetch_add(1, Ordering::Relaxed);
        return refuse(send, recv, code::BUSY);
    };
    recv.set_usage(usage.clone());
    let peer = link.peer;
    // Counted before the peer is told, who may look at once.
    let busy = |send, recv| {
        shared.counters.busy.fetch_add(1, Ordering::Relaxed);
        refuse(send, recv, code::BUSY);
    };
    match (send, &entry.kind) {
        (Some(mut send), kind) => {
            send.set_usage(usage);
            let incoming = Incoming { peer, stream: Stream { send, recv } };
            match kind {
                Kind::Queues { bi, .. } => {
                    if let Err(error) = bi.try_send(incoming) {
                        let stream = error.into_inner().stream;
                        busy(Some(stream.send), stream.recv);
                    }
                }
                Kind::Handler(handler) => handler.bi(shared, incoming),
            }
        }
        (None, kind) => {
            let incoming = IncomingUni { peer, stream: recv };
            match kind {
                Kind::Queues { uni, .. } => {
                    if let Err(error) = uni.try_send(incoming) {
                        busy(None, error.into_inner().stream);
                    }
                }
                Kind::Handler(handler) => handler.uni(shared, incoming),
            }
        }
    }
}

/// Gives a datagram to its protocol; false if nobody took it.
pub(super) fn datagram(shared: &Shared, peer: NodeId, tag: Tag, payload: Bytes) -> bool {
    match entry(shared, &tag).as_deref() {
        Some(Entry { kind: Kind::Queues { datagrams, .. }, .. }) => {
            datagrams.try_send((peer, payload)).is_ok()
        }
        _ => false,
    }
}
