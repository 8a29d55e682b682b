//! What comes in a topic, one after the other.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use dsys_core::NodeId;
use tokio::sync::{oneshot, watch};

use super::hub::{Page, View, Waiting};
use super::topic::Joined;
use crate::MessageId;
use crate::router::{Command, Cursor, Message};

/// So many messages are read from the log at once.
const PAGE: usize = 64;

/// What happens in a topic.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A message: of us or of another, each once.
    Message(Message),
    /// The origin of a message has deleted it. It counts only if both are of the same origin: anybody can say it of anything.
    Deleted {
        /// Which message; it need not have come here.
        id: MessageId,
        /// Who says so; they have signed it.
        origin: NodeId,
        /// The place of the certificate in this node's log.
        place: u64,
    },
    /// So many messages went out of the store before they were read here.
    Lagged {
        /// How many.
        skipped: u64,
    },
    /// This node is a neighbour now.
    PeerUp(NodeId),
    /// And now it is not.
    PeerDown(NodeId),
}

/// What comes in a topic, one after the other, from a place in the node's log on.
///
/// A subscription that is not read costs nothing: messages stay in the [store](crate::MemoryStore), once for all, and what
/// goes out of it before it was read is said by [`Event::Lagged`]. Neighbours that came and went between two reads are not
/// said.
pub struct Subscription {
    joined: Arc<Joined>,
    view: watch::Receiver<View>,
    cursor: Cursor,
    /// The place behind what was read.
    read: u64,
    reading: Option<oneshot::Receiver<Page>>,
    known: BTreeSet<NodeId>,
    queue: VecDeque<Event>,
}

impl Subscription {
    pub(super) fn new(joined: Arc<Joined>, cursor: Cursor) -> Self {
        let mut view = joined.view.clone();
        view.mark_changed();
        let end = view.borrow().end;
        let (cursor, read) = match cursor {
            Cursor::Oldest => (Cursor::Oldest, 0),
            // What comes next is what comes after this call, not after the first read.
            Cursor::Newest => (end.checked_sub(1).map_or(Cursor::Oldest, Cursor::After), end),
            Cursor::After(place) => (cursor, place.saturating_add(1)),
        };
        Subscription {
            joined,
            view,
            cursor,
            read,
            reading: None,
            known: BTreeSet::new(),
            queue: VecDeque::new(),
        }
    }

    /// The next event; `None` once the node has shut down. Cancel safety: safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if let Some(reading) = &mut self.reading {
                let page = reading.await;
                self.reading = None;
                self.take(page.ok()?);
                continue;
            }
            let end = self.look();
            if !self.queue.is_empty() {
                continue;
            }
            if end > self.read {
                let (sender, page) = oneshot::channel();
                let (topic, from) = (self.joined.name.clone(), self.cursor);
                let read = |ticket| Command::Read { topic, ticket, from, most: PAGE };
                self.joined.hub.ask(Waiting::Page(sender), read).await?;
                self.reading = Some(page);
            } else {
                self.view.changed().await.ok()?;
            }
        }
    }

    /// Where to read on in another subscription: behind the last message that was returned here.
    pub fn cursor(&self) -> Cursor {
        let unread = self.queue.iter().find_map(|event| match event {
            Event::Message(message) => Some(message.place),
            Event::Deleted { place, .. } => Some(*place),
            _ => None,
        });
        match unread {
            Some(place) => place.checked_sub(1).map_or(Cursor::Oldest, Cursor::After),
            None => self.cursor,
        }
    }

    /// Compares the neighbours with those we spoke of; the place of the next message.
    fn look(&mut self) -> u64 {
        let view = self.view.borrow_and_update();
        for peer in self.known.difference(&view.neighbours) {
            self.queue.push_back(Event::PeerDown(*peer));
        }
        for peer in view.neighbours.difference(&self.known) {
            self.queue.push_back(Event::PeerUp(*peer));
        }
        self.known.clone_from(&view.neighbours);
        view.end
    }

    fn take(&mut self, page: Page) {
        if page.skipped > 0 {
            self.queue.push_back(Event::Lagged { skipped: page.skipped });
        }
        self.cursor = page.next;
        self.read = match page.next {
            Cursor::After(place) => place.saturating_add(1),
            _ => 0,
        };
        self.queue.extend(page.messages.into_iter().map(|message| match message.deletes {
            Some(id) => Event::Deleted { id, origin: message.origin, place: message.place },
            None => Event::Message(message),
        }));
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
