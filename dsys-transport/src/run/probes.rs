//! The probes that a machine has asked for.

use std::sync::Arc;

use dsys_core::NodeAddr;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::debug;

use crate::node::Node;

/// Probes under way or waiting. Whoever asked for them bounds their number; how many go on at once is bounded here.
pub(super) struct Probes {
    running: JoinSet<(NodeAddr, bool)>,
    places: Arc<Semaphore>,
}

impl Probes {
    pub(super) fn new(at_once: usize) -> Self {
        Probes { running: JoinSet::new(), places: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    pub(super) fn begin(&mut self, node: &Node, addr: NodeAddr) {
        let (node, places) = (node.clone(), self.places.clone());
        self.running.spawn(async move {
            let _place = places.acquire().await;
            match node.probe_for_peer(addr.clone()).await {
                Ok(reached) => (reached, true),
                Err(error) => {
                    debug!(peer = %addr.id, %error, "a probe was not answered");
                    (addr, false)
                }
            }
        });
    }

    /// The next outcome; `None` while there is nothing to wait for. Cancel safety: safe.
    pub(super) async fn next(&mut self) -> Option<(NodeAddr, bool)> {
        loop {
            // A probe that was aborted has nobody to tell.
            if let Ok(outcome) = self.running.join_next().await? {
                return Some(outcome);
            }
        }
    }
}
