//! What a node keeps, for how long, and its bounds.

use std::time::Duration;

use super::record::Rules;

/// What a node keeps, for how long, and its bounds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What is believed.
    pub rules: Rules,
    /// Our own records are published again after this long, until they expire.
    pub republish: Duration,
    /// Records are offered to the nodes that are responsible by now after this long.
    pub repair: Duration,
    /// How long a copy on the way to a key is kept; zero makes none.
    pub cache: Duration,
    /// A question about records has failed after this long.
    pub timeout: Duration,
    /// The bytes of all records, about.
    pub max_bytes: usize,
    /// Providers under one key. When they are so many, the one that expires first gives way to one that expires later.
    pub max_providers: usize,
    /// Operations at once; further ones are refused.
    pub max_operations: usize,
    /// Questions about records without an answer yet; further ones are not asked.
    pub max_calls: usize,
    /// What one peer may store at once, in records and bytes; it may store a thousandth of it more each second.
    pub peer_burst: (u32, usize),
    /// Peers whose storing is counted; of more, those that stored least are forgotten.
    pub max_peers: usize,
    /// Whether changes are written to a disk.
    pub durable: bool,
}

impl Default for Config {
    /// A day to live, published again every twelve hours, repaired every ten minutes, cached for an hour; 64 MiB.
    fn default() -> Self {
        Config {
            rules: Rules { max_ttl: Duration::from_secs(24 * 3_600), validators: Default::default() },
            republish: Duration::from_secs(12 * 3_600),
            repair: Duration::from_secs(600),
            cache: Duration::from_secs(3_600),
            timeout: Duration::from_secs(2),
            max_bytes: 64 << 20,
            max_providers: 64,
            max_operations: 256,
            max_calls: 8_192,
            peer_burst: (16_384, 64 << 20),
            max_peers: 4_096,
            durable: false,
        }
    }
}

impl Config {
    /// In range: waits of nothing would let a node spin.
    pub(super) fn clamped(mut self) -> Self {
        let least = Duration::from_millis(100);
        self.republish = self.republish.max(least);
        self.repair = self.repair.max(least);
        self.timeout = self.timeout.max(least);
        self.max_operations = self.max_operations.max(1);
        self.max_calls = self.max_calls.max(1);
        self
    }
}
