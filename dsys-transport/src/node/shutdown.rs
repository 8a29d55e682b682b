//! The graceful end.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Node;
use crate::error::code;

/// So long at most the transport may take to tell the peers of the end.
const LINGER: Duration = Duration::from_millis(200);

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Streams that were still open at the deadline and were cut off.
    pub cut_off: usize,
}

impl Node {
    /// Ends the node: says GOAWAY to all peers, opens and accepts no more streams, waits until the open ones have
    /// ended and the peers have read what was sent, or `deadline` has passed, closes the connections, and leaves
    /// no task behind. It takes at most `deadline` and 200 ms.
    ///
    /// Every handle of the node is of no more use afterwards.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let shared = self.shared();
        let end = Instant::now() + deadline;
        shared.begin_closing();
        // Machines write what they have left to say, on the connections that stand.
        while shared.drivers.load(Ordering::Acquire) > 0 && Instant::now() < end {
            sleep(Duration::from_millis(1)).await;
        }
        let links = shared.table().links();
        for link in links {
            link.go_away();
        }
        // The state of other tasks' streams is counted, not signalled: a look now and then is simpler, and this
        // happens once in a node's life. A peer closes the connection when it has read everything.
        let mut told = HashSet::new();
        let cut_off = loop {
            let links = shared.table().links();
            for link in &links {
                if !told.contains(&link.serial) && link.drain() {
                    told.insert(link.serial);
                }
            }
            if links.is_empty() || Instant::now() >= end {
                break links.iter().map(|link| link.meter.streams.load(Ordering::Acquire)).sum();
            }
            sleep(Duration::from_millis(2)).await;
        };
        let links = shared.table().links();
        for link in links {
            link.close(code::GOING_AWAY, "the node shuts down");
        }
        // By now all has been said. A transport may wait much longer for peers that never answer, a dial that was given
        // up among them; whatever sockets it keeps are freed when the node is dropped.
        let _ = timeout(LINGER, shared.transport.shutdown()).await;
        shared.tasks.shutdown().await;
        ShutdownReport { cut_off }
    }
}
