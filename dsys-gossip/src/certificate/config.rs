//! Times and bounds.

use std::time::Duration;

/// Times and bounds. Each bound is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long every site keeps a certificate after its activation.
    pub t1: Duration,
    /// How much longer its retention sites keep it.
    pub t2: Duration,
    /// How many retention sites a certificate names (r), at most 64. 0: none, so certificates are plain tombstones, which let
    /// deleted items come back.
    pub sites: usize,
    /// How often a peer is compared with, up to half as much more by chance.
    pub period: Duration,
    /// At most so many entries, certificates included; further ones are not taken.
    pub max_entries: usize,
    /// At most so many keys are compared at once.
    pub max_compared: usize,
    /// At most so many bytes in a key and in a value.
    pub max_size: usize,
    /// At most so many peers.
    pub max_peers: usize,
}

impl Default for Config {
    /// Certificates everywhere for a day and at four sites for a month; a comparison each ten seconds; 65,536 entries of
    /// 4 KiB.
    fn default() -> Self {
        Config {
            t1: Duration::from_secs(86_400),
            t2: Duration::from_secs(30 * 86_400),
            sites: 4,
            period: Duration::from_secs(10),
            max_entries: 65_536,
            max_compared: 512,
            max_size: 4_096,
            max_peers: 1_024,
        }
    }
}
