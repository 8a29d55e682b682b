//! One participant: it hears the news, fetches, and serves what it has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_transport::{Node, ProtocolError, Running, run};
use rumor::{Command, Event, Rumor};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::fetch::{Fetch, FetchError, Sources};
use crate::manifest::{BadManifest, Hash};
use crate::serve::{self, Serving, Shelf, Slot};
use crate::status::Status;
use crate::store::Store;
use crate::wire::{self, News};

/// What a participant is there for.
#[derive(Debug)]
pub enum Role {
    /// It has the folder, and tells everybody when [`Participant::publish`] is called.
    Share(Arc<Store>),
    /// It fetches the first folder that it hears of, into this one.
    Fetch(PathBuf),
}

/// One participant. Dropping it ends its tasks; [`Node::shutdown`] ends it with a farewell.
#[derive(Debug)]
pub struct Participant {
    node: Node,
    status: Status,
    commands: mpsc::Sender<Command>,
    folder: Option<Hash>,
    task: AbortHandle,
    _serving: Serving,
}

/// Why a participant did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The node speaks one of the protocols already.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The folder is beyond a bound.
    #[error(transparent)]
    Manifest(#[from] BadManifest),
}

/// At most this many are remembered to have the folder.
const MAX_SOURCES: usize = 256;

impl Participant {
    /// Starts on a node, inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(node: Node, role: Role) -> Result<Self, StartError> {
        let (slot, status) = (Slot::default(), Status::new());
        let (mut folder, mut out) = (None, None);
        match role {
            Role::Share(store) => {
                let manifest = Bytes::from(store.manifest().encode()?);
                let root = *blake3::hash(&manifest).as_bytes();
                status.set_manifest(store.manifest(), store.bytes());
                let _ = slot.set(Shelf { root, manifest, store });
                folder = Some(root);
            }
            Role::Fetch(into) => out = Some(into),
        }
        let serving = serve::serve(&node, &slot, &status)?;
        let machine = Rumor::new(node.id(), [], rumors());
        let running = run(machine, &node, wire::RUMOR)?;
        let commands = running.commander();
        let life = Life {
            node: node.clone(),
            running,
            commands: commands.clone(),
            sources: watch::Sender::new(Sources::new()),
            out,
            root: folder,
            slot,
            status: status.clone(),
        };
        let task = tokio::spawn(life.run()).abort_handle();
        Ok(Participant { node, status, commands, folder, task, _serving: serving })
    }

    /// Tells everybody of the folder that it shares. Nothing happens if it shares none.
    pub async fn publish(&self) {
        if let Some(root) = self.folder {
            self.status.set_knew();
            self.status.set_whole();
            publish(&self.commands, &News::Folder { root }).await;
            publish(&self.commands, &News::Serves { root, addr: self.node.addr() }).await;
        }
    }

    /// Ends it: no more is fetched; what is being served may end within `deadline`.
    pub async fn shutdown(self, deadline: Duration) {
        let node = self.node.clone();
        drop(self);
        end(&node, deadline).await;
    }

    /// Its node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// How far it is.
    pub fn status(&self) -> &Status {
        &self.status
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends a node. A dial that nobody has answered would hold it up for some seconds more.
pub(crate) async fn end(node: &Node, deadline: Duration) {
    let _ = timeout(deadline + Duration::from_millis(200), node.shutdown(deadline)).await;
}

/// A few nodes and little news: rounds may be short. In a ring a node has two neighbours, so that a rumour with a small
/// `k` is told to the same one twice and dies; anti-entropy would help, but late.
fn rumors() -> rumor::Config {
    rumor::Config {
        round: Duration::from_millis(10),
        k: 8,
        anti_entropy: Some(Duration::from_millis(250)),
        max_payload: 1_024,
        ..rumor::Config::default()
    }
}

struct Life {
    node: Node,
    running: Running<Rumor>,
    commands: mpsc::Sender<Command>,
    sources: watch::Sender<Sources>,
    out: Option<PathBuf>,
    root: Option<Hash>,
    slot: Slot,
    status: Status,
}

impl Life {
    async fn run(mut self) {
        let mut fetches = JoinSet::new();
        loop {
            tokio::select! {
                event = self.running.next_event() => match event {
                    Some(Event::Heard { payload, .. }) => {
                        if let Ok(news) = postcard::from_bytes(&payload)
                            && let Some(fetch) = self.heard(news)
                        {
                            fetches.spawn(fetch_all(fetch, self.commands.clone()));
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
                Some(outcome) = fetches.join_next() => match outcome {
                    Ok(Ok(())) => self.status.set_whole(),
                    Ok(Err(error)) => self.status.set_failed(error.to_string()),
                    Err(_) => self.status.set_failed(FetchError::Panicked.to_string()),
                },
            }
        }
    }

    /// Takes in a piece of news; gives what is to be fetched because of it.
    fn heard(&mut self, news: News) -> Option<Fetch> {
        match news {
            News::Folder { root } if self.root.is_none() => {
                self.root = Some(root);
                self.status.set_knew();
                Some(Fetch {
                    node: self.node.clone(),
                    root,
                    out: self.out.take()?,
                    sources: self.sources.subscribe(),
                    slot: self.slot.clone(),
                    status: self.status.clone(),
                })
            }
            News::Folder { root } => {
                if self.root != Some(root) {
                    self.status
                        .note("another folder is shared here as well; the first one is kept to".into());
                }
                None
            }
            News::Serves { root, addr } => {
                let id = addr.id;
                if id != self.node.id() {
                    self.sources.send_if_modified(|sources| {
                        let room = sources.len() < MAX_SOURCES || sources.contains_key(&id);
                        let new = Some((root, addr.clone()));
                        room && sources.insert(id, (root, addr)) != new
                    });
                }
                None
            }
        }
    }
}

async fn fetch_all(mut fetch: Fetch, commands: mpsc::Sender<Command>) -> Result<(), FetchError> {
    let store = fetch.prepare().await?;
    publish(&commands, &News::Serves { root: fetch.root, addr: fetch.node.addr() }).await;
    fetch.run(store).await
}

async fn publish(commands: &mpsc::Sender<Command>, news: &News) {
    if let Ok(payload) = postcard::to_allocvec(news) {
        // The machine ends only with the node; then there is nobody to tell.
        let _ = commands.send(Command::Publish(payload.into())).await;
    }
}
