//! The tasks that a node owns: none outlives it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// A set of tasks of which nothing is wanted but that they end. A `JoinSet` would keep each result for whoever asks,
/// at some three times the cost, and each request that a node answers is a task.
#[derive(Default)]
pub(super) struct Tasks {
    live: Mutex<Live>,
    empty: Notify,
}

#[derive(Default)]
struct Live {
    next: u64,
    /// `None` between the drawing of a number and the start of the task.
    handles: BTreeMap<u64, Option<AbortHandle>>,
    /// No task is started any more.
    closed: bool,
}

impl Tasks {
    /// Starts a task, unless the node has ended.
    pub(super) fn spawn<F>(self: &Arc<Self>, future: F) -> Option<AbortHandle>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let number = {
            let mut live = self.live();
            if live.closed {
                return None;
            }
            live.next += 1;
            let number = live.next;
            live.handles.insert(number, None);
            number
        };
        let owned = Owned { future, _entry: Entry { tasks: self.clone(), number } };
        // Not under the lock: a runtime that shuts down drops the future at once, and its entry takes the lock.
        let task = tokio::spawn(owned);
        let handle = task.abort_handle();
        let mut live = self.live();
        let closed = live.closed;
        // It may have ended already.
        if let Some(slot) = live.handles.get_mut(&number) {
            *slot = Some(handle.clone());
        }
        drop(live);
        if closed {
            handle.abort();
        }
        Some(handle)
    }

    /// Aborts all tasks; no more are started.
    pub(super) fn abort(&self) {
        let handles: Vec<AbortHandle> = {
            let mut live = self.live();
            live.closed = true;
            live.handles.values().flatten().cloned().collect()
        };
        // Not under the lock, which the futures take when they are dropped.
        for handle in handles {
            handle.abort();
        }
    }

    /// Aborts all tasks and waits until the last one is gone. Cancel safety: may be called again.
    pub(super) async fn shutdown(&self) {
        self.abort();
        loop {
            let empty = self.empty.notified();
            if self.live().handles.is_empty() {
                return;
            }
            empty.await;
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    /// A task's future with its entry, which goes after the future. An async block in place of this would hold the
    /// future twice.
    struct Owned<F> {
        #[pin]
        future: F,
        _entry: Entry,
    }
}

impl<F: Future<Output = ()>> Future for Owned<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx)
    }
}

/// Held by a task's future; its drop says that the task is over.
struct Entry {
    tasks: Arc<Tasks>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut live = self.tasks.live();
        live.handles.remove(&self.number);
        if live.closed && live.handles.is_empty() {
            self.tasks.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_shutdown_leaves_no_task_and_starts_none() {
        let tasks = Arc::new(Tasks::default());
        let gone = Arc::new(AtomicUsize::new(0));
        for number in 0..100 {
            let counted = Counted(gone.clone());
            tasks.spawn(async move {
                let _counted = counted;
                if number % 2 == 0 {
                    std::future::pending::<()>().await;
                }
            });
        }
        tasks.shutdown().await;
        assert_eq!(gone.load(Ordering::SeqCst), 100);
        let counted = Counted(gone.clone());
        assert!(tasks.spawn(async move { drop(counted) }).is_none());
        assert_eq!(gone.load(Ordering::SeqCst), 101);
    }

    #[tokio::test]
    async fn what_has_ended_is_forgotten() {
        let tasks = Arc::new(Tasks::default());
        let task = tasks.spawn(async {}).unwrap();
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(tasks.live().handles.is_empty());
    }
}
