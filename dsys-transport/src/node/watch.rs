//! Following which peers are up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use dsys_core::NodeId;
use tokio::sync::watch;

use super::table::Shared;
use crate::tag::Tag;

/// A peer came up or went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// A connection stands and both ends have said HELLO.
    Up(NodeId),
    /// The connection ended, or takes no new streams.
    Down(NodeId),
}

/// Which peers are up, as a sequence of changes. Nothing is ever lost to a slow reader: it learns of each peer's
/// latest state, and of a connection that was replaced unseen as a `Down` and an `Up`.
#[derive(Debug)]
pub struct PeerWatch {
    shared: Weak<Shared>,
    tag: Option<Tag>,
    versions: watch::Receiver<u64>,
    /// The peers that were last said to be up, and by which link.
    known: HashMap<NodeId, u64>,
    queue: VecDeque<PeerChange>,
}

impl PeerWatch {
    pub(super) fn new(shared: &Arc<Shared>, tag: Option<Tag>) -> Self {
        let mut versions = shared.table().changes();
        versions.mark_changed();
        PeerWatch {
            shared: Arc::downgrade(shared),
            tag,
            versions,
            known: HashMap::new(),
            queue: VecDeque::new(),
        }
    }

    /// The next change; `None` once the node is gone. Cancel safety: safe.
    pub async fn next(&mut self) -> Option<PeerChange> {
        loop {
            if let Some(change) = self.queue.pop_front() {
                return Some(change);
            }
            self.versions.changed().await.ok()?;
            self.compare(&*self.shared.upgrade()?);
        }
    }

    fn compare(&mut self, shared: &Shared) {
        let up: HashMap<NodeId, u64> = shared
            .table()
            .up()
            .filter(|link| self.tag.is_none_or(|tag| link.speaks(&tag)))
            .map(|link| (link.peer, link.serial))
            .collect();
        for (peer, serial) in &self.known {
            if up.get(peer) != Some(serial) {
                self.queue.push_back(PeerChange::Down(*peer));
            }
        }
        for (peer, serial) in &up {
            if self.known.get(peer) != Some(serial) {
                self.queue.push_back(PeerChange::Up(*peer));
            }
        }
        self.known = up;
    }
}
