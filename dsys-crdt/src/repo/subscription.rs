//! What happens to a document, as a stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use dsys_core::NodeId;
use futures_core::Stream;

use crate::change::ChangeId;
use crate::doc::Event;

/// What has happened to a document.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// It was changed here: what is different now.
    Local(Vec<Event>),
    /// Changes of others have come: what is different now.
    Remote(Vec<Event>),
    /// Something that a peer shows and nobody keeps: a cursor, a name, a colour.
    Presence {
        /// Whose it is.
        peer: NodeId,
        /// What the app gave there; nothing, once the peer has gone.
        state: Vec<u8>,
    },
    /// As far as each has told, a peer and we have the same, and it is on both disks.
    InStep {
        /// The peer.
        peer: NodeId,
    },
    /// A peer is sending much: how far it is.
    Progress {
        /// The peer.
        peer: NodeId,
        /// So many changes have come,
        received: u64,
        /// and so many are to come.
        left: u64,
    },
    /// A peer says that it does not share the document with us.
    Declined {
        /// The peer.
        peer: NodeId,
    },
    /// A peer announces changes that it does not give: another has to.
    Withheld {
        /// The peer.
        peer: NodeId,
    },
    /// A peer has cut the history that lacks here ([`Doc::trim`](super::Doc::trim)): share the document with somebody who has
    /// all of it. Told once for each peer and cut.
    Trimmed {
        /// The peer.
        peer: NodeId,
    },
    /// A peer says what the document says, whose changes are still to come: [`Doc::preview`](super::Doc::preview).
    Preview {
        /// The peer.
        peer: NodeId,
    },
    /// The changes are here, and the preview is gone.
    PreviewEnded {
        /// Whose it was.
        peer: NodeId,
        /// Whether the document said that, at the version that the peer named. If not the peer has lied, or somebody was
        /// revoked since, or has forked, so that some of that does not count. None if that version has not come, and the
        /// document is in step with somebody who does not have it either.
        was_true: Option<bool>,
    },
    /// This change was refused because it bears on history that was cut here
    /// ([`Refused::Trimmed`](crate::change::Refused::Trimmed)), and what follows it will be. The document can be used, and is
    /// not what it is elsewhere: remove it, and join it again from somebody who has all of it. Told once.
    Unmergeable {
        /// The first such change.
        change: ChangeId,
    },
    /// An author has signed two changes in one place; [`Log::forks`](crate::change::Log::forks) has the proof.
    Forked {
        /// The author.
        author: NodeId,
    },
    /// There was more than this subscriber has taken: look at the document anew.
    Missed,
}

/// A document's updates, as a [`Stream`] that does not end while the document is open somewhere. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    updates: VecDeque<Update>,
    waker: Option<Waker>,
    ended: bool,
}

/// Those who follow a document.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    all: Mutex<Vec<Weak<Mutex<Queue>>>>,
}

impl Subscription {
    /// The next update; none once the last handle to the document is gone, or it was removed. Cancel safety: safe.
    pub async fn next(&mut self) -> Option<Update> {
        std::future::poll_fn(|cx| self.poll_update(cx)).await
    }

    fn poll_update(&mut self, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(update) = queue.updates.pop_front() {
            return Poll::Ready(Some(update));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Stream for Subscription {
    type Item = Update;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.get_mut().poll_update(cx)
    }
}

impl Subscribers {
    pub(super) fn subscribe(&self) -> Subscription {
        let queue = Arc::default();
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&queue));
        Subscription { queue }
    }

    /// Tells all; one who has `most` updates to read is told that it has missed some instead.
    pub(super) fn tell(&self, update: &Update, most: usize) {
        self.each(|queue| {
            match queue.updates.len() < most.max(1) {
                true => queue.updates.push_back(update.clone()),
                false => queue.updates = [Update::Missed].into(),
            };
        });
    }

    pub(super) fn end(&self) {
        self.each(|queue| queue.ended = true);
    }

    fn each(&self, act: impl Fn(&mut Queue)) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            act(&mut queue);
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
            true
        });
    }
}
