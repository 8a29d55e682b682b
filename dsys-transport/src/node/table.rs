//! What the tasks of a node share: the table of links, the address book, the protocols, the tasks themselves.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dsys_core::{NodeAddr, NodeId};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::NodeConfig;
use super::address_book::AddressBook;
use super::dial::DialState;
use super::erased::DynTransport;
use super::hello::Hello;
use super::link::Link;
use super::protocol::Entry;
use super::stats::Counters;
use super::tasks::Tasks;
use crate::error::code;
use crate::tag::Tag;
use crate::transport::Transport;

pub(crate) struct Shared {
    pub(super) id: NodeId,
    pub(super) config: NodeConfig,
    pub(super) transport: Arc<dyn DynTransport>,
    pub(super) counters: Counters,
    pub(super) protocols: RwLock<HashMap<Tag, Arc<Entry>>>,
    pub(super) closing: AtomicBool,
    /// Machines that run, and have not yet written what they wanted to send.
    pub(super) drivers: AtomicUsize,
    /// Drawn when the node started; see [`Hello`].
    pub(super) instance: u64,
    serial: AtomicU64,
    table: Mutex<Table>,
    book: Mutex<AddressBook>,
    pub(super) tasks: Arc<Tasks>,
    /// Counts changes of `protocols`.
    announce: watch::Sender<u64>,
    shutdown: watch::Sender<bool>,
}

/// The links and dials of a node.
pub(super) struct Table {
    links: HashMap<NodeId, Arc<Link>>,
    /// Links on which GOAWAY was said: their streams go on, no new ones are opened.
    detached: Vec<Arc<Link>>,
    pub(super) dials: HashMap<NodeId, DialState>,
    /// Accepted connections that have not said HELLO yet.
    pub(super) pending: usize,
    observed: HashMap<NodeId, SocketAddr>,
    changes: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new<T: Transport>(transport: Arc<T>, config: NodeConfig) -> Arc<Self> {
        let book = AddressBook::new(config.max_known_peers);
        let id = Transport::id(&*transport);
        // Unlike every earlier instance of this node is all that is asked of it.
        let instance = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), id.as_bytes());
        Arc::new(Shared {
            id,
            config,
            transport,
            counters: Counters::default(),
            protocols: RwLock::new(HashMap::new()),
            closing: AtomicBool::new(false),
            drivers: AtomicUsize::new(0),
            instance,
            serial: AtomicU64::new(0),
            table: Mutex::new(Table {
                links: HashMap::new(),
                detached: Vec::new(),
                dials: HashMap::new(),
                pending: 0,
                observed: HashMap::new(),
                changes: watch::Sender::new(0),
            }),
            book: Mutex::new(book),
            tasks: Arc::default(),
            announce: watch::Sender::new(0),
            shutdown: watch::Sender::new(false),
        })
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn book(&self) -> MutexGuard<'_, AddressBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns a task that ends with the node at the latest; `None` if the node has ended.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        self.tasks.spawn(task)
    }

    /// Ends everything at once.
    pub(super) fn abort(&self) {
        self.closing.store(true, Ordering::Release);
        self.tasks.abort();
        let links = self.table().links();
        for link in links {
            link.close(code::GOING_AWAY, "the node was dropped");
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// While the guard lives, a shutdown waits for its holder before it says GOAWAY.
    pub(crate) fn driving(self: &Arc<Self>) -> Driving {
        self.drivers.fetch_add(1, Ordering::AcqRel);
        Driving(self.clone())
    }

    pub(super) fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
        self.shutdown.send_replace(true);
    }

    pub(crate) async fn wait_closing(&self) {
        // The sender lives in `self`, so this ends only when the value is true.
        let _ = self.shutdown.subscribe().wait_for(|closing| *closing).await;
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// The protocols spoken now, in the order of their names.
    pub(super) fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> =
            self.protocols.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        tags.sort_unstable();
        tags
    }

    /// Remembers where a peer may be reached.
    pub(crate) fn learn(&self, addr: &NodeAddr) {
        if addr.id != self.id {
            self.book().learn(addr);
        }
    }

    #[cfg(all(test, feature = "mdns"))]
    pub(crate) fn known(&self, peer: NodeId) -> NodeAddr {
        self.book().complete(&peer.into())
    }

    /// Tells all peers which protocols are spoken now.
    pub(super) fn announce(&self) {
        self.announce.send_modify(|version| *version += 1);
    }

    pub(super) fn announced(&self) -> watch::Receiver<u64> {
        self.announce.subscribe()
    }

    /// Our own HELLO on a connection to somebody at `remote`.
    pub(super) fn hello(&self, remote: Option<SocketAddr>) -> Hello {
        Hello {
            instance: self.instance,
            protocols: self.tags(),
            listen: self.transport.local_addrs().into_iter().take(NodeAddr::MAX_DIRECT).collect(),
            observed: remote,
        }
    }

    /// What a link's HELLO tells about addresses: the peer's and our own.
    pub(super) fn learn_from(&self, link: &Link, hello: &Hello) {
        let claims = hello.listen.get(..hello.listen.len().min(NodeAddr::MAX_DIRECT)).unwrap_or_default();
        self.book().learn_claims(link.peer, claims);
        if let (Some(addr), true) = (link.remote_addr(), link.dialled) {
            self.book().worked(link.peer, addr);
        }
        if let Some(observed) = hello.observed {
            self.table().observed.insert(link.peer, observed);
        }
    }

    pub(super) fn own_addr(&self) -> NodeAddr {
        let mut addr = NodeAddr::new(self.id);
        for listen in self.transport.local_addrs() {
            addr.insert(listen);
        }
        for observed in self.table().observed() {
            addr.insert(observed);
        }
        addr
    }
}

/// See [`Shared::driving`].
#[derive(Debug)]
pub(crate) struct Driving(Arc<Shared>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.drivers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Table {
    /// The link to `peer` on which streams may be opened.
    pub(super) fn link(&self, peer: &NodeId) -> Option<Arc<Link>> {
        self.links.get(peer).filter(|link| link.is_usable()).cloned()
    }

    /// All links, those that are only drained included.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        self.links.values().chain(&self.detached).cloned().collect()
    }

    /// Links on which streams may be opened.
    pub(super) fn up(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.links.values().filter(|link| link.is_usable())
    }

    /// Connections and those that are to be.
    pub(super) fn load(&self) -> usize {
        self.links.len() + self.detached.len() + self.dials.len() + self.pending
    }

    /// Whether [`insert`](Self::insert) would keep the link that stands.
    pub(super) fn would_refuse(&self, own: &NodeId, link: &Link) -> bool {
        self.links
            .get(&link.peer)
            .is_some_and(|standing| standing.is_usable() && standing.prevails(own, link))
    }

    /// Makes `link` the one link of its peer, unless the one that stands must stay: then gives that one back.
    pub(super) fn insert(&mut self, own: &NodeId, link: &Arc<Link>) -> Result<(), Arc<Link>> {
        if let Some(standing) = self.links.get(&link.peer) {
            if self.would_refuse(own, link) {
                return Err(standing.clone());
            }
            standing.close(code::REPLACED, "a newer connection between the two nodes has taken its place");
        }
        self.links.insert(link.peer, link.clone());
        self.changed();
        Ok(())
    }

    /// Takes the link out of use; its streams go on.
    pub(super) fn detach(&mut self, link: &Arc<Link>) {
        if self.links.get(&link.peer).is_some_and(|standing| standing.serial == link.serial) {
            self.links.remove(&link.peer);
            self.detached.push(link.clone());
            self.changed();
        }
    }

    /// Forgets the link, whose connection has ended.
    pub(super) fn remove(&mut self, link: &Link) {
        self.detached.retain(|detached| detached.serial != link.serial);
        if self.links.get(&link.peer).is_some_and(|standing| standing.serial == link.serial) {
            self.links.remove(&link.peer);
            self.observed.remove(&link.peer);
        }
        self.changed();
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Addresses at which at least two peers see us: one alone may be wrong about it, or lie.
    fn observed(&self) -> Vec<SocketAddr> {
        let mut counts: HashMap<SocketAddr, usize> = HashMap::new();
        for addr in self.observed.values() {
            *counts.entry(*addr).or_default() += 1;
        }
        let mut seen: Vec<_> = counts.into_iter().filter(|(_, count)| *count >= 2).collect();
        seen.sort_unstable_by_key(|(addr, count)| (std::cmp::Reverse(*count), *addr));
        seen.into_iter().take(2).map(|(addr, _)| addr).collect()
    }
}

impl Link {
    /// Whether this link stays when `other`, to the same peer, comes up. Both ends must find the same answer from
    /// what both know: who dialled which, and whether the peer has restarted.
    fn prevails(&self, own: &NodeId, other: &Link) -> bool {
        if self.instance() != other.instance() || self.dialled == other.dialled {
            // The peer has restarted, or has lost the older one: the newer one it is.
            return false;
        }
        // A simultaneous dial: that of the smaller id stays.
        self.dialled == (*own < self.peer)
    }
}
