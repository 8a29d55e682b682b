//! What an app holds: a node with one connection per peer, shared by all its protocols.

mod accept;
mod address_book;
mod config;
mod dial;
mod erased;
mod hello;
mod link;
mod meter;
mod probe;
mod protocol;
mod shutdown;
mod stats;
mod stream;
mod table;
mod tasks;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId, Signer, Ticket};

pub use config::{NodeConfig, ProtocolConfig};
#[cfg(any(test, fuzzing))]
pub(crate) use hello::assert_control;
pub use protocol::{Incoming, IncomingUni, Protocol, ProtocolError};
pub use shutdown::ShutdownReport;
pub use stats::{NodeStats, PeerStats};
pub use stream::{RecvHalf, SendHalf, Stream};
pub use watch::{PeerChange, PeerWatch};

pub(crate) use protocol::{Handler, unregister};
pub(crate) use table::Shared;

use crate::error::{CloseReason, DatagramError, DialError, code};
use crate::tag::Tag;
use crate::transport::Transport;

/// A node: one identity, one connection per peer, many protocols. Clones are handles to the same node; when the
/// last is dropped its tasks are aborted and its connections closed. [`shutdown`](Node::shutdown) ends it gracefully.
///
/// Connections are made when they are needed and closed when they are idle; simultaneous dials of two nodes end in
/// one connection. Nothing is contacted but the addresses that were given, by the app or by the peers it talks to.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
}

impl Node {
    /// Starts a node on `transport`. Must be called inside a tokio runtime.
    pub fn new<T: Transport>(transport: T, config: NodeConfig) -> Node {
        let transport = Arc::new(transport);
        let shared = Shared::new(transport.clone(), config);
        shared.spawn(accept::accept_all(shared.clone(), transport));
        shared.spawn(link::close_idle(shared.clone()));
        Node { inner: Arc::new(Inner { shared }) }
    }

    /// Our name.
    pub fn id(&self) -> NodeId {
        self.shared().id
    }

    /// Who signs in our name: the key of our transport, which it lends without showing it. `None` if it has none, as a
    /// [`MemoryTransport`](crate::MemoryTransport) of a mere name.
    pub fn signer(&self) -> Option<Arc<dyn Signer>> {
        self.shared().transport.signer()
    }

    /// Our name, where our transport listens, and where peers say they see us.
    pub fn addr(&self) -> NodeAddr {
        self.shared().own_addr()
    }

    /// [`addr`](Self::addr) as a text to paste.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.addr())
    }

    /// Remembers where a peer may be reached. Claims only: whoever answers there must prove the key.
    pub fn add_addr(&self, addr: NodeAddr) {
        self.shared().learn(&addr);
    }

    /// Makes sure that there is a connection to `peer`, which has accepted us: its HELLO is here.
    ///
    /// Calls for one peer share one dial.
    ///
    /// # Errors
    /// [`DialError`]; nothing is left of the dial.
    ///
    /// # Cancel safety
    /// Safe; the dial itself goes on for others who may wait for it.
    pub async fn connect(&self, peer: impl Into<NodeAddr>) -> Result<(), DialError> {
        dial::link(self.shared(), &peer.into()).await.map(drop)
    }

    /// Closes the connection to `peer` at once, if there is one; what was sent and not yet read may be lost. It may be
    /// dialled again. `code` is [`code::DONE`], [`code::DISCONNECTED`] or one of the app's own from [`code::PROTOCOL`]
    /// on: DUPLICATE and REFUSED tell a dialler that nothing it sent was looked at. `reason` is cut to 256 bytes.
    pub fn disconnect(&self, peer: NodeId, code: u32, reason: &str) {
        if let Some(link) = self.shared().table().link(&peer) {
            link.close(code, reason);
        }
    }

    /// Closes the connection to `peer` gracefully, if there is one and no stream lives on it; streams that the peer opens
    /// meanwhile are still served. Says whether it did. It may be dialled again. For a protocol that knows sooner than
    /// [`NodeConfig::idle_timeout`] that a connection is of no more use.
    pub fn release(&self, peer: NodeId) -> bool {
        let mut table = self.shared().table();
        let link = table.link(&peer).filter(|link| link.meter.streams.load(Ordering::Acquire) == 0);
        link.is_some_and(|link| {
            link.go_away();
            table.detach(&link);
            link.drain()
        })
    }

    /// Starts to speak a protocol: its streams and datagrams arrive at the [`Protocol`] until it is dropped.
    ///
    /// # Errors
    /// [`ProtocolError`] if the tag is malformed or spoken already.
    pub fn protocol(
        &self,
        tag: impl TryInto<Tag, Error: Into<ProtocolError>>,
        config: ProtocolConfig,
    ) -> Result<Protocol, ProtocolError> {
        protocol::register(self, tag.try_into().map_err(Into::into)?, config)
    }

    /// Opens a stream in both directions to `peer`, dialling it if need be. The tag goes out with the first bytes.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was opened.
    ///
    /// # Cancel safety
    /// Safe; nothing was opened.
    pub async fn open(&self, peer: impl Into<NodeAddr>, tag: Tag) -> Result<Stream, OpenError> {
        let link = dial::link(self.shared(), &peer.into()).await?;
        Ok(link.open(tag).await?)
    }

    /// Opens a one-way stream, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was opened.
    ///
    /// # Cancel safety
    /// Safe; nothing was opened.
    pub async fn open_uni(&self, peer: impl Into<NodeAddr>, tag: Tag) -> Result<SendHalf, OpenError> {
        let link = dial::link(self.shared(), &peer.into()).await?;
        Ok(link.open_uni(tag).await?)
    }

    /// As [`open_uni`](Self::open_uni), but `None` if the peer has said that it does not speak the protocol, or no
    /// longer. Who writes to such a stream would never hear that nobody reads it.
    pub(crate) async fn open_uni_spoken(
        &self,
        peer: NodeId,
        tag: Tag,
    ) -> Result<Option<SendHalf>, OpenError> {
        let link = dial::link(self.shared(), &peer.into()).await?;
        if !link.speaks(&tag) {
            return Ok(None);
        }
        Ok(Some(link.open_uni(tag).await?))
    }

    /// A peer has sent a message of a protocol that only those send who speak it.
    pub(crate) fn heard(&self, peer: NodeId, tag: Tag) {
        let table = self.shared().table();
        if table.link(&peer).is_some_and(|link| link.learn(tag)) {
            table.changed();
        }
    }

    /// A link on which a request may be sent, see [`dial::early_link`].
    pub(crate) async fn early_link(&self, peer: &NodeAddr) -> Result<EarlyLink, DialError> {
        let (link, dialling) = dial::early_link(self.shared(), peer).await?;
        Ok(EarlyLink { link, dialling })
    }

    /// Sends a datagram over the connection to `peer`, which must stand already. It may never arrive.
    ///
    /// # Errors
    /// [`DatagramError`]; nothing was sent.
    pub fn send_datagram(&self, peer: NodeId, tag: Tag, data: &[u8]) -> Result<(), DatagramError> {
        let link = self.shared().table().link(&peer).ok_or(CloseReason::Local(crate::code::DONE))?;
        let mut bytes = tag.prefix();
        bytes.extend_from_slice(data);
        link.send_datagram(Bytes::from(bytes))
    }

    /// Follows which peers are up. The first changes name those that are up already.
    pub fn watch_peers(&self) -> PeerWatch {
        PeerWatch::new(self.shared(), None)
    }

    /// As [`watch_peers`](Self::watch_peers), but only peers that speak `tag`.
    pub fn watch_protocol_peers(&self, tag: Tag) -> PeerWatch {
        PeerWatch::new(self.shared(), Some(tag))
    }

    /// A snapshot of counters, for this node and each peer.
    pub fn stats(&self) -> NodeStats {
        stats::snapshot(self.shared())
    }

    /// Whether [`shutdown`](Self::shutdown) has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.shared().closing.load(Ordering::Acquire)
    }

    /// Resolves when [`shutdown`](Self::shutdown) begins. Cancel safety: safe.
    pub async fn shutting_down(&self) {
        self.shared().wait_closing().await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.abort();
    }
}

/// A link that stands, or one whose peer has not yet said that it takes it.
pub(crate) struct EarlyLink {
    link: Arc<link::Link>,
    dialling: Option<dial::DialState>,
}

impl EarlyLink {
    pub(crate) async fn open(&self, tag: Tag) -> Result<Stream, CloseReason> {
        self.link.open(tag).await
    }

    pub(crate) fn is_early(&self) -> bool {
        self.dialling.is_some()
    }

    /// The link to use instead, if the end of this one means that the peer has looked at nothing that came on it;
    /// `None` otherwise.
    pub(crate) async fn instead(&mut self, end: &CloseReason) -> Option<Result<EarlyLink, DialError>> {
        let unseen = matches!(end, CloseReason::Peer { code: code::DUPLICATE | code::REFUSED, .. })
            && !self.link.is_greeted();
        let dialling = self.dialling.as_mut().filter(|_| unseen)?;
        Some(dial::outcome(dialling).await.map(|link| EarlyLink { link, dialling: None }))
    }
}

/// Why no stream was opened. Nothing was opened and nothing sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There was no connection and none could be made.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection ended meanwhile.
    #[error("the connection ended: {0}")]
    Closed(#[from] CloseReason),
}
