//! Connections that have done their work are closed.
//!
//! A lookup among many talks to some twenty nodes, most of which are not needed again for hours, and a connection that stands
//! costs each end about 50 KiB. To dial anew costs a handshake: a round trip and a millisecond of CPU time. Whoever is
//! asked again soon is worth the memory, others are not. Where the peer speaks another protocol as well the connection may be of
//! use to that, so it is left to [`NodeConfig::idle_timeout`](dsys_transport::NodeConfig::idle_timeout).

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::NodeId;
use dsys_transport::{Node, Tag};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// libp2p's, too.
pub(super) const IDLE: Duration = Duration::from_secs(10);

/// Finds connections to nodes of this DHT that nobody uses.
#[derive(Debug)]
pub(super) struct Idle {
    node: Node,
    tag: Tag,
    /// So long without a stream and without a byte: half of the time, after which the driver ends a stream without messages.
    quiet: Duration,
    looks: Interval,
    /// How many bytes each had carried, and since when it is quiet.
    since: BTreeMap<NodeId, (u64, Instant)>,
}

impl Idle {
    /// Closes what was unused for `idle`, or up to a quarter more. Must be called inside a tokio runtime.
    pub(super) fn new(node: &Node, tag: Tag, idle: Duration) -> Self {
        let mut looks = interval((idle / 8).max(Duration::from_millis(10)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Idle { node: node.clone(), tag, quiet: idle / 2, looks, since: BTreeMap::new() }
    }

    /// The next look. Cancel safety: safe.
    pub(super) async fn next(&mut self) {
        self.looks.tick().await;
    }

    /// Closes what is due.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.since);
        for peer in self.node.stats().peers {
            let ours_alone = !peer.protocols.is_empty() && peer.protocols.iter().all(|tag| *tag == self.tag);
            if peer.streams > 0 || !ours_alone {
                continue;
            }
            let carried = peer.sent.wrapping_add(peer.received);
            let known = before.get(&peer.peer).filter(|(bytes, _)| *bytes == carried);
            let since = known.map_or(now, |(_, since)| *since);
            if now - since < self.quiet || !self.node.release(peer.peer) {
                self.since.insert(peer.peer, (carried, since));
            }
        }
    }
}
