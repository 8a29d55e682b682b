//! A map from numbers to the leaf that holds them, when leaves hold spans of consecutive numbers.
//!
//! One bit says whether a span starts at a number, and an array holds the leaf of each span that starts; a lookup scans
//! the bits backwards, 64 at a time, and whole empty words 64 at a time again. Moving a span to another leaf is one write.
#![allow(clippy::indexing_slicing)] // Numbers are those of events and characters that the tracker has seen.

#[derive(Clone, Debug, Default)]
pub(super) struct Starts {
    /// Bit `n % 64` of word `n / 64`: a span starts at `n`.
    bits: Vec<u64>,
    /// Bit `w % 64` of word `w / 64`: word `w` of `bits` is not zero.
    words: Vec<u64>,
    leaf: Vec<u32>,
}

impl Starts {
    /// Forgets everything, and makes place for the numbers below `len`.
    pub(super) fn reset(&mut self, len: usize) {
        self.bits.clear();
        self.words.clear();
        self.bits.resize(len / 64 + 1, 0);
        self.words.resize(len / 4096 + 1, 0);
        // What an old leaf says is never read, for its bit is not set.
        if self.leaf.len() < len {
            self.leaf = vec![0; len.next_power_of_two()];
        }
    }

    /// Makes place for the numbers below `len`, and forgets nothing.
    pub(super) fn grow(&mut self, len: usize) {
        self.bits.resize(self.bits.len().max(len / 64 + 1), 0);
        self.words.resize(self.words.len().max(len / 4096 + 1), 0);
        if self.leaf.len() < len {
            self.leaf.resize(len.next_power_of_two(), 0);
        }
    }

    pub(super) fn set(&mut self, start: u32, leaf: u32) {
        let start = start as usize;
        self.bits[start / 64] |= 1 << (start % 64);
        self.words[start / 4096] |= 1 << (start / 64 % 64);
        self.leaf[start] = leaf;
    }

    /// A span that was joined to the one before it no longer starts.
    pub(super) fn unset(&mut self, start: u32) {
        let start = start as usize;
        self.bits[start / 64] &= !(1 << (start % 64));
        if self.bits[start / 64] == 0 {
            self.words[start / 4096] &= !(1 << (start / 64 % 64));
        }
    }

    /// The leaf of the last span that starts at `number` or before it.
    pub(super) fn leaf_of(&self, number: u32) -> u32 {
        let mut word = number as usize / 64;
        let mut bits = self.bits[word] & (u64::MAX >> (63 - number % 64));
        if bits == 0 {
            let mut group = word / 64;
            let mut words = self.words[group] & !(u64::MAX << (word % 64));
            while words == 0 {
                if group == 0 {
                    return 0;
                }
                group -= 1;
                words = self.words[group];
            }
            word = group * 64 + words.ilog2() as usize;
            bits = self.bits[word];
        }
        self.leaf[word * 64 + bits.ilog2() as usize]
    }
}
