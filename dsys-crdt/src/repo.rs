//! Documents in one file, each with its whole history: written as it changes, opened without a replay (feature `store`).
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use dsys_crdt::doc::Value;
//! use dsys_crdt::repo::{Doc, Repo};
//!
//! let repo = Repo::memory()?; // or Repo::open("notes.redb").await?
//! let doc: Doc = repo.create("shopping")?;
//! doc.change(|note| {
//!     note.set("/title", "Saturday")?;
//!     note.set("/body", Value::Text("milk\n".into()))
//! })?;
//! doc.saved().await?; // on the disk
//! assert_eq!(doc.get("/title")?, Some("Saturday".into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A change is made in memory, at once, and written by a thread of the repo's own; many are written together. A change of
//! ours that is not yet on the disk is told to no peer, so a crash can take it back, but never one that somebody has seen.
//!
//! **One file, one writer.** The repo signs with a key that it keeps in the file. A file that was copied, or brought back
//! from a backup, must not be written to where the original goes on, or has gone on: two changes in one place are a fork, and
//! the key is suspended everywhere. [`Repo::open_as`] takes a key of your own.

// Many tasks share a repo, and a thread writes; changes carry the wall clock.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod document;
mod file;
mod link;
#[cfg(feature = "net")]
mod preview;
mod subscription;
mod texts;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use document::{Cell, Due, now};
pub use document::{ChangeError, Doc, Dynamic};
use dsys_core::{NodeId, Signer};
use file::{File, Info, Write};
pub use link::{BadLink, Link, Rule};
pub use subscription::{Subscription, Update};
use writer::Writer;

use crate::change::DocumentId;
use crate::doc::SnapshotError;

/// Documents, in a file or in memory. Clones are handles to the same; when the last is dropped, with all documents, what is
/// not written yet is written, and then the file is closed.
#[derive(Clone, Debug)]
pub struct Repo {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) key: Arc<dyn Signer>,
    pub(crate) config: RepoConfig,
    pub(crate) writer: Writer,
    /// There is a `Sync` of it.
    #[cfg(feature = "net")]
    pub(crate) syncs: std::sync::atomic::AtomicBool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    names: BTreeMap<String, DocumentId>,
    documents: BTreeMap<DocumentId, Info>,
    open: BTreeMap<DocumentId, Weak<Cell>>,
}

/// The bounds of a [`Repo`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepoConfig {
    /// So many bytes of changes wait to be written at most; then [`Doc::change`] waits for the disk. At first 16 MiB.
    pub max_unwritten: usize,
    /// What came from peers is written so long after, with what has come meanwhile, or with the next change of our own. At
    /// first 10 ms: whatever else hears of the same keystroke is done by then.
    pub gather: Duration,
    /// A document's state is written anew after so many changes, and a half more than it has; later while more is coming. At
    /// first 512.
    pub compact_after: u32,
    /// So many documents at most. At first 1,000,000.
    pub max_documents: usize,
    /// The longest name of a document, in bytes. At first 1,024.
    pub max_name: usize,
    /// So many updates wait for one subscriber; one who is slower is told [`Update::Missed`]. At first 1,024.
    pub max_updates: usize,
    /// A document that is shared and that nobody has a handle to is closed after so long, and opened again when something
    /// comes. At first a minute.
    pub close_after: Duration,
    /// What the database may keep in memory, in bytes. At first 8 MiB.
    pub cache: usize,
}

impl Default for RepoConfig {
    fn default() -> Self {
        RepoConfig {
            max_unwritten: 16 << 20,
            gather: Duration::from_millis(10),
            compact_after: 512,
            max_documents: 1_000_000,
            max_name: 1_024,
            max_updates: 1_024,
            close_after: Duration::from_secs(60),
            cache: 8 << 20,
        }
    }
}

/// Why a repo, or a document in it, cannot be used. What was written before is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError {
    /// Another process, or another [`Repo`] of this one, has the file open.
    #[error("the file is open already: close the other program, or share one Repo")]
    InUse,
    /// The file is no repo.
    #[error("the file is no repo of dsys-crdt: choose another name")]
    NotRepo,
    /// The file is of a version that this one does not know.
    #[error("the file has format version {0}, and this is version 1: update dsys-crdt")]
    Newer(u8),
    /// The file is not what was written to it.
    #[error("the file is damaged ({0}): bring it back from a backup, or fetch the documents from peers")]
    Damaged(String),
    /// One document in the file is not what was written.
    #[error("{0}")]
    Document(#[from] SnapshotError),
    /// The disk is full. What was not written yet is in memory only, and is not told to peers.
    #[error("the disk is full: make free space, and open the file again")]
    Full,
    /// The disk failed. As for [`RepoError::Full`].
    #[error("the disk failed ({0}): what was not yet saved is lost when the program ends")]
    Io(String),
    /// There is a document of this name, or this document under another.
    #[error("there is such a document already: open it with Repo::get")]
    Exists,
    /// The name is empty or too long, or there are as many documents as may be.
    #[error("that is more than the repo's bounds allow: {0}")]
    Bound(&'static str),
    /// The document was removed.
    #[error("the document was removed")]
    Removed,
    /// The repo was closed.
    #[error("the repo was closed: open it again")]
    Closed,
    /// The file belongs to another key.
    #[error("the file belongs to another key: open it with that, or with Repo::open")]
    OtherKey,
    /// The operating system has no randomness to give.
    #[error("the operating system has no randomness to give: {0}")]
    NoRandomness(String),
}

impl Repo {
    /// Opens a file, or makes it, with a key of its own, and [`RepoConfig::default`]. After a crash the file is repaired first.
    ///
    /// # Errors
    /// [`RepoError`]; the file is left as it was.
    ///
    /// # Cancel safety
    /// Safe: the file is closed again.
    pub async fn open(path: impl AsRef<Path>) -> Result<Repo, RepoError> {
        Repo::open_with(path, None, RepoConfig::default()).await
    }

    /// [`Repo::open`] with a key of yours, which is not written to the file: a node's, say, by its `signer`. The file is bound to it.
    ///
    /// # Errors
    /// As there, and [`RepoError::OtherKey`].
    ///
    /// # Cancel safety
    /// As there.
    pub async fn open_as(path: impl AsRef<Path>, key: Arc<dyn Signer>) -> Result<Repo, RepoError> {
        Repo::open_with(path, Some(key), RepoConfig::default()).await
    }

    /// [`Repo::open`] or [`Repo::open_as`] with other bounds.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn open_with(
        path: impl AsRef<Path>,
        key: Option<Arc<dyn Signer>>,
        config: RepoConfig,
    ) -> Result<Repo, RepoError> {
        let path = path.as_ref().to_path_buf();
        let (answer, opened) = tokio::sync::oneshot::channel();
        let opening = std::thread::Builder::new().name("dsys-crdt open".into()).spawn(move || {
            // Nobody may be waiting any more.
            let _ =
                answer.send(writer::contained(|| Repo::of(File::open(&path, config.cache)?, key, config)));
        });
        opening.map_err(|error| RepoError::Io(error.to_string()))?;
        opened.await.unwrap_or_else(|_| Err(RepoError::Io("the thread that opens it has died".into())))
    }

    /// A repo that keeps nothing, for tests and for apps that only read.
    ///
    /// # Errors
    /// If there is no randomness, or no thread.
    pub fn memory() -> Result<Repo, RepoError> {
        Repo::memory_with(None, RepoConfig::default())
    }

    /// [`Repo::memory`] with a key of yours, and other bounds.
    ///
    /// # Errors
    /// As there.
    pub fn memory_with(key: Option<Arc<dyn Signer>>, config: RepoConfig) -> Result<Repo, RepoError> {
        Repo::of(File::memory(config.cache)?, key, config)
    }

    fn of(file: File, key: Option<Arc<dyn Signer>>, config: RepoConfig) -> Result<Repo, RepoError> {
        let key = file.key(key)?;
        let documents = file.documents()?;
        let names = documents.iter().map(|(id, info)| (info.name.clone(), *id)).collect();
        let table = Mutex::new(Table { names, documents, open: BTreeMap::new() });
        let writer = Writer::start(file, config.max_unwritten, config.gather)?;
        let inner = Inner {
            key,
            config,
            writer,
            #[cfg(feature = "net")]
            syncs: std::sync::atomic::AtomicBool::new(false),
            table,
        };
        Ok(Repo { inner: Arc::new(inner) })
    }

    /// The author of what is written here.
    pub fn id(&self) -> NodeId {
        self.inner.key.public()
    }

    /// A new document, of which we are the owner: nobody else writes before [`Doc::grant`].
    ///
    /// # Errors
    /// [`RepoError::Exists`], [`RepoError::Bound`], or the disk's.
    pub fn create<T>(&self, name: &str) -> Result<Doc<T>, RepoError> {
        self.create_with(name, Rule::Owner(self.id()))
    }

    /// A new document under another rule.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn create_with<T>(&self, name: &str, rule: Rule) -> Result<Doc<T>, RepoError> {
        let mut id = [0; 32];
        dsys_core::Rng::from_os().map_err(|error| RepoError::NoRandomness(error.to_string()))?.fill(&mut id);
        self.insert(name, Link { document: DocumentId::from_bytes(id), rule }, now())
    }

    /// A document that somebody else has made, of which nothing is known yet: [`Doc::link`] there.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn join<T>(&self, name: &str, link: Link) -> Result<Doc<T>, RepoError> {
        self.insert(name, link, 0)
    }

    fn insert<T>(&self, name: &str, link: Link, made: u64) -> Result<Doc<T>, RepoError> {
        let mut table = self.table();
        if table.names.contains_key(name) || table.documents.contains_key(&link.document) {
            return Err(RepoError::Exists);
        }
        if name.is_empty() || name.len() > self.inner.config.max_name {
            return Err(RepoError::Bound("the name's length"));
        }
        if table.documents.len() >= self.inner.config.max_documents {
            return Err(RepoError::Bound("the number of documents"));
        }
        let info = Info { name: name.into(), rule: link.rule, made };
        self.inner.writer.write(Write::Document(link.document, info.clone()))?;
        table.names.insert(name.into(), link.document);
        table.documents.insert(link.document, info);
        Ok(self.opened(&mut table, link.document, true))
    }

    /// The document of a name. It is read from the file when it is first used.
    pub fn get<T>(&self, name: &str) -> Option<Doc<T>> {
        let mut table = self.table();
        let id = *table.names.get(name)?;
        Some(self.opened(&mut table, id, false))
    }

    /// The document of an id.
    pub fn get_by_id<T>(&self, id: &DocumentId) -> Option<Doc<T>> {
        let mut table = self.table();
        table.documents.contains_key(id).then(|| self.opened(&mut table, *id, false))
    }

    /// All documents, by their names.
    pub fn list(&self) -> Vec<(String, Link)> {
        let table = self.table();
        let link = |id| table.documents.get(id).map(|info| Link { document: *id, rule: info.rule });
        table.names.iter().filter_map(|(name, id)| Some((name.clone(), link(id)?))).collect()
    }

    /// How many documents are in memory.
    pub fn open_count(&self) -> usize {
        let cells: Vec<Arc<Cell>> = self.table().open.values().filter_map(Weak::upgrade).collect();
        cells.iter().filter(|cell| cell.is_read()).count()
    }

    /// Removes a document with its history here. Handles to it fail from now on; peers who have it keep it.
    ///
    /// # Errors
    /// The disk's. False if there is none.
    pub fn remove(&self, name: &str) -> Result<bool, RepoError> {
        let mut table = self.table();
        let Some(id) = table.names.get(name).copied() else { return Ok(false) };
        self.inner.writer.write(Write::Remove(id))?;
        table.names.remove(name);
        table.documents.remove(&id);
        if let Some(cell) = table.open.remove(&id).and_then(|cell| cell.upgrade()) {
            cell.remove();
        }
        Ok(true)
    }

    /// Waits until all that was done is on the disk.
    ///
    /// # Errors
    /// The disk's.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn flush(&self) -> Result<(), RepoError> {
        self.inner.writer.flush().await
    }

    /// Writes what is not yet written, and closes the file, though there may be handles left; they fail from now on.
    ///
    /// # Cancel safety
    /// It is closed anyway, soon.
    pub async fn close(&self) {
        let open: Vec<Arc<Cell>> = self.table().open.values().filter_map(Weak::upgrade).collect();
        open.iter().for_each(|cell| cell.compact(Due::Any));
        self.inner.writer.close().await;
    }

    fn opened<T>(&self, table: &mut Table, id: DocumentId, new: bool) -> Doc<T> {
        let open = table.open.get(&id).and_then(Weak::upgrade);
        let cell = open.unwrap_or_else(|| {
            let info = table.documents.get(&id);
            let (rule, ours) = info.map_or((Rule::Open, false), |info| (info.rule, info.made > 0));
            let cell = Cell::new(self.inner.clone(), Link { document: id, rule }, new, ours);
            if table.open.len() > 64 && table.open.len().is_power_of_two() {
                table.open.retain(|_, cell| cell.strong_count() > 0);
            }
            table.open.insert(id, Arc::downgrade(&cell));
            cell
        });
        Doc::of(cell)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "net")]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

#[cfg(test)]
mod tests;
