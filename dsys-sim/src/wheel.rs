//! The event queue: a hierarchical timing wheel (Varghese, Lauck 1987, scheme 7) that also sorts within a slot.
//!
//! Six levels of 256 slots over ticks of 2^16 ns (65.5 us) cover all of `u64`, so there is no overflow list. An
//! entry lies at the level of the highest digit in which its tick differs from the cursor's; when the cursor reaches
//! a slot of a higher level, its entries move down in the order in which they came. So entries of one time keep
//! their order of insertion, and a stable sort of each slot by time gives exactly the order (time, insertion).

use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

const TICK_BITS: u32 = 16;
const DIGIT_BITS: u32 = 8;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 6;
/// Vectors kept for reuse by slots that had none.
const SPARE: usize = 64;

/// One thing to happen: when, to whom, and where the rest of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) time: u64,
    pub(crate) node: u32,
    pub(crate) slot: u32,
}

/// A queue of entries, taken in the order (time, insertion). Time does not run backwards.
#[derive(Debug)]
pub(crate) struct Wheel {
    levels: Vec<Level>,
    /// The tick of the slot that `run` was taken from.
    tick: u64,
    /// The current slot's entries in order, and how many of them are gone.
    run: Vec<Entry>,
    gone: usize,
    /// Entries that came for the current slot after it was sorted.
    late: BinaryHeap<Reverse<(u64, u64, Entry)>>,
    late_count: u64,
    spare: Vec<Vec<Entry>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Level {
    slots: Vec<Vec<Entry>>,
    occupied: [u64; SLOTS / 64],
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let level = Level { slots: vec![Vec::new(); SLOTS], occupied: [0; SLOTS / 64] };
        Wheel {
            levels: vec![level; LEVELS],
            tick: 0,
            run: Vec::new(),
            gone: 0,
            late: BinaryHeap::new(),
            late_count: 0,
            spare: Vec::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.len += 1;
        if entry.time >> TICK_BITS <= self.tick {
            self.late_count += 1;
            self.late.push(Reverse((entry.time, self.late_count, entry)));
        } else {
            self.place(entry);
        }
    }

    /// The next entry, unless it is later than `limit`.
    #[inline]
    pub(crate) fn pop(&mut self, limit: u64) -> Option<Entry> {
        loop {
            if let Some(sorted) = self.run.get(self.gone) {
                // At the same time the sorted one came first: it was there when the slot was sorted.
                if self.late.peek().is_none_or(|Reverse((time, ..))| *time >= sorted.time) {
                    if sorted.time > limit {
                        return None;
                    }
                    self.gone += 1;
                    self.len -= 1;
                    return Some(*sorted);
                }
            }
            if let Some(late) = self.late.peek_mut() {
                if late.0.0 > limit {
                    return None;
                }
                self.len -= 1;
                return Some(PeekMut::pop(late).0.2);
            }
            if !self.advance(limit) {
                return None;
            }
        }
    }

    fn place(&mut self, entry: Entry) {
        let tick = entry.time >> TICK_BITS;
        let digit = (63 - (tick ^ self.tick).leading_zeros()) / DIGIT_BITS;
        let slot = (tick >> (DIGIT_BITS * digit)) as usize % SLOTS;
        let Some(level) = self.levels.get_mut(digit as usize) else { return };
        let Some(entries) = level.slots.get_mut(slot) else { return };
        if entries.capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *entries = spare;
        }
        entries.push(entry);
        if let Some(word) = level.occupied.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Moves the cursor to the next occupied slot that begins no later than `limit`, and sorts it into `run`.
    fn advance(&mut self, limit: u64) -> bool {
        loop {
            self.run.clear();
            self.gone = 0;
            let Some((digit, slot)) =
                self.levels.iter().enumerate().find_map(|(digit, level)| Some((digit, level.first()?)))
            else {
                return false;
            };
            let shift = DIGIT_BITS * digit as u32;
            let above = self.tick >> shift >> DIGIT_BITS << DIGIT_BITS << shift;
            let tick = above | (slot as u64) << shift;
            if tick << TICK_BITS > limit {
                return false;
            }
            self.tick = tick;
            let mut entries = self.take(digit, slot);
            if digit == 0 {
                std::mem::swap(&mut self.run, &mut entries);
            } else {
                for entry in entries.drain(..) {
                    if entry.time >> TICK_BITS == tick {
                        self.run.push(entry);
                    } else {
                        self.place(entry);
                    }
                }
            }
            if entries.capacity() > 0 && self.spare.len() < SPARE {
                self.spare.push(entries);
            }
            if !self.run.is_empty() {
                self.run.sort_by_key(|entry| entry.time);
                return true;
            }
        }
    }

    fn take(&mut self, digit: usize, slot: usize) -> Vec<Entry> {
        let Some(level) = self.levels.get_mut(digit) else { return Vec::new() };
        if let Some(word) = level.occupied.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
        }
        level.slots.get_mut(slot).map(std::mem::take).unwrap_or_default()
    }
}

impl Level {
    /// The lowest occupied slot. All lie above the cursor's own digit, so the lowest is the next.
    fn first(&self) -> Option<usize> {
        self.occupied
            .iter()
            .enumerate()
            .find_map(|(word, &bits)| (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Dice;

    /// Against the obvious queue: a sorted list of (time, insertion).
    #[test]
    fn entries_leave_in_the_order_of_time_and_insertion() {
        for seed in 0..20 {
            let mut dice = Dice::new(seed);
            let mut wheel = Wheel::new();
            let mut model: Vec<(u64, u32)> = Vec::new();
            let mut now = 0;
            for slot in 0..20_000u32 {
                if dice.below(2) == 0 && !model.is_empty() {
                    let limit = now + (1 << dice.below(40));
                    let first = *model.iter().min().unwrap();
                    let got = wheel.pop(limit).map(|entry| (entry.time, entry.slot));
                    assert_eq!(got, (first.0 <= limit).then_some(first));
                    if got.is_some() {
                        now = first.0;
                        model.retain(|item| *item != first);
                    }
                } else {
                    // Coarse times, so that many collide.
                    let step = 1u64 << dice.below(42);
                    let time = now + dice.below(8) * step;
                    wheel.insert(Entry { time, node: 0, slot });
                    model.push((time, slot));
                }
                assert_eq!(wheel.len(), model.len());
                if model.len() > 300 {
                    while let Some(entry) = wheel.pop(u64::MAX) {
                        let first = *model.iter().min().unwrap();
                        assert_eq!((entry.time, entry.slot), first);
                        now = entry.time;
                        model.retain(|item| *item != first);
                    }
                }
            }
        }
    }

    #[test]
    fn the_end_of_time_fits() {
        let mut wheel = Wheel::new();
        wheel.insert(Entry { time: u64::MAX, node: 0, slot: 1 });
        wheel.insert(Entry { time: 1 << 63, node: 0, slot: 2 });
        assert_eq!(wheel.pop(u64::MAX).map(|entry| entry.slot), Some(2));
        assert_eq!(wheel.pop(u64::MAX).map(|entry| entry.slot), Some(1));
        assert_eq!(wheel.pop(u64::MAX), None);
    }
}
