//! How a node broadcasts, and its bounds.

use std::time::Duration;

/// How a node broadcasts, and its bounds. Each bound is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// So long a name waits before it crosses lazy links (§3.6): messages go ahead of names, which all but those who lost
    /// their parent throw away, and names that follow each other closely go together. Zero: it does not wait.
    pub announce_after: Duration,
    /// A link replaces the parent after it has been better so many times more often than worse; `None`: never.
    pub optimize_after: Option<u8>,
    /// A round trip before the first was measured.
    pub first_round_trip: Duration,
    /// No wait for a message whose name is known is longer.
    pub max_wait: Duration,
    /// At most this many bytes in one message; longer ones are refused.
    pub max_payload: usize,
    /// At most this many neighbours, and at most so many peers are given one message because they ask for it.
    pub max_neighbours: usize,
    /// At most this many names in one announcement.
    pub max_announced: usize,
    /// At most this many names from one neighbour whose messages have not come; further ones are ignored.
    pub max_missing: usize,
    /// At most this many messages are kept for peers that lack them.
    pub max_kept: usize,
    /// At most this many bytes of payload among them.
    pub max_kept_bytes: usize,
    /// For how long.
    pub max_kept_age: Duration,
    /// At most this many names of messages are remembered.
    pub max_seen: usize,
    /// For how long. A message that comes back later is news again.
    pub max_seen_age: Duration,
}

impl Default for Config {
    /// Names after 5 ms, a better link after three wins; 64 neighbours, 256 missing names each; 1,024 messages or 8 MiB
    /// kept for a minute, 65,536 names for an hour.
    fn default() -> Self {
        Config {
            announce_after: Duration::from_millis(5),
            optimize_after: Some(3),
            first_round_trip: Duration::from_millis(300),
            max_wait: Duration::from_secs(10),
            max_payload: 65_536,
            max_neighbours: 64,
            max_announced: 256,
            max_missing: 256,
            max_kept: 1_024,
            max_kept_bytes: 8 << 20,
            max_kept_age: Duration::from_secs(60),
            max_seen: 65_536,
            max_seen_age: Duration::from_secs(3_600),
        }
    }
}
