//! One cell, and which cells a name is in.

use serde::{Deserialize, Serialize};

use super::Key;
use crate::MessageId;

/// The sum of the names that fell into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// How many.
    pub count: i64,
    /// Their hashes, by exclusive or.
    pub hashes: u64,
    /// They themselves, by exclusive or.
    pub names: [u8; 16],
}

impl Cell {
    /// Adds a name so often, or takes it away.
    pub(super) fn add(&mut self, id: MessageId, hash: u64, times: i64) {
        self.count = self.count.wrapping_add(times);
        self.hashes ^= hash;
        self.names.iter_mut().zip(id.0).for_each(|(sum, byte)| *sum ^= byte);
    }

    /// What is in this one and not in the other counts up, and the other way round down.
    pub(super) fn less(&self, other: &Cell) -> Cell {
        let mut less = *self;
        less.add(MessageId(other.names), other.hashes, other.count.wrapping_neg());
        less
    }

    /// The one name in it, if it is one, and whether it counts up (1) or down (-1).
    pub(super) fn pure(&self, key: Key) -> Option<(MessageId, i64)> {
        let id = MessageId(self.names);
        (matches!(self.count, 1 | -1) && key.hash(id) == self.hashes).then_some((id, self.count))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.hashes == 0 && self.names == [0; 16]
    }
}

/// The cells that a name is in, in order: all names are in the first, and in the i-th is one with probability 1/(1 + i/2),
/// independently (Yang, Gilad, Alizadeh 2024, §4.1). The gaps are drawn at once, by the inverse of their distribution (§4.2).
#[derive(Clone, Debug)]
pub(super) struct Places {
    next: u64,
    state: u64,
}

impl Places {
    pub(super) fn new(hash: u64) -> Self {
        Places { next: 0, state: hash }
    }

    pub(super) fn peek(&self) -> u64 {
        self.next
    }

    pub(super) fn advance(&mut self) {
        // A step of SplitMix64 (Steele, Lea, Flood 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // Uniform above 0, at most 1. A square root and a division are rounded alike everywhere.
        let uniform = ((z >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let at = self.next as f64;
        let gap = ((at + 1.5) * (1.0 / uniform.sqrt() - 1.0)).ceil().max(1.0);
        self.next = if gap < 1e15 { self.next.saturating_add(gap as u64) } else { u64::MAX };
    }
}
