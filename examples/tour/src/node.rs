//! One participant: it hears the news by gossip, finds who has the folder by a DHT, fetches, and serves what it has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId, Ticket};
use dsys_dht::{ContentRouting, Dht, Key};
use dsys_gossip::{Cursor, Event, Gossip, JoinError, SpawnError, Subscription, TopicHandle};
use dsys_transport::{Node, ProtocolError};
use indicatif::HumanBytes;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::fetch::{Fetch, FetchError, Sources};
use crate::manifest::{BadManifest, Hash};
use crate::notes::{Notes, NotesError};
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
    topic: TopicHandle,
    dht: Dht,
    notes: Arc<Notes>,
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
    /// Gossip did not start.
    #[error(transparent)]
    Gossip(#[from] SpawnError),
    /// The topic was not joined.
    #[error(transparent)]
    Topic(#[from] JoinError),
    /// The DHT did not start.
    #[error(transparent)]
    Dht(#[from] dsys_dht::StartError),
    /// There is no place for notes.
    #[error(transparent)]
    Notes(#[from] NotesError),
    /// The folder is beyond a bound.
    #[error(transparent)]
    Manifest(#[from] BadManifest),
}

/// At most this many are remembered to have the folder.
const MAX_SOURCES: usize = 256;
/// Notes are kept in step with whom we know, and with so many of them.
const NOTES_WITH: usize = 4;
/// While a folder is fetched, the DHT is asked who else has it: again after this.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// So often, until somebody is found: a DHT that is just coming together answers for a part of itself.
const ASK_SOON: u32 = 50;
/// Then twice as long after each time, but not longer than this.
const ASK_AT_MOST: Duration = Duration::from_secs(5);

impl Participant {
    /// Starts on a node, and joins the others by these contacts. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(node: Node, contacts: Vec<NodeAddr>, role: Role) -> Result<Self, StartError> {
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
        let dht = Dht::builder(&node).bootstrap(contacts.iter().cloned().map(Ticket));
        let dht = dht.start().await?;
        let notes = Arc::new(Notes::start(&node)?);
        let topic = Gossip::builder(&node).spawn()?.join(wire::TOPIC, contacts.clone()).await?;
        let life = Life {
            node: node.clone(),
            news: topic.subscribe_from(Cursor::Oldest),
            dht: dht.clone(),
            contacts,
            notes: notes.clone(),
            sources: Arc::new(watch::Sender::new(Sources::new())),
            out,
            root: folder,
            slot,
            status: status.clone(),
        };
        let task = tokio::spawn(life.run()).abort_handle();
        Ok(Participant { node, status, topic, dht, notes, folder, task, _serving: serving })
    }

    /// Tells everybody of the folder that it shares. Nothing happens if it shares none. With nobody there, whoever comes
    /// later is told.
    pub async fn publish(&self) {
        if let Some(root) = self.folder {
            self.status.set_knew();
            self.status.set_whole();
            let notes = match self.notes.begin().await {
                Ok(link) => link,
                Err(error) => return self.status.set_failed(error.to_string()),
            };
            if let Ok(news) = postcard::to_allocvec(&News::Folder { root, notes }) {
                // It is short, and the node ends after us.
                let _ = self.topic.publish(news).await;
            }
            provide(&self.dht, root).await;
        }
    }

    /// Ends it: no more is fetched; what is being served may end within `deadline`, and what the DHT keeps here goes to
    /// others.
    pub async fn shutdown(self, deadline: Duration) {
        let (node, dht) = (self.node.clone(), self.dht.clone());
        drop(self);
        let _ = timeout(deadline, dht.leave()).await;
        node.shutdown(deadline).await;
    }

    /// Waits until so many lines are in the folder's note, and gives them. Cancel safety: safe.
    pub async fn notes(&self, lines: usize) -> Vec<String> {
        self.notes.has(lines).await;
        self.notes.lines()
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

/// Tells the DHT that we have chunks of a folder, or will have soon. Where nobody is there yet it is told again later.
async fn provide(routing: &impl ContentRouting, root: Hash) {
    let _ = routing.provide(Key::from_bytes(root)).await;
}

struct Life {
    node: Node,
    news: Subscription,
    dht: Dht,
    contacts: Vec<NodeAddr>,
    notes: Arc<Notes>,
    sources: Arc<watch::Sender<Sources>>,
    out: Option<PathBuf>,
    root: Option<Hash>,
    slot: Slot,
    status: Status,
}

impl Life {
    async fn run(mut self) {
        let mut fetches = JoinSet::new();
        // These end with this one.
        let (mut searches, mut writing) = (JoinSet::new(), JoinSet::new());
        loop {
            tokio::select! {
                event = self.news.next() => match event {
                    Some(Event::Message(message)) => {
                        if let Ok(News::Folder { root, notes }) = postcard::from_bytes(&message.payload)
                            && let Some(fetch) = self.heard(root)
                        {
                            let contacts = std::mem::take(&mut self.contacts);
                            if let Err(error) = self.notes.join(notes, contacts).await {
                                self.status.note(format!("there will be no note: {error}"));
                            }
                            let notes = self.notes.clone();
                            searches.spawn(search(self.dht.clone(), root, self.sources.clone(), notes, self.node.id()));
                            fetches.spawn(fetch_all(fetch, self.dht.clone()));
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
                Some(outcome) = fetches.join_next() => {
                    searches.abort_all();
                    match outcome {
                        Ok(Ok(())) => {
                            self.status.set_whole();
                            writing.spawn(sign(self.notes.clone(), self.node.id(), self.status.clone()));
                        }
                        Ok(Err(error)) => self.status.set_failed(error.to_string()),
                        Err(_) => self.status.set_failed(FetchError::Panicked.to_string()),
                    }
                }
            }
        }
    }

    /// Takes in a piece of news; gives what is to be fetched because of it.
    fn heard(&mut self, root: Hash) -> Option<Fetch> {
        if self.root.is_none() {
            self.root = Some(root);
            self.status.set_knew();
            return Some(Fetch {
                node: self.node.clone(),
                root,
                out: self.out.take()?,
                sources: self.sources.subscribe(),
                slot: self.slot.clone(),
                status: self.status.clone(),
            });
        }
        if self.root != Some(root) {
            self.status.note("another folder is shared here as well; the first one is kept to".into());
        }
        None
    }
}

/// Asks again and again who has the folder: the first who is known is enough to begin with. Nobody has proven that it is so;
/// whoever dials will see.
async fn search(
    routing: impl ContentRouting,
    root: Hash,
    sources: Arc<watch::Sender<Sources>>,
    notes: Arc<Notes>,
    me: NodeId,
) {
    let mut pause = ASK_AGAIN;
    for asked in 0_u32.. {
        // Not again: of an earlier life we may be the first ourselves.
        let most = if asked == 0 { 1 } else { MAX_SOURCES };
        // Where nobody has said so yet, somebody will.
        for addr in routing.providers(Key::from_bytes(root), most).await.unwrap_or_default() {
            let mut known = 0;
            let new = sources.send_if_modified(|sources| {
                let id = addr.id;
                let room = id != me && (sources.len() < MAX_SOURCES || sources.contains_key(&id));
                let new = room && sources.insert(id, (root, addr.clone())) != Some((root, addr.clone()));
                known = sources.len();
                new
            });
            if new && known <= NOTES_WITH {
                notes.also(addr).await;
            }
        }
        sleep(pause).await;
        if asked >= ASK_SOON || !sources.borrow().is_empty() {
            pause = (2 * pause).min(ASK_AT_MOST);
        }
    }
}

async fn fetch_all(mut fetch: Fetch, routing: impl ContentRouting) -> Result<(), FetchError> {
    let store = fetch.prepare().await?;
    let root = fetch.root;
    // It is told while the first chunks come.
    let (outcome, ()) = tokio::join!(fetch.run(store), provide(&routing, root));
    outcome
}

/// Adds our line to the folder's note.
async fn sign(notes: Arc<Notes>, me: NodeId, status: Status) {
    let bytes: u64 = status.received().values().sum();
    let (from, size) = (status.received().len(), HumanBytes(bytes));
    let line = match bytes {
        0 => format!("{} had it already", me.short()),
        _ => {
            format!("{} checked {size} from {from} {}", me.short(), if from == 1 { "node" } else { "nodes" })
        }
    };
    if let Err(error) = notes.write(line).await {
        status.note(format!("our line is not in the note: {error}"));
    }
}
