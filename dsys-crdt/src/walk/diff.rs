//! What two versions do not share.
#![allow(clippy::indexing_slicing)] // Items are those of the zone for which memory was made.

use super::plan::{At, Items};

/// Events of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) item: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

const A: usize = 0;
const B: usize = 1;

/// Finds differences in a zone; keeps its memory from one to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Diff {
    /// By item: the end of what each version has of it, as far as is known; 0 if that is nothing.
    ends: Vec<[u32; 2]>,
    /// Bit `i % 64` of word `i / 64`: item `i` has an end and has not been visited.
    pending: Vec<u64>,
    /// How many such bits there are.
    left: u32,
    /// What only the first version has, and what only the second has, the latest first.
    only: [Vec<Stretch>; 2],
}

impl Diff {
    /// Makes place for a zone of so many items.
    pub(super) fn reset(&mut self, items: usize) {
        self.ends.clear();
        self.ends.resize(items, [0; 2]);
        self.pending.clear();
        self.pending.resize(items / 64 + 1, 0);
        self.left = 0;
    }

    /// Finds the events of the zone that only version `a` has, the latest first, and those that only version `b` has;
    /// and how many steps it took.
    ///
    /// Walks back from both, the latest item first, until everything that is left to visit is in both.
    pub(super) fn find(&mut self, items: &Items, a: &[At], b: &[At]) -> ([&[Stretch]; 2], u64) {
        self.only.iter_mut().for_each(Vec::clear);
        let (mut unshared, mut steps) = (0, 0);
        a.iter().for_each(|&at| unshared += self.push(at, [at.lv + 1, 0]));
        b.iter().for_each(|&at| unshared += self.push(at, [0, at.lv + 1]));
        let mut word = a.iter().chain(b).max().map_or(0, |at| at.item as usize / 64);
        while self.left > 0 {
            steps += 1;
            let bits = self.pending[word];
            if bits == 0 {
                word -= 1;
                continue;
            }
            let item = (word * 64) as u32 + bits.ilog2();
            self.pending[word] ^= 1 << (item % 64);
            self.left -= 1;
            let [a, b] = std::mem::take(&mut self.ends[item as usize]);
            if unshared == 0 {
                continue; // All that is left is forgotten.
            }
            if a != b {
                unshared -= 1;
                let side = if a > b { A } else { B };
                let from = items.get(item).start.max(a.min(b));
                self.only[side].push(Stretch { item, from, to: a.max(b) });
            }
            for &parent in items.parents(item) {
                let end = |has: u32| if has > 0 { parent.lv + 1 } else { 0 };
                unshared += self.push(parent, [end(a), end(b)]);
            }
        }
        let [only_a, only_b] = &self.only;
        ([only_a, only_b], steps)
    }

    /// Notes what the versions have of an item; gives by how much the number of pending items changes of which they have
    /// different parts.
    fn push(&mut self, at: At, has: [u32; 2]) -> i32 {
        let ends = &mut self.ends[at.item as usize];
        let before = ends[A] != ends[B];
        for (end, has) in ends.iter_mut().zip(has) {
            *end = has.max(*end);
        }
        let (word, bit) = (&mut self.pending[at.item as usize / 64], 1 << (at.item % 64));
        self.left += u32::from(*word & bit == 0);
        *word |= bit;
        i32::from(ends[A] != ends[B]) - i32::from(before)
    }
}
