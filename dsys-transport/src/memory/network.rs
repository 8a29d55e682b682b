//! The network: who is on it, and what it does to their bytes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dsys_core::{NodeId, SecretKey, Signer};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::conditions::{Latency, Weather};
use super::config::{Counters, Death, MemoryConfig, MemoryStats, UnknownDials, count};
use super::connection::MemoryConnection;
use super::frame::Side;
use super::host::{Host, MemoryTransport};
use super::pipe::Pipe;
use super::wire::later;
use crate::error::{DialError, code};

/// A set of nodes in one process. Clones are handles to the same network.
///
/// Every switch works at once, on connections that exist and on those to come; what is on its way already keeps its
/// latency. Nothing here waits.
#[derive(Clone)]
pub struct MemoryNetwork(Arc<Shared>);

struct Shared {
    config: Arc<MemoryConfig>,
    counters: Arc<Counters>,
    inner: Mutex<Inner>,
    /// Somebody came, or went, or the conditions changed: dials that wait look again.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    hosts: HashMap<NodeId, Arc<Host>>,
    /// Every connection, its dialler and its acceptor.
    pipes: Vec<(NodeId, NodeId, Weak<Pipe>)>,
    made: u64,
    weather: Weather,
    unknown: UnknownDials,
}

/// How far a dial has come.
enum Dial {
    Connected(MemoryConnection),
    Failed(DialError),
    /// The handshake takes so long.
    Travels(Duration),
    /// Nobody answers.
    Silence,
}

impl MemoryNetwork {
    /// An empty network with the default bounds, without latency or loss.
    pub fn new() -> Self {
        Self::with_config(MemoryConfig::default())
    }

    /// An empty network with these bounds.
    pub fn with_config(config: MemoryConfig) -> Self {
        MemoryNetwork(Arc::new(Shared {
            config: Arc::new(config),
            counters: Arc::default(),
            inner: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Puts a node on the network. One of the same id that is still there is [killed](Self::kill) first with
    /// [`Death::Reset`], as a process that is started again.
    ///
    /// It has a name only, and so no [signer](crate::Transport::signer): [`transport_of`](Self::transport_of) gives one.
    pub fn transport(&self, id: NodeId) -> MemoryTransport {
        self.place(id, None)
    }

    /// As [`transport`](Self::transport), for the node of this key, which can sign.
    pub fn transport_of(&self, key: &SecretKey) -> MemoryTransport {
        self.place(key.public(), Some(Arc::new(key.clone())))
    }

    fn place(&self, id: NodeId, signer: Option<Arc<dyn Signer>>) -> MemoryTransport {
        self.kill(id, Death::Reset);
        let host = Arc::new(Host::new(id));
        let replaced = self.lock().hosts.insert(id, Arc::clone(&host));
        if let Some(replaced) = replaced {
            // Another thread put one there since the kill.
            bury(&replaced, Death::Reset);
        }
        self.0.changed.notify_waiters();
        MemoryTransport::new(self.clone(), host, signer)
    }

    /// How long bytes travel between any two nodes, one way. At first zero.
    pub fn set_latency(&self, latency: impl Into<Latency>) {
        self.change(|weather| weather.latency = latency.into());
    }

    /// How long bytes travel from one node to another, whatever [`set_latency`](Self::set_latency) says.
    pub fn set_latency_between(&self, from: NodeId, to: NodeId, latency: impl Into<Latency>) {
        self.change(|weather| {
            weather.pairs.insert((from, to), latency.into());
        });
    }

    /// The probability, 0 to 1, that a datagram is lost; a chunk of a stream is delayed by
    /// [`retransmission`](MemoryConfig::retransmission) instead, each time, at most 8 times. At first 0.
    pub fn set_loss(&self, probability: f64) {
        self.change(|weather| weather.loss = probability);
    }

    /// Cuts every node of `left` from every node of `right`, in both directions. Datagrams are lost; a connection
    /// keeps its streams' bytes until [`heal`](Self::heal), or until it times out at both ends.
    pub fn partition(&self, left: &[NodeId], right: &[NodeId]) {
        self.change(|weather| {
            for &a in left {
                for &b in right {
                    weather.blocked.insert((a, b));
                    weather.blocked.insert((b, a));
                }
            }
        });
    }

    /// Cuts one direction only. As acknowledgements are lost with it, a connection times out at both ends.
    pub fn block(&self, from: NodeId, to: NodeId) {
        self.change(|weather| {
            weather.blocked.insert((from, to));
        });
    }

    /// Mends every cut.
    pub fn heal(&self) {
        self.change(|weather| weather.blocked.clear());
    }

    /// Drops a node as if its process had died: it says no goodbye, its `accept` gives `None`, its dials fail as
    /// after a shutdown, and its connections fail. Gives false if there is no such node.
    pub fn kill(&self, id: NodeId, death: Death) -> bool {
        let host = self.lock().hosts.remove(&id);
        if let Some(host) = &host {
            bury(host, death);
            self.0.changed.notify_waiters();
        }
        host.is_some()
    }

    /// What happens to dials of ids that are not on the network. At first they are refused.
    pub fn set_unknown_dials(&self, unknown: UnknownDials) {
        self.lock().unknown = unknown;
        self.0.changed.notify_waiters();
    }

    /// What was counted so far.
    pub fn stats(&self) -> MemoryStats {
        self.0.counters.snapshot()
    }

    pub(super) fn remove(&self, host: &Arc<Host>) {
        let mut inner = self.lock();
        // Another node may have the id by now.
        if inner.hosts.get(&host.id).is_some_and(|found| Arc::ptr_eq(found, host)) {
            inner.hosts.remove(&host.id);
        }
        drop(inner);
        self.0.changed.notify_waiters();
    }

    pub(super) async fn dial(&self, from: &Arc<Host>, to: NodeId) -> Result<MemoryConnection, DialError> {
        let deadline = later(Instant::now(), self.0.config.dial_timeout);
        let mut travelled = false;
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            let answered = match self.try_dial(from, to, travelled) {
                Dial::Connected(connection) => return Ok(connection),
                Dial::Failed(error) => return Err(error),
                Dial::Travels(time) => {
                    travelled = true;
                    tokio::time::timeout_at(deadline, tokio::time::sleep(time)).await
                }
                Dial::Silence => tokio::time::timeout_at(deadline, changed).await,
            };
            if answered.is_err() {
                return Err(DialError::TimedOut(to));
            }
        }
    }

    fn try_dial(&self, from: &Arc<Host>, to: NodeId, travelled: bool) -> Dial {
        let Ok(runtime) = Handle::try_current() else {
            let reason = "a memory connection needs a tokio runtime".into();
            return Dial::Failed(DialError::Unreachable { peer: to, reason });
        };
        let mut inner = self.lock();
        if from.is_gone() {
            return Dial::Failed(DialError::ShutDown);
        }
        if from.id == to {
            return Dial::Failed(DialError::OwnId(to));
        }
        let forth = inner.weather.between(from.id, to);
        let back = inner.weather.between(to, from.id);
        let host = inner.hosts.get(&to).cloned();
        if forth.blocked || back.blocked || (host.is_none() && inner.unknown == UnknownDials::Silent) {
            return Dial::Silence;
        }
        let round_trip = forth.latency.base.saturating_add(back.latency.base);
        if !travelled && !round_trip.is_zero() {
            return Dial::Travels(round_trip);
        }
        let Some(host) = host else {
            let reason = "no node of this id is on the memory network".into();
            return Dial::Failed(DialError::Unreachable { peer: to, reason });
        };
        if !host.has_room(self.0.config.accept_queue) {
            count(&self.0.counters.dials_declined);
            let reason = "its queue of connections is full".into();
            return Dial::Failed(DialError::Declined { peer: to, code: code::BUSY, reason });
        }
        inner.made += 1;
        let seed = self.0.config.seed ^ inner.made;
        let (config, counters) = (Arc::clone(&self.0.config), Arc::clone(&self.0.counters));
        let pipe = Pipe::start(config, counters, seed, forth, back, &runtime);
        inner.remember(from.id, to, &pipe);
        from.add(Side::Dialler, &pipe);
        host.add(Side::Acceptor, &pipe);
        host.enqueue(MemoryConnection::new(Arc::clone(&pipe), Side::Acceptor, from.id));
        Dial::Connected(MemoryConnection::new(pipe, Side::Dialler, to))
    }

    fn change(&self, change: impl FnOnce(&mut Weather)) {
        let mut inner = self.lock();
        change(&mut inner.weather);
        let now = Instant::now();
        for (dialler, acceptor, pipe) in &inner.pipes {
            let Some(pipe) = pipe.upgrade() else { continue };
            let forth = inner.weather.between(*dialler, *acceptor);
            let back = inner.weather.between(*acceptor, *dialler);
            pipe.with(|state, wakes| state.set_conditions(forth, back, now, wakes));
        }
        drop(inner);
        self.0.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, dialler: NodeId, acceptor: NodeId, pipe: &Arc<Pipe>) {
        if self.pipes.len() == self.pipes.capacity() {
            self.pipes.retain(|(_, _, pipe)| pipe.strong_count() > 0);
        }
        self.pipes.push((dialler, acceptor, Arc::downgrade(pipe)));
    }
}

impl Default for MemoryNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNetwork").field("nodes", &self.lock().hosts.len()).finish_non_exhaustive()
    }
}

fn bury(host: &Host, death: Death) {
    host.retire(|side, pipe| {
        pipe.with(|state, wakes| state.die(side, death == Death::Silent, wakes));
    });
}
