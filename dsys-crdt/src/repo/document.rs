//! The handle to a document of a repo.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
#[cfg(feature = "net")]
use std::time::{Duration, Instant};
use std::time::{SystemTime, UNIX_EPOCH};

use dsys_core::NodeId;
use tokio::sync::watch;

use super::file::Write;
use super::subscription::Subscribers;
use super::writer::Haste;
use super::{Inner, Link, RepoError, Rule, Subscription, Update};
#[cfg(feature = "net")]
use crate::change::Bundle;
use crate::change::{Change, ChangeId, DocumentId, Log, Refused};
use crate::doc::{self, DocError, Edit, Event, Value};
use crate::schema::{Crdt, Looking};

/// A document of which no type is known: its places are JSON pointers.
#[derive(Clone, Copy, Debug)]
pub enum Dynamic {}

/// A handle to a document of a repo. Clones are handles to the same. Methods that look at it lock it for so long, and read
/// it from the file when it is first used.
pub struct Doc<T = Dynamic> {
    cell: Arc<Cell>,
    shape: PhantomData<fn() -> T>,
}

/// Why a change was not made, or not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The change makes no sense. The document is as it was.
    #[error(transparent)]
    Doc(#[from] DocError),
    /// The repo cannot be used. The document is as it was.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// A document that is open, shared by all handles.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) link: Link,
    /// It was made here.
    ours: bool,
    repo: Arc<Inner>,
    /// Itself.
    cell: Weak<Cell>,
    state: Mutex<State>,
    /// Held by whoever makes a snapshot until it is to be written: so they are written in the order in which they were made.
    /// The store's thread never waits for it.
    compacting: Mutex<()>,
    /// What a peer says that it says.
    #[cfg(feature = "net")]
    pub(super) preview: super::preview::Slot,
    /// So many changes are on the disk.
    stored: watch::Sender<u32>,
    subscribers: Subscribers,
    removed: AtomicBool,
}

/// How much has to have come since the last snapshot for another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// Anything that is worth it: the document is closed.
    Any,
    /// As many changes as pay for it.
    Much,
    /// More is coming already, and a snapshot of all of it is cheaper than one of this and one of that.
    VeryMuch,
}

#[derive(Debug)]
struct State {
    /// None before it is used.
    doc: Option<doc::Doc<Rule>>,
    new: bool,
    /// So many changes are in the snapshot that was written last.
    kept: u32,
    /// Our own changes that were not on the disk yet when last looked at: their numbers.
    own: VecDeque<Range<u32>>,
    /// When somebody last had to do with it.
    #[cfg(feature = "net")]
    used: Instant,
    /// The last changes of one that was closed: all that peers are told of it while nothing happens.
    #[cfg(feature = "net")]
    heads: Option<Vec<ChangeId>>,
}

impl<T> Doc<T> {
    pub(super) fn of(cell: Arc<Cell>) -> Doc<T> {
        Doc { cell, shape: PhantomData }
    }

    /// The document's name among all.
    pub fn id(&self) -> DocumentId {
        self.cell.link.document
    }

    /// What somebody else needs to open it too, with [`Repo::join`](super::Repo::join).
    pub fn link(&self) -> Link {
        self.cell.link
    }

    /// The same document as another type, or as none.
    pub fn cast<U>(&self) -> Doc<U> {
        Doc::of(self.cell.clone())
    }

    /// Looks at the document with all that [`doc::Doc`] gives.
    ///
    /// # Errors
    /// If it cannot be read from the file.
    pub fn read<R>(&self, look: impl FnOnce(&doc::Doc<Rule>) -> R) -> Result<R, RepoError> {
        self.cell.with(|state| look(state))
    }

    /// Everything, as a value: as JSON through `serde_json`, say.
    ///
    /// # Errors
    /// As [`Doc::read`].
    pub fn value(&self) -> Result<Value, RepoError> {
        self.read(doc::Doc::value)
    }

    /// What a JSON pointer leads to.
    ///
    /// # Errors
    /// As [`Doc::read`].
    pub fn get(&self, pointer: &str) -> Result<Option<Value>, RepoError> {
        self.read(|doc| doc.get(pointer))
    }

    /// The version here.
    ///
    /// # Errors
    /// As [`Doc::read`].
    pub fn heads(&self) -> Result<Vec<ChangeId>, RepoError> {
        self.read(doc::Doc::heads)
    }

    /// Lets keys write: the [`Repo::id`](super::Repo::id) of others.
    ///
    /// # Errors
    /// If we are not the owner, or the disk failed.
    pub fn grant(&self, to: impl IntoIterator<Item = NodeId>) -> Result<(), ChangeError> {
        self.cell.commit(|log, inner| log.grant(&*inner.key, now(), to))
    }

    /// Lets keys write no longer; what they wrote and is not here does not count.
    ///
    /// # Errors
    /// As [`Doc::grant`].
    pub fn revoke(&self, from: impl IntoIterator<Item = NodeId>) -> Result<(), ChangeError> {
        self.cell.commit(|log, inner| log.revoke(&*inner.key, now(), from))
    }

    /// Cuts the history that a version has, as [`doc::Doc::trim`]: on the disk, too, with the next write. Give it
    /// [`Doc::heads`] that all have had for a while. Gives how many changes have been cut by now.
    ///
    /// # Errors
    /// As [`Doc::read`], and the disk's. Nothing is cut then.
    pub fn trim(&self, version: &[ChangeId]) -> Result<usize, RepoError> {
        self.cell.trim(version)
    }

    /// Waits until all that is in the document now is on the disk, so that peers may hear of it.
    ///
    /// # Errors
    /// The disk's.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn saved(&self) -> Result<(), RepoError> {
        let now = self.read(|doc| doc.log().len() as u32)?;
        let mut stored = self.cell.stored.subscribe();
        if *stored.borrow_and_update() >= now {
            return Ok(());
        }
        // Whatever was given to be written before this is then written, or has failed.
        self.cell.repo.writer.flush().await
    }

    /// Follows what happens to it from now on, as a stream.
    pub fn subscribe(&self) -> Subscription {
        self.cell.subscribers.subscribe()
    }

    /// Makes one change of all that `edit` does, places given by JSON pointers. It is in the document at once, on the disk
    /// and at the peers soon; [`Doc::saved`] waits for the disk. Waits itself only where very much is unwritten.
    ///
    /// # Errors
    /// Those of the edits, of the rule, of the disk. The document is then as it was.
    pub fn change_raw(
        &self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<(), DocError>,
    ) -> Result<(), ChangeError> {
        self.cell.change(edit)
    }

    /// Who writes here.
    pub(super) fn author(&self) -> NodeId {
        self.cell.repo.key.public()
    }

    pub(super) fn in_cell<R>(&self, act: impl FnOnce(&mut doc::Doc<Rule>) -> R) -> Result<R, RepoError> {
        self.cell.with(act)
    }

    #[cfg(any(test, feature = "net"))]
    pub(crate) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// Whether this is the only handle.
    #[cfg(feature = "net")]
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.cell) == 1
    }
}

impl Doc {
    /// As [`Doc::change_raw`].
    ///
    /// # Errors
    /// As there.
    pub fn change(
        &self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<(), DocError>,
    ) -> Result<(), ChangeError> {
        self.cell.change(edit)
    }
}

impl<T: Crdt> Doc<T> {
    /// Makes one change of all that `edit` does, as [`Doc::change_raw`].
    ///
    /// # Errors
    /// As there, and [`DocError::NotBegun`] if the document was made elsewhere and nothing has come of it yet.
    pub fn change(
        &self,
        edit: impl for<'a> FnOnce(&mut T::View<'a>) -> Result<(), DocError>,
    ) -> Result<(), ChangeError> {
        let begun = self.read(|doc| !doc.log().is_empty())?;
        if !begun && !self.cell.ours {
            return Err(DocError::NotBegun.into());
        }
        self.cell.change(|raw| crate::schema::view_of::<T, _>(raw, true, edit)?)
    }

    /// Looks at the document by its type.
    ///
    /// # Errors
    /// If it cannot be read from the file.
    pub fn look<R>(&self, look: impl for<'a> FnOnce(&mut T::View<'a>) -> R) -> Result<R, RepoError> {
        let looked = self.read(|doc| crate::schema::view_of::<T, R>(&mut Looking(doc), false, look))?;
        // It fails only where it begins something.
        looked.map_err(|_| RepoError::Removed)
    }
}

impl<T> Clone for Doc<T> {
    fn clone(&self) -> Self {
        Doc::of(self.cell.clone())
    }
}

impl<T> std::fmt::Debug for Doc<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doc").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Cell {
    pub(super) fn new(repo: Arc<Inner>, link: Link, new: bool, ours: bool) -> Arc<Cell> {
        Arc::new_cyclic(|cell| Cell {
            link,
            ours,
            cell: cell.clone(),
            repo,
            state: Mutex::new(State {
                doc: None,
                new,
                kept: 0,
                own: VecDeque::new(),
                #[cfg(feature = "net")]
                used: Instant::now(),
                #[cfg(feature = "net")]
                heads: None,
            }),
            compacting: Mutex::default(),
            #[cfg(feature = "net")]
            preview: Mutex::default(),
            stored: watch::Sender::new(0),
            subscribers: Subscribers::default(),
            removed: AtomicBool::new(false),
        })
    }

    /// Closes the document, if nobody has had to do with it for so long and all of it is on the disk. Its handles open it again.
    #[cfg(feature = "net")]
    pub(crate) fn rest(&self, idle: Duration) {
        let idles = |state: &State| state.doc.is_some() && state.used.elapsed() >= idle;
        if !self.state.try_lock().is_ok_and(|state| idles(&state)) {
            return;
        }
        self.compact(Due::Any);
        let mut state = self.state();
        let Some(doc) = state.doc.as_ref().filter(|_| idles(&state)) else { return };
        if doc.log().len() == self.stored_count() as usize && doc.log().waiting() == 0 {
            state.heads = Some(crate::sync::heads(doc.log()));
            state.doc = None;
        }
    }

    /// The last changes of a document that was closed, all of which are on the disk.
    #[cfg(feature = "net")]
    pub(crate) fn resting_heads(&self) -> Option<Vec<ChangeId>> {
        let state = self.state();
        state.heads.clone().filter(|_| state.doc.is_none() && !self.removed.load(Ordering::Acquire))
    }

    pub(super) fn is_read(&self) -> bool {
        self.state().doc.is_some()
    }

    pub(super) fn remove(&self) {
        self.removed.store(true, Ordering::Release);
        self.subscribers.end();
    }

    /// Does something with the document, which is read first if need be.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut doc::Doc<Rule>) -> R) -> Result<R, RepoError> {
        let mut state = self.state();
        Ok(act(self.open(&mut state)?))
    }

    /// Looks at the log, and how many of its changes may be told to peers, the first ones: those before the first of our own
    /// that is not on the disk.
    #[cfg(feature = "net")]
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Log<Rule>, u32) -> R) -> Result<R, RepoError> {
        let mut state = self.state();
        self.open(&mut state)?;
        let stored = self.stored_count();
        while state.own.front().is_some_and(|run| run.end <= stored) {
            state.own.pop_front();
        }
        let log = state.doc.as_ref().ok_or(RepoError::Removed)?.log();
        Ok(look(log, state.own.front().map_or(log.len() as u32, |run| run.start.max(stored))))
    }

    fn open<'a>(&self, state: &'a mut State) -> Result<&'a mut doc::Doc<Rule>, RepoError> {
        if self.removed.load(Ordering::Acquire) {
            return Err(RepoError::Removed);
        }
        #[cfg(feature = "net")]
        {
            state.used = Instant::now();
        }
        if state.doc.is_none() {
            let (doc, kept) = self.load(state.new)?;
            self.stored.send_replace(doc.log().len() as u32);
            #[cfg(feature = "net")]
            {
                state.heads = None;
            }
            (state.doc, state.kept, state.new) = (Some(doc), kept, false);
            state.own.clear();
        }
        state.doc.as_mut().ok_or(RepoError::Removed)
    }

    fn load(&self, new: bool) -> Result<(doc::Doc<Rule>, u32), RepoError> {
        let Link { document, rule } = self.link;
        if new {
            return Ok((doc::Doc::new(document, rule), 0));
        }
        let kept = self.repo.writer.load(&document)?;
        let (mut doc, changes) = match &kept.snapshot {
            Some(snapshot) => (doc::Doc::restore(rule, snapshot)?, snapshot.changes),
            None => (doc::Doc::new(document, rule), 0),
        };
        kept.later.iter().try_for_each(|bytes| doc.replay(bytes))?;
        Ok((doc, changes))
    }

    pub(crate) fn change(
        &self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<(), DocError>,
    ) -> Result<(), ChangeError> {
        self.act(|doc, key| Ok(doc.change_telling(key, now(), edit)?.1))
    }

    fn commit(
        &self,
        act: impl FnOnce(&mut Log<Rule>, &Inner) -> Result<Change, Refused>,
    ) -> Result<(), ChangeError> {
        self.act(|doc, _| {
            doc.log_mut(|log| act(log, &self.repo)).map_err(DocError::from)?;
            Ok(vec![Event::Access])
        })
    }

    fn act(
        &self,
        act: impl FnOnce(&mut doc::Doc<Rule>, &dyn dsys_core::Signer) -> Result<Vec<Event>, DocError>,
    ) -> Result<(), ChangeError> {
        self.repo.writer.room()?;
        let mut state = self.state();
        let doc = self.open(&mut state)?;
        let before = doc.log().len() as u32;
        let acted = act(doc, &*self.repo.key);
        let after = doc.log().len() as u32;
        // Though nothing came of it, heads may have been joined.
        if after > before {
            let bytes = doc.log().encode_as_they_are(before..after);
            match state.own.back_mut().filter(|run| run.end == before) {
                Some(run) => run.end = after,
                None => state.own.push_back(before..after),
            }
            self.write(&mut state, before, bytes, Haste::Now)?;
        }
        self.tell(&Update::Local(acted?));
        Ok(())
    }

    /// Takes in changes of a peer; gives what became of them, and how many changes there are now.
    #[cfg(feature = "net")]
    pub(crate) fn receive(&self, mut bundle: Bundle) -> Result<(crate::change::Received, u32), RepoError> {
        self.repo.writer.room()?;
        let mut state = self.state();
        let doc = self.open(&mut state)?;
        let before = doc.log().len() as u32;
        let sent = bundle.take_bytes();
        let (received, events) = doc.receive_bundle(bundle, now());
        let after = doc.log().len() as u32;
        if after > before {
            // What was taken whole is kept as it came.
            let whole = sent.filter(|(_, names)| doc.log().names_from(before) == names);
            let bytes = whole.map(|(bytes, _)| bytes);
            let bytes = bytes.unwrap_or_else(|| doc.log().encode_as_they_are(before..after));
            self.write(&mut state, before, bytes, Haste::Soon)?;
            self.tell(&Update::Remote(events));
        }
        Ok((received, after))
    }

    /// Has the changes from a number on written; if they cannot be, they are forgotten.
    fn write(&self, state: &mut State, before: u32, bytes: Vec<u8>, haste: Haste) -> Result<(), RepoError> {
        let Some(doc) = &state.doc else { return Err(RepoError::Removed) };
        let after = doc.log().len() as u32;
        let write = Write::Changes(self.link.document, before, bytes);
        let written = self.repo.writer.write_changes(write, (self.cell.clone(), after), haste);
        if written.is_err() {
            state.doc = None;
        }
        written
    }

    pub(crate) fn tell(&self, update: &Update) {
        self.subscribers.tell(update, self.repo.config.max_updates);
    }

    /// How many changes are on the disk: those from the first on.
    #[cfg(feature = "net")]
    pub(crate) fn stored_count(&self) -> u32 {
        *self.stored.borrow()
    }

    pub(super) fn stored(&self, changes: u32) {
        self.stored.send_if_modified(|stored| {
            let more = changes > *stored;
            *stored = changes.max(*stored);
            more
        });
    }

    /// Has a snapshot written, if so much has come since the last one. Not while somebody works on the document, who then need
    /// not wait for more than a copy.
    pub(super) fn compact(&self, due: Due) {
        let Ok(_one_at_a_time) = self.compacting.try_lock() else { return };
        let Some((copy, kept)) = self.look_if(due, |doc, kept| (doc.clone(), kept)) else { return };
        // A document that cannot be kept so is opened by its changes, which are written anyway.
        let Ok(snapshot) = copy.snapshot(kept) else { return };
        let changes = snapshot.changes;
        let written = self.repo.writer.write(Write::Snapshot(self.link.document, Box::new(snapshot)));
        if let (Ok(()), Ok(mut state)) = (written, self.state.try_lock()) {
            state.kept = changes;
        }
    }

    /// Looks at a document of which a snapshot is due, and of which so many changes are in the last one.
    fn look_if<R>(&self, due: Due, look: impl FnOnce(&doc::Doc<Rule>, u32) -> R) -> Option<R> {
        let state = self.state.try_lock().ok()?;
        let (doc, kept, after) = (state.doc.as_ref()?, state.kept, self.repo.config.compact_after);
        let new = (doc.log().len() as u32).saturating_sub(kept);
        let much = after.max(kept / 2);
        let least = match due {
            Due::Any => (after / 8).max(1),
            Due::Much => much,
            Due::VeryMuch => much.saturating_mul(32),
        };
        (new >= least).then(|| look(doc, kept))
    }

    /// Cuts a document's history, and has what is left written in place of what was there.
    fn trim(&self, version: &[ChangeId]) -> Result<usize, RepoError> {
        self.repo.writer.room()?;
        let _one_at_a_time = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        let doc = self.open(&mut state)?;
        let before = doc.log().trimmed();
        let cut = doc.trim(version)?;
        if cut > before {
            let written = doc.snapshot(0).map_err(RepoError::from).and_then(|snapshot| {
                let changes = snapshot.changes;
                let write = Write::Snapshot(self.link.document, Box::new(snapshot));
                self.repo.writer.write(write).map(|()| changes)
            });
            match written {
                Ok(changes) => state.kept = changes,
                Err(_) => state.doc = None,
            }
            written?;
        }
        Ok(cut)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in an app's closure leaves a change half made: it is read again.
        self.state.lock().unwrap_or_else(|poisoned| {
            self.state.clear_poison();
            let mut state = poisoned.into_inner();
            state.doc = None;
            state
        })
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.subscribers.end();
        if self.removed.load(Ordering::Acquire) || self.repo.writer.failure().is_some() {
            return;
        }
        if let Some(Ok(snapshot)) = self.look_if(Due::Any, |doc, kept| doc.snapshot(kept)) {
            // Its changes are written anyway.
            let _ = self.repo.writer.write(Write::Snapshot(self.link.document, Box::new(snapshot)));
        }
    }
}

/// The clock, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
