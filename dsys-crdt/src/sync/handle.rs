//! The machine on a network, with the documents of a repo: [`Sync`].

// A handle is no machine: many tasks share it.
#![allow(clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId};
use dsys_transport::{NoDisk, Node, ProtocolError, RunConfig, Running, run_with};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::debug;

use super::machine::{Library, Replicator};
use super::words::{Command, Event, Stats};
use super::{Config, Preview};
use crate::change::{Bundle, ChangeId, DocumentId, Log, Received};
use crate::repo::{Doc, Repo, Rule, Update};

/// The protocol's tag on the wire.
const TAG: &str = "dsys/crdt/sync/4";

/// Keeps documents of a repo in step with those of peers, over a node's connections. Clones are handles to the same; when the
/// last is dropped it ends.
#[derive(Clone)]
pub struct Sync {
    hub: Arc<Hub>,
}

struct Hub {
    node: Node,
    docs: Docs,
    commands: mpsc::Sender<Command>,
    stats: Arc<Mutex<Stats>>,
    tasks: [AbortHandle; 3],
    _turn: Turn,
}

/// A repo has one at a time: there is one to hear what is on its disk.
struct Turn(Repo);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.inner().syncs.store(false, Ordering::Release);
    }
}

/// The shared documents, which stay open.
type Docs = Arc<Mutex<BTreeMap<DocumentId, Doc>>>;
type Readers = Arc<dyn Fn(&NodeId, &DocumentId) -> bool + Send + std::marker::Sync>;

/// How sync is set up.
pub struct Builder<'a> {
    node: &'a Node,
    repo: &'a Repo,
    config: Config,
    readers: Readers,
}

/// Why sync was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The node speaks the protocol already, or can speak no more.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The repo is in step with others over another node already.
    #[error("this repo has its Sync already: share one, or drop the other first")]
    Taken,
}

/// Sync has ended, because its node has: nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sync has ended: its node has shut down")]
pub struct Ended;

impl Sync {
    /// Starts with [`Config::default`]: whoever knows the name of a document that is shared may read it. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing was started.
    pub fn spawn(node: &Node, repo: &Repo) -> Result<Sync, SpawnError> {
        Sync::builder(node, repo).spawn()
    }

    /// Sets it up otherwise.
    pub fn builder<'a>(node: &'a Node, repo: &'a Repo) -> Builder<'a> {
        Builder { node, repo, config: Config::default(), readers: Arc::new(|_, _| true) }
    }

    /// Shares a document with these peers, who are dialled until they are there, and with all who ask for it and may read
    /// it. Returns at once. A document that was shared before gets the peers in addition.
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// Safe: it is shared, or not.
    pub async fn share<T, A: Into<NodeAddr>>(
        &self,
        doc: &Doc<T>,
        peers: impl IntoIterator<Item = A>,
    ) -> Result<(), Ended> {
        let addresses: Vec<NodeAddr> = peers.into_iter().map(Into::into).collect();
        let ids = addresses.iter().map(|addr| addr.id).filter(|id| *id != self.hub.node.id()).collect();
        addresses.into_iter().for_each(|addr| self.hub.node.add_addr(addr));
        let lock = self.hub.docs.lock();
        lock.unwrap_or_else(PoisonError::into_inner).insert(doc.id(), doc.cast());
        self.command(Command::Share(doc.id(), ids)).await
    }

    /// Shares a document no longer. Peers keep what they have.
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// As [`Sync::share`].
    pub async fn unshare<T>(&self, doc: &Doc<T>) -> Result<(), Ended> {
        self.hub.docs.lock().unwrap_or_else(PoisonError::into_inner).remove(&doc.id());
        self.command(Command::Unshare(doc.id())).await
    }

    /// Shows something to those who have the document open: a name, a cursor, a colour. At most
    /// [`Config::max_presence`] bytes, else peers take it for a violation, so it is not sent. They get
    /// [`Update::Presence`]; nothing is kept.
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// As [`Sync::share`].
    pub async fn show<T>(&self, doc: &Doc<T>, state: Vec<u8>) -> Result<(), Ended> {
        self.command(Command::Presence(doc.id(), state)).await
    }

    /// What was counted, up to a second or two ago.
    pub fn stats(&self) -> Stats {
        *self.hub.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn command(&self, command: Command) -> Result<(), Ended> {
        self.hub.commands.send(command).await.map_err(|_| Ended)
    }
}

impl Builder<'_> {
    /// Other bounds and times.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Who may read which of the shared documents. It is asked for every message; it must not block.
    #[must_use]
    pub fn readers(
        mut self,
        may_read: impl Fn(&NodeId, &DocumentId) -> bool + Send + std::marker::Sync + 'static,
    ) -> Self {
        self.readers = Arc::new(may_read);
        self
    }

    /// Starts. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing was started.
    pub fn spawn(self) -> Result<Sync, SpawnError> {
        let Builder { node, repo, config, readers } = self;
        if repo.inner().syncs.swap(true, Ordering::AcqRel) {
            return Err(SpawnError::Taken);
        }
        // Given back however this ends.
        let turn = Turn(repo.clone());
        let docs = Docs::default();
        let shelf = Shelf { docs: docs.clone(), readers };
        let mut running = RunConfig::default();
        // A piece has one change at least, of whatever size a log lets in.
        running.max_message = (16 << 20) + (1 << 20);
        running.inbox = 64;
        let running = run_with(Replicator::new(shelf, config), node, TAG, NoDisk, running)?;
        let (commands, stats) = (running.commander(), Arc::new(Mutex::new(Stats::default())));
        let tasks = [
            tokio::spawn(tell(running, docs.clone(), stats.clone())).abort_handle(),
            tokio::spawn(stored(repo.clone(), commands.clone())).abort_handle(),
            tokio::spawn(close_idle(repo.inner().config.close_after, docs.clone())).abort_handle(),
        ];
        Ok(Sync { hub: Arc::new(Hub { node: node.clone(), docs, commands, stats, tasks, _turn: turn }) })
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sync").finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Tells the machine what is on the disk.
async fn stored(repo: Repo, commands: mpsc::Sender<Command>) {
    loop {
        for document in repo.inner().writer.stored().await {
            if commands.send(Command::Stored(document)).await.is_err() {
                return;
            }
        }
    }
}

/// Closes documents that nobody uses.
async fn close_idle(after: Duration, docs: Docs) {
    let mut rounds = tokio::time::interval((after / 2).max(Duration::from_millis(10)));
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let shared = |from: Option<DocumentId>| {
            let docs = docs.lock().unwrap_or_else(PoisonError::into_inner);
            let from = from.map_or(Bound::Unbounded, Bound::Excluded);
            // A handle more would make it look used.
            docs.range((from, Bound::Unbounded))
                .next()
                .map(|(id, doc)| (*id, doc.is_alone().then(|| doc.clone())))
        };
        let mut at = None;
        while let Some((id, doc)) = shared(at) {
            at = Some(id);
            if let Some(doc) = doc {
                doc.cell().rest(after);
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Tells those who follow a document what the machine has to say of it.
async fn tell(mut running: Running<Replicator<Shelf>>, docs: Docs, stats: Arc<Mutex<Stats>>) {
    while let Some(event) = running.next_event().await {
        let (document, update) = match event {
            Event::InStep(document, peer) => (document, Update::InStep { peer }),
            Event::Progress(document, peer, received, left) => {
                (document, Update::Progress { peer, received, left })
            }
            Event::Presence(document, peer, state) => (document, Update::Presence { peer, state }),
            Event::Declined(document, peer) => (document, Update::Declined { peer }),
            Event::Withheld(document, peer) => (document, Update::Withheld { peer }),
            Event::Trimmed(document, peer) => (document, Update::Trimmed { peer }),
            Event::Preview(document, peer) => (document, Update::Preview { peer }),
            Event::PreviewEnded(document, peer, was_true) => {
                (document, Update::PreviewEnded { peer, was_true })
            }
            Event::Unmergeable(document, change) => (document, Update::Unmergeable { change }),
            Event::Forked(document, author) => (document, Update::Forked { author }),
            Event::Counted(counted) => {
                *stats.lock().unwrap_or_else(PoisonError::into_inner) = counted;
                continue;
            }
        };
        let doc = docs.lock().unwrap_or_else(PoisonError::into_inner).get(&document).cloned();
        if let Some(doc) = doc {
            doc.cell().tell(&update);
        }
    }
}

/// The shared documents of a repo.
struct Shelf {
    docs: Docs,
    readers: Readers,
}

impl Shelf {
    fn doc(&self, document: &DocumentId) -> Option<Doc> {
        self.docs.lock().unwrap_or_else(PoisonError::into_inner).get(document).cloned()
    }
}

impl Library for Shelf {
    type Policy = Rule;

    fn look<R>(&self, document: &DocumentId, look: impl FnOnce(&Log<Rule>, u32) -> R) -> Option<R> {
        let doc = self.doc(document)?;
        let looked = doc.cell().look(look);
        looked.inspect_err(|error| debug!(?document, %error, "a shared document cannot be read")).ok()
    }

    fn stored(&self, document: &DocumentId) -> Option<u32> {
        self.doc(document).map(|doc| doc.cell().stored_count())
    }

    fn resting(&self, document: &DocumentId) -> Option<Vec<ChangeId>> {
        self.doc(document)?.cell().resting_heads()
    }

    fn receive(&mut self, document: &DocumentId, changes: Bundle) -> Option<(Received, u32)> {
        let received = self.doc(document)?.cell().receive(changes);
        received.inspect_err(|error| debug!(?document, %error, "changes cannot be kept")).ok()
    }

    fn content(&self, document: &DocumentId) -> Option<(Vec<ChangeId>, Vec<u8>)> {
        self.doc(document)?.cell().content()
    }

    fn preview(&mut self, document: &DocumentId, from: NodeId, preview: Preview) -> bool {
        self.doc(document).is_some_and(|doc| doc.cell().take_preview(from, preview))
    }

    fn end_preview(&mut self, document: &DocumentId, anyway: bool) -> Option<(NodeId, Option<bool>)> {
        self.doc(document)?.cell().end_preview(anyway)
    }

    fn may_read(&self, peer: &NodeId, document: &DocumentId) -> bool {
        (self.readers)(peer, document)
    }
}
