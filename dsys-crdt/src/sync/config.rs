//! Bounds and times.

use std::time::Duration;

/// The bounds and times of a [`Replicator`](super::Replicator).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Who has nothing of a document asks for what it says, ahead of the changes: see [`Preview`](super::Preview). What a peer
    /// says so is its word alone, until the changes have come: it can show what it likes for as long. At first not.
    pub preview: bool,
    /// What a document says is sent, and taken, ahead of its changes if it has at most so many bytes. At first 4 MiB.
    pub max_preview: usize,
    /// A piece of a history has about so many bytes, before it is packed. At first 128 KiB.
    pub piece: usize,
    /// So many pieces travel to one peer at once, of one document. At first 8.
    pub window: usize,
    /// A peer's piece has at most so many bytes when unpacked. At first 64 MiB.
    pub max_unpacked: usize,
    /// A message names at most so many changes; more of a peer's are a violation. At first 4,096.
    pub max_named: usize,
    /// From so many documents on that a peer is to be told of at once, it is told of ranges of them, and what differs is looked
    /// for. At first 16.
    pub digest_from: usize,
    /// The longest presence, in bytes. At first 4 KiB.
    pub max_presence: usize,
    /// What was sent, or asked for, and has no answer after so long is tried again. At first 5 s.
    pub patience: Duration,
    /// Who was asked for changes, and gives none for so long, is waited for no longer: another who has them is asked too. At
    /// first 1 s.
    pub turn: Duration,
    /// One who gives some all the while is waited for no longer after so long. At first a minute.
    pub turn_at_most: Duration,
    /// How often a peer is told what we have, though nothing is new. At first 30 s.
    pub announce_every: Duration,
    /// Changes from others are announced after so long, where a tree brings them sooner, to those who are not known to
    /// have them. At first 50 ms.
    pub announce_after: Duration,
    /// A peer that cannot be reached is tried again after so long at first, and after twice as long each time. At first 1 s.
    pub redial_after: Duration,
    /// The longest of these times. At first 60 s.
    pub redial_at_most: Duration,
    /// A peer that so often in a row does not give what it announces is told of, as one that withholds. At first 5. After each
    /// time it is asked again only after a longer pause, of `announce_every` at most.
    pub max_broken: u32,
    /// So many peers are remembered who have asked for documents that are not shared with them, and are told when they are.
    /// At first 4,096.
    pub max_turned_away: usize,
    /// So many changes of a document are remembered that were refused because they bear on what was cut here, and are not asked
    /// for again; more are as if they were withheld. At first 16,384.
    pub max_refused: usize,
    /// A peer that sends so many pieces in a row of which nothing is sound is disconnected. At first 16.
    pub max_strikes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            preview: false,
            max_preview: 4 << 20,
            piece: 128 << 10,
            window: 8,
            max_unpacked: 64 << 20,
            max_named: 4_096,
            digest_from: 16,
            max_presence: 4 << 10,
            patience: Duration::from_secs(5),
            turn: Duration::from_secs(1),
            turn_at_most: Duration::from_secs(60),
            announce_every: Duration::from_secs(30),
            announce_after: Duration::from_millis(50),
            redial_after: Duration::from_secs(1),
            redial_at_most: Duration::from_secs(60),
            max_broken: 5,
            max_turned_away: 4_096,
            max_refused: 16_384,
            max_strikes: 16,
        }
    }
}
