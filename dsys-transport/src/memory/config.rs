//! What a memory network is told when it is made, and what it counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The bounds of a [`MemoryNetwork`](super::MemoryNetwork). Make one with `default()` and change its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// How many bytes of one stream may be written and not yet read; a write beyond that waits. At least 1.
    /// Default 1 MiB.
    pub stream_window: usize,
    /// How many streams of each kind (one-way, two-way) each end of a connection may have open; an open beyond that
    /// waits until the peer is done with one. Default 1,024.
    pub max_streams: usize,
    /// The largest datagram in bytes; `None` for connections without datagrams. Default 1,200.
    pub max_datagram_size: Option<usize>,
    /// How many datagrams wait for the reader, and how many more may be on their way; beyond that the oldest are
    /// dropped. Default 1,024.
    pub datagram_queue: usize,
    /// How many connections wait for `accept`; a dial beyond that is declined as busy. Default 1,024.
    pub accept_queue: usize,
    /// How long a connection survives while one of its directions is cut. Default 30 s.
    pub idle_timeout: Duration,
    /// How long a dial waits for an answer. Default 5 s.
    pub dial_timeout: Duration,
    /// How much later a chunk of a stream arrives for each time it was lost. Default 100 ms.
    pub retransmission: Duration,
    /// Seeds the choice of what is lost and how late it is. Default 0.
    pub seed: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        MemoryConfig {
            stream_window: 1 << 20,
            max_streams: 1024,
            max_datagram_size: Some(1200),
            datagram_queue: 1024,
            accept_queue: 1024,
            idle_timeout: Duration::from_secs(30),
            dial_timeout: Duration::from_secs(5),
            retransmission: Duration::from_millis(100),
            seed: 0,
        }
    }
}

/// What happens to a dial of an id that no node of the network has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownDials {
    /// It fails at once, as if a machine were there and nothing listened.
    #[default]
    Refused,
    /// Nobody answers until the dial times out. A node of that id that starts meanwhile does answer.
    Silent,
}

/// What the peers of a killed node notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Their connections end at once with [`CloseReason::Reset`](crate::CloseReason), as when the machine lives on
    /// and answers that it knows nothing of them.
    Reset,
    /// Nothing, until their connections time out: the machine is gone.
    Silent,
}

/// What a network has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Datagrams lost to [`set_loss`](super::MemoryNetwork::set_loss) or to a cut.
    pub datagrams_lost: u64,
    /// Datagrams dropped because a queue was full.
    pub datagrams_dropped: u64,
    /// Chunks of streams that were lost and came later.
    pub chunks_delayed: u64,
    /// Dials declined because the accept queue was full.
    pub dials_declined: u64,
}

/// The live form of [`MemoryStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) datagrams_lost: AtomicU64,
    pub(super) datagrams_dropped: AtomicU64,
    pub(super) chunks_delayed: AtomicU64,
    pub(super) dials_declined: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self) -> MemoryStats {
        MemoryStats {
            datagrams_lost: self.datagrams_lost.load(Ordering::Relaxed),
            datagrams_dropped: self.datagrams_dropped.load(Ordering::Relaxed),
            chunks_delayed: self.chunks_delayed.load(Ordering::Relaxed),
            dials_declined: self.dials_declined.load(Ordering::Relaxed),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
