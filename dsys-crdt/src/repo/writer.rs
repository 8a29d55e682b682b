//! The thread that owns the file: everything that waits is written in one transaction.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::RepoError;
use super::document::{Cell, Due};
use super::file::{File, Kept, Write};
use crate::change::DocumentId;

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something came, or was done.
    moved: Condvar,
    max_bytes: usize,
    gather: Duration,
    /// Documents of which more is on the disk than somebody was told who waits for `news`.
    stored: Mutex<BTreeSet<DocumentId>>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Somebody waits for one of them.
    hurries: bool,
    closed: bool,
    failed: Option<RepoError>,
}

/// When changes are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// Peers are told of them when they are on the disk, and not before.
    Now,
    /// Together with what comes in a moment.
    #[cfg_attr(not(feature = "net"), allow(dead_code))] // Nothing comes from peers then.
    Soon,
}

/// So much is worth a transaction of its own.
const ENOUGH: usize = 32 << 10;

#[derive(Debug)]
enum Job {
    /// The document that is told how many of its changes are on the disk.
    Write(Write, Option<(Weak<Cell>, u32)>),
    Load(DocumentId, std::sync::mpsc::SyncSender<Result<Kept, RepoError>>),
    Flush(oneshot::Sender<Result<(), RepoError>>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    pub(super) fn start(file: File, max_bytes: usize, gather: Duration) -> Result<Writer, RepoError> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            moved: Condvar::new(),
            max_bytes,
            gather,
            stored: Mutex::default(),
            news: Notify::new(),
        });
        let (working, builder) = (shared.clone(), std::thread::Builder::new().name("dsys-crdt store".into()));
        let thread = builder.spawn(move || working.work(file));
        let thread = thread.map_err(|error| RepoError::Io(error.to_string()))?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// Waits for room. Not to be called with a document locked, which the thread may want.
    pub(super) fn room(&self) -> Result<(), RepoError> {
        let mut queue = self.shared.queue();
        while queue.bytes >= self.shared.max_bytes && queue.failed.is_none() {
            queue = self.shared.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.failed.clone().map_or(Ok(()), Err)
    }

    /// Has something written.
    pub(super) fn write(&self, write: Write) -> Result<(), RepoError> {
        self.shared.push(Job::Write(write, None), Haste::Now)
    }

    /// Has changes written; the document is told how many of its changes are on the disk.
    pub(super) fn write_changes(
        &self,
        write: Write,
        then: (Weak<Cell>, u32),
        haste: Haste,
    ) -> Result<(), RepoError> {
        self.shared.push(Job::Write(write, Some(then)), haste)
    }

    /// What the file has of a document, with all that was given to be written before. Blocks.
    pub(super) fn load(&self, id: &DocumentId) -> Result<Kept, RepoError> {
        let (answer, loaded) = std::sync::mpsc::sync_channel(1);
        self.shared.push(Job::Load(*id, answer), Haste::Now)?;
        loaded.recv().unwrap_or_else(|_| Err(self.ended()))
    }

    pub(super) async fn flush(&self) -> Result<(), RepoError> {
        let (answer, flushed) = oneshot::channel();
        self.shared.push(Job::Flush(answer), Haste::Now)?;
        flushed.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Writes what waits, and closes the file; nothing is written after it.
    pub(super) async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.shared.push(Job::Close(answer), Haste::Now).is_ok() {
            // It may have failed meanwhile, and is closed then as well.
            let _ = closed.await;
        }
    }

    /// Why there was no answer: a write before the question failed as a rule, and all that waited was dropped.
    fn ended(&self) -> RepoError {
        self.failure().unwrap_or_else(|| RepoError::Io("the store's thread has ended".into()))
    }

    /// Why nothing is written any more, if so.
    pub(super) fn failure(&self) -> Option<RepoError> {
        self.shared.queue().failed.clone()
    }

    /// Waits for documents of which more is on the disk than at the last call, and gives them. For one task at a time.
    #[cfg(feature = "net")]
    pub(crate) async fn stored(&self) -> BTreeSet<DocumentId> {
        loop {
            let stored =
                std::mem::take(&mut *self.shared.stored.lock().unwrap_or_else(PoisonError::into_inner));
            if !stored.is_empty() {
                return stored;
            }
            self.shared.news.notified().await;
        }
    }
}

impl Drop for Writer {
    /// Waits until everything is written.
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.moved.notify_all();
        if let Some(thread) = self.thread.take() {
            // A handle may be dropped by the thread itself, which had it for a moment.
            if thread.thread().id() != std::thread::current().id() {
                drop(thread.join());
            }
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job, haste: Haste) -> Result<(), RepoError> {
        let mut queue = self.queue();
        if let Some(failed) = &queue.failed {
            return Err(failed.clone());
        }
        queue.bytes += job.bytes();
        queue.jobs.push_back(job);
        queue.hurries |= haste == Haste::Now || queue.bytes >= ENOUGH;
        if queue.hurries || queue.jobs.len() == 1 {
            self.moved.notify_all();
        }
        Ok(())
    }

    fn work(&self, file: File) {
        loop {
            let mut queue = self.queue();
            while queue.jobs.is_empty() && !queue.closed {
                queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if !queue.hurries && !queue.closed {
                let waits = |queue: &mut Queue| !queue.hurries && !queue.closed;
                let gathered = self.moved.wait_timeout_while(queue, self.gather, waits);
                queue = gathered.unwrap_or_else(PoisonError::into_inner).0;
            }
            let jobs = std::mem::take(&mut queue.jobs);
            queue.hurries = false;
            if jobs.is_empty() {
                return;
            }
            let closes = jobs.iter().any(|job| matches!(job, Job::Close(_)));
            if closes {
                queue.failed = Some(RepoError::Closed);
            }
            drop(queue);
            let bytes = jobs.iter().map(Job::bytes).sum::<usize>();
            let mut closed = Vec::new();
            let done = self.all(&file, jobs, &mut closed);
            let mut queue = self.queue();
            queue.bytes -= bytes;
            if let Err(error) = done {
                // Nothing that was to be written behind it may be, or there would be a gap.
                queue.failed = Some(error);
                queue.jobs.clear();
                queue.closed = true;
            }
            self.moved.notify_all();
            if closes {
                drop(queue);
                drop(file);
                // Whoever waited may have gone.
                for answer in closed {
                    let _: Result<(), ()> = answer.send(());
                }
                return;
            }
        }
    }

    fn all(
        &self,
        file: &File,
        jobs: VecDeque<Job>,
        closed: &mut Vec<oneshot::Sender<()>>,
    ) -> Result<(), RepoError> {
        let mut writes = Vec::new();
        let mut told = Vec::new();
        for job in jobs {
            match job {
                Job::Write(write, then) => {
                    writes.push(write);
                    told.extend(then);
                }
                Job::Load(id, answer) => {
                    self.commit(file, &mut writes, &mut told)?;
                    // Nobody may be waiting any more.
                    let _ = answer.send(contained(|| file.load(&id)));
                }
                Job::Close(answer) => closed.push(answer),
                Job::Flush(answer) => {
                    let written = self.commit(file, &mut writes, &mut told);
                    if let Err(error) = &written {
                        // Before it is told: whoever hears of it cannot change anything any more.
                        self.queue().failed.get_or_insert_with(|| error.clone());
                    }
                    let _ = answer.send(written.clone());
                    written?;
                }
            }
        }
        self.commit(file, &mut writes, &mut told)
    }

    fn commit(
        &self,
        file: &File,
        writes: &mut Vec<Write>,
        told: &mut Vec<(Weak<Cell>, u32)>,
    ) -> Result<(), RepoError> {
        if writes.is_empty() {
            return Ok(());
        }
        contained(|| file.write(writes))?;
        writes.clear();
        let more = if self.queue().jobs.is_empty() { Due::Much } else { Due::VeryMuch };
        for (cell, changes) in told.drain(..) {
            let Some(cell) = cell.upgrade() else { continue };
            cell.stored(changes);
            self.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(cell.link.document);
            cell.compact(more);
        }
        self.news.notify_one();
        Ok(())
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Write(Write::Changes(_, _, bytes), _) => bytes.len(),
            Job::Write(Write::Snapshot(_, snapshot), _) => {
                snapshot.head.len() + snapshot.chunks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
            }
            _ => 0,
        }
    }
}

/// The database may panic on a file that is damaged; then it is that.
pub(super) fn contained<T>(run: impl FnOnce() -> Result<T, RepoError>) -> Result<T, RepoError> {
    let died = |_| Err(RepoError::Damaged("the database gave up on it".into()));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(died)
}
