//! How much each peer may store: a token bucket for records and one for bytes.

use std::collections::BTreeMap;

use dsys_core::{NodeId, Time};

/// What each peer has stored lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas {
    peers: BTreeMap<NodeId, Used>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    records: f64,
    bytes: f64,
    at: Time,
}

/// So much of the burst comes back each second.
const REFILL: f64 = 0.001;

impl Quotas {
    /// Whether this peer may store so many bytes more; if so they are counted.
    pub(super) fn allows(
        &mut self,
        peer: NodeId,
        bytes: usize,
        burst: (u32, usize),
        max_peers: usize,
        now: Time,
    ) -> bool {
        let (most_records, most_bytes) = (f64::from(burst.0), burst.1 as f64);
        if !self.peers.contains_key(&peer) && self.peers.len() >= max_peers.max(1) {
            self.forget(most_records, now);
        }
        let used = self.peers.entry(peer).or_insert(Used { records: 0.0, bytes: 0.0, at: now });
        let passed = (now - used.at).as_secs_f64() * REFILL;
        used.records = (used.records - passed * most_records).max(0.0) + 1.0;
        used.bytes = (used.bytes - passed * most_bytes).max(0.0) + bytes as f64;
        used.at = now;
        let allowed = used.records <= most_records && used.bytes <= most_bytes;
        if !allowed {
            // What was refused does not count.
            used.records -= 1.0;
            used.bytes -= bytes as f64;
        }
        allowed
    }

    /// Forgets the half that used least.
    fn forget(&mut self, most_records: f64, now: Time) {
        let left = |used: &Used| used.records - (now - used.at).as_secs_f64() * REFILL * most_records;
        let mut sorted: Vec<f64> = self.peers.values().map(left).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        self.peers.retain(|_, used| left(used) > median);
    }
}
