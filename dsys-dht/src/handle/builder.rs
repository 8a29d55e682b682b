//! How a DHT is started.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, Ticket};
use dsys_transport::{Node, ProtocolError, RunConfig, Tag, run_with};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch as latest;

use super::disk::{NoStore, StoreDisk};
use super::idle::{IDLE, Idle};
use super::router::{Router, Told, route};
use super::{Dht, Inner, now};
use crate::overlay::{self, Mode, Overlay};
use crate::records::{Command, Config, DamagedRecord, Records};
use crate::store::{Store, StoreError};

/// What a DHT is made of. [`start`](Builder::start) makes it.
#[derive(Debug)]
pub struct Builder<O, S> {
    node: Node,
    overlay: O,
    store: S,
    stored: bool,
    bootstrap: Vec<NodeAddr>,
    quorum: usize,
    mode: Option<Mode>,
    idle: Duration,
    config: Config,
    run: RunConfig,
}

/// Why a DHT did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store did not give back what was written to it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it gave back makes no sense.
    #[error(transparent)]
    Damaged(#[from] DamagedRecord),
    /// The node speaks this protocol already, or has ended.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl Builder<crate::Kademlia, NoStore> {
    pub(super) fn new(node: &Node) -> Self {
        Builder {
            node: node.clone(),
            overlay: crate::Kademlia::default(),
            store: NoStore,
            stored: false,
            bootstrap: Vec::new(),
            quorum: 3,
            mode: None,
            idle: IDLE,
            config: Config::default(),
            run: RunConfig::default(),
        }
    }
}

impl<O: Overlay, S: Store> Builder<O, S> {
    /// Another overlay, or other settings: `Kademlia::from(config)`.
    pub fn overlay<P: Overlay>(self, overlay: P) -> Builder<P, S> {
        let Builder { node, store, stored, bootstrap, quorum, mode, idle, config, run, .. } = self;
        Builder { node, overlay, store, stored, bootstrap, quorum, mode, idle, config, run }
    }

    /// Where records and contacts outlive the process. Without a store they do not; the budget of bytes is
    /// [`Config::max_bytes`] in both cases.
    pub fn store<T: Store>(self, store: T) -> Builder<O, T> {
        let Builder { node, overlay, bootstrap, quorum, mode, idle, config, run, .. } = self;
        Builder { node, overlay, store, stored: true, bootstrap, quorum, mode, idle, config, run }
    }

    /// Nodes to begin with, and to return to when no other is known.
    #[must_use]
    pub fn bootstrap(mut self, tickets: impl IntoIterator<Item = Ticket>) -> Self {
        self.bootstrap.extend(tickets.into_iter().map(|Ticket(addr)| addr));
        self
    }

    /// So many nodes must agree before [`Dht::resolve`] ends early; 3 if nothing is said.
    #[must_use]
    pub fn quorum(mut self, quorum: usize) -> Self {
        self.quorum = quorum;
        self
    }

    /// Whether it answers others and wants to be known by them, whatever the overlay's settings say; those say
    /// [`Mode::Auto`] if nothing else: it finds out by itself whether it can be dialled. A client looks up and stores elsewhere, and is in nobody's table.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// A connection to a node that speaks this DHT's protocol and no other is closed when nobody has used it for so long, or up to
    /// a quarter more: no stream lives on it, and nothing was sent. 10 s if nothing is said; to keep connections until
    /// [`NodeConfig::idle_timeout`](dsys_transport::NodeConfig::idle_timeout), as those are that may serve another protocol, say
    /// [`Duration::MAX`]. What is asked of a node later dials it again, which takes a round trip more.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Lifetimes, limits, validators.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The bounds of the driver.
    #[must_use]
    pub fn run_config(mut self, run: RunConfig) -> Self {
        self.run = run;
        self
    }

    /// Starts it. It joins by itself: see [`Dht::joined`].
    ///
    /// # Errors
    /// [`StartError`]; nothing runs.
    ///
    /// # Cancel safety
    /// Safe: nothing runs.
    pub async fn start(self) -> Result<Dht, StartError>
    where
        O: Overlay<Message: Serialize + DeserializeOwned + Send, Timer: Send> + Send + 'static,
    {
        let Builder { node, overlay, store, stored, bootstrap, quorum, mode, idle, mut config, mut run } =
            self;
        config.durable = stored;
        run.stream_idle = run.stream_idle.min(idle / 2);
        let tag = Tag::new(O::TAG).map_err(ProtocolError::from)?;
        let max_ttl = config.rules.max_ttl;
        let mut disk = StoreDisk(store);
        let written = disk.load().await?;
        let addr = node.addr();
        let overlay = overlay.named(addr.clone());
        let machine = Records::new(overlay, now(), config);
        let machine = machine.restore(written.iter().map(Vec::as_slice))?;
        let running = run_with(machine, &node, tag, disk, run)?;
        let commands = running.commander();
        let mode = mode.map(overlay::Command::Serve);
        for command in mode.into_iter().chain([overlay::Command::Bootstrap(bootstrap)]) {
            // An empty queue has room.
            let _ = commands.try_send(Command::Overlay(command));
        }
        let ((peers, peers_seen), (ended, ended_seen)) = (latest::channel(0), latest::channel(None));
        let router = Router::new(commands);
        let inner = Arc::new_cyclic(|inner| {
            let (told, idle) = (Told { peers, ended }, Idle::new(&node, tag, idle));
            let task = tokio::spawn(route(running, router.clone(), inner.clone(), told, idle));
            Inner {
                router,
                signer: node.signer(),
                addr,
                max_ttl,
                quorum,
                peers: peers_seen,
                ended: ended_seen,
                task: task.abort_handle(),
            }
        });
        Ok(Dht { inner })
    }
}
