//! How a node takes part, and its bounds.

use std::time::Duration;

use crate::Mode;

/// How a node takes part, and its bounds. What is out of range is taken as the nearest value that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `k` of the paper (§2.1): contacts in a bucket, nodes in an answer, and nodes responsible for a key. 1 to 32.
    pub k: usize,
    /// Questions on their way at once on each path of a lookup (§2.3). At least 1.
    pub alpha: usize,
    /// Disjoint paths of a lookup (S/Kademlia §4.4): 1 to 8. More than 1 costs requests, and finds its way around
    /// liars: with 4, a fifth of all nodes may collude.
    pub paths: u8,
    /// Whether this node answers questions and wants to be in others' tables.
    pub mode: Mode,
    /// In auto mode others are asked again after so long whether they can dial this node; after a part of it while they
    /// cannot, or were too few to be trusted.
    pub recheck: Duration,
    /// Nodes that are dialled back in a minute at their request, each once; others are refused.
    pub max_dial_backs: usize,
    /// Whether a new contact with an address beyond this host and local networks is dialled there by a fresh connection,
    /// and dropped if that fails. Without it an address is what its node claims.
    pub verify: bool,
    /// A question without an answer has failed after this long.
    pub timeout: Duration,
    /// Until answers have been measured, another node is asked when one takes longer than this.
    pub patience: Duration,
    /// A bucket in which nothing was looked up for so long is refreshed (§2.3: an hour).
    pub refresh: Duration,
    /// A contact not heard of for so long is asked whether it is still there, before a newer one would take its
    /// place (§2.2).
    pub stale: Duration,
    /// A contact that failed so often in a row is dropped even if no spare takes its place.
    pub max_failures: u8,
    /// Contacts kept beside each full bucket to replace those that fail (§4.1).
    pub spares: usize,
    /// The shortest and the longest wait between two attempts to join when no other node is known; it doubles, and a
    /// random part is added.
    pub rejoin: (Duration, Duration),
    /// At most this many contacts of one network prefix (IPv4 /24, IPv6 /48) in a bucket. Addresses of this host
    /// and of local networks do not count, nor do nodes without an address.
    pub max_prefix_in_bucket: usize,
    /// As `max_prefix_in_bucket`, in the whole table.
    pub max_prefix_in_table: usize,
    /// At most this many lookups at once; further ones are refused.
    pub max_lookups: usize,
    /// At most this many questions without an answer yet; a lookup waits, a probe is left out.
    pub max_calls: usize,
}

impl Default for Config {
    /// `k` 20, `alpha` 3, one path; a time-out of 2 s.
    fn default() -> Self {
        Config {
            k: 20,
            alpha: 3,
            paths: 1,
            mode: Mode::Auto,
            recheck: Duration::from_secs(3_600),
            max_dial_backs: 64,
            verify: true,
            timeout: Duration::from_secs(2),
            patience: Duration::from_millis(500),
            refresh: Duration::from_secs(3_600),
            stale: Duration::from_secs(60),
            max_failures: 3,
            spares: 8,
            rejoin: (Duration::from_millis(500), Duration::from_secs(60)),
            max_prefix_in_bucket: 2,
            max_prefix_in_table: 10,
            max_lookups: 256,
            max_calls: 1_024,
        }
    }
}

const LEAST_WAIT: Duration = Duration::from_millis(10);

impl Config {
    /// In range.
    pub(super) fn clamped(mut self) -> Self {
        self.k = self.k.clamp(1, super::message::MAX_NODES);
        self.alpha = self.alpha.max(1);
        self.paths = self.paths.clamp(1, super::lookup::MAX_PATHS);
        self.max_failures = self.max_failures.max(1);
        self.max_calls = self.max_calls.max(1);
        // Waits of nothing would let a node spin.
        self.timeout = self.timeout.max(LEAST_WAIT);
        self.patience = self.patience.max(LEAST_WAIT);
        self.recheck = self.recheck.max(64 * LEAST_WAIT);
        self.rejoin.0 = self.rejoin.0.max(LEAST_WAIT);
        self.rejoin.1 = self.rejoin.1.max(self.rejoin.0);
        self
    }
}
