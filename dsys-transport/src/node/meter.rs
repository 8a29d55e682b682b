//! What a connection carries: counts for the statistics, the limits and the idle close.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::protocol::Inbound;

/// The counts of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    /// Streams that live, of both sides.
    pub(super) streams: AtomicUsize,
    /// Streams opened and accepted so far, and datagrams of both directions.
    pub(super) opened: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) datagrams: AtomicU64,
    /// Bytes; those of a stream that lives may be [`FLUSH`] behind.
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    quiet: Mutex<Quiet>,
}

/// Since when, as far as the last look could tell, nothing was begun.
#[derive(Debug)]
struct Quiet {
    begun: u64,
    since: Instant,
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Meter {
            streams: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            datagrams: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            quiet: Mutex::new(Quiet { begun: 0, since: Instant::now() }),
        })
    }

    /// For how long nothing has been in use, counted from the first look that saw it: looks at intervals cost less
    /// than the time of each use would.
    pub(super) fn idle_for(&self) -> Duration {
        let [opened, accepted, datagrams] =
            [&self.opened, &self.accepted, &self.datagrams].map(|count| count.load(Ordering::Acquire));
        let begun = opened.wrapping_add(accepted).wrapping_add(datagrams);
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if begun != quiet.begun || self.streams.load(Ordering::Acquire) > 0 {
            *quiet = Quiet { begun, since: Instant::now() };
        }
        quiet.since.elapsed()
    }
}

/// A stream that lives.
#[derive(Debug)]
pub(super) struct InUse(Arc<Meter>);

impl InUse {
    pub(super) fn new(meter: &Arc<Meter>) -> Self {
        meter.streams.fetch_add(1, Ordering::AcqRel);
        InUse(meter.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Held by both halves of a stream: while it lives the connection is in use and the stream counts.
#[derive(Debug)]
pub(super) struct Usage {
    in_use: InUse,
    /// For a stream that the peer opened.
    inbound: Option<Arc<Inbound>>,
}

impl Usage {
    pub(super) fn outbound(meter: &Arc<Meter>) -> Arc<Self> {
        Arc::new(Usage { in_use: InUse::new(meter), inbound: None })
    }

    /// `None` if a limit is reached already.
    pub(super) fn inbound(in_use: InUse, inbound: Arc<Inbound>) -> Option<Arc<Self>> {
        inbound.enter().then(|| Arc::new(Usage { in_use, inbound: Some(inbound) }))
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        if let Some(inbound) = &self.inbound {
            inbound.leave();
        }
    }
}

/// So many bytes of a stream wait at most until they are counted: counters that all streams share are dear.
const FLUSH: u64 = 64 * 1024;

/// The bytes of one direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Tally {
    usage: Option<Arc<Usage>>,
    bytes: u64,
    is_sent: bool,
}

impl Tally {
    pub(super) fn sent(usage: Option<Arc<Usage>>) -> Self {
        Tally { usage, bytes: 0, is_sent: true }
    }

    pub(super) fn received(usage: Option<Arc<Usage>>) -> Self {
        Tally { usage, bytes: 0, is_sent: false }
    }

    pub(super) fn set_usage(&mut self, usage: Arc<Usage>) {
        self.usage = Some(usage);
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bytes >= FLUSH {
            self.flush();
        }
    }

    /// Counts what was not counted yet; also when it is dropped.
    pub(super) fn flush(&mut self) {
        if let (Some(usage), 1..) = (&self.usage, self.bytes) {
            let meter = &usage.in_use.0;
            let counter = if self.is_sent { &meter.sent } else { &meter.received };
            counter.fetch_add(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.flush();
    }
}
