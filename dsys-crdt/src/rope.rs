//! A rope: the text in leaves of a few kilobytes, each a gap buffer, in an [`Order`].
//!
//! Typing happens in one place for a while, so the rope remembers the leaf that was edited last and leaves the tree's sizes
//! for it stale until another leaf is edited. An edit in that leaf is a copy into the gap: the tree is not touched.
#![allow(clippy::indexing_slicing)] // Leaf numbers come from the order; positions are checked by `Text` and by the walk.

mod leaf;

use crate::order::{NONE, Order, Sizes};
use leaf::Leaf;

pub(crate) use leaf::byte_of_char;

/// The dimensions of the order.
pub(crate) const CHARS: usize = 0;
pub(crate) const BYTES: usize = 1;
pub(crate) const UTF16: usize = 2;

#[derive(Clone, Debug)]
pub(crate) struct Rope {
    leaves: Vec<Leaf>,
    order: Order<3>,
    total: Sizes<3>,
    /// The leaf edited last, the sizes before it, and what the order believes its sizes to be.
    current: u32,
    before: Sizes<3>,
    recorded: Sizes<3>,
}

impl Default for Rope {
    fn default() -> Self {
        Rope::new()
    }
}

impl Rope {
    pub(crate) fn new() -> Self {
        Rope {
            leaves: vec![Leaf::new()],
            order: Order::new([0; 3]),
            total: [0; 3],
            current: 0,
            before: [0; 3],
            recorded: [0; 3],
        }
    }

    /// The size of the whole in a dimension.
    pub(crate) fn len(&self, dim: usize) -> u32 {
        self.total[dim]
    }

    /// Inserts at a character position, which must be at most the length.
    pub(crate) fn insert(&mut self, at: u32, text: &str) {
        let at = at.min(self.total[CHARS]);
        self.seek(at, true);
        let offset = at - self.before[CHARS];
        let leaf = &mut self.leaves[self.current as usize];
        if text.len() <= leaf.room() {
            let size = leaf.insert(offset, text);
            plus(&mut self.total, size);
        } else {
            self.insert_long(offset, text);
        }
    }

    /// Deletes `count` characters from position `at`; all must exist.
    pub(crate) fn delete(&mut self, at: u32, mut count: u32) {
        while count > 0 {
            self.seek(at, false);
            let offset = at - self.before[CHARS];
            let leaf = &mut self.leaves[self.current as usize];
            let here = count.min(leaf.size()[CHARS].saturating_sub(offset));
            if here == 0 {
                return; // Past the end: the caller's positions are checked, so this is not reached.
            }
            let size = leaf.delete(offset, here);
            minus(&mut self.total, size);
            count -= here;
            if self.leaves[self.current as usize].size()[BYTES] == 0 {
                self.drop_current();
            }
        }
    }

    /// The text, whole.
    pub(crate) fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(self.total[BYTES] as usize);
        for leaf in self.order.iter() {
            let (head, tail) = self.leaves[leaf as usize].parts();
            bytes.extend_from_slice(head);
            bytes.extend_from_slice(tail);
        }
        // Only whole strings go in, and only whole characters out.
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// The parts of the text in order. None is cut within a character.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &str> {
        self.order.iter().flat_map(|leaf| {
            let (head, tail) = self.leaves[leaf as usize].parts();
            [head, tail].map(|part| std::str::from_utf8(part).unwrap_or_default())
        })
    }

    /// Where unit `at` of dimension `from` lies in dimension `to`. A position within a character gives the character's
    /// start; one past the end gives the end.
    pub(crate) fn convert(&self, from: usize, to: usize, at: u32) -> u32 {
        if at >= self.total[from] {
            return self.total[to];
        }
        let current = &self.leaves[self.current as usize];
        let grown = current.size()[from].wrapping_sub(self.recorded[from]);
        let (leaf, before) = if at < self.before[from] {
            self.order.find(from, at, false)
        } else if at - self.before[from] < current.size()[from] {
            (self.current, self.before)
        } else {
            let (leaf, mut before) = self.order.find(from, at.wrapping_sub(grown), false);
            plus(&mut before, current.size());
            minus(&mut before, self.recorded);
            (leaf, before)
        };
        before[to] + self.leaves[leaf as usize].convert(from, to, at - before[from])
    }

    /// Makes the leaf current that holds character `at`, or, with `end`, that ends there.
    fn seek(&mut self, at: u32, end: bool) {
        let chars = self.leaves[self.current as usize].size()[CHARS];
        let offset = at.wrapping_sub(self.before[CHARS]);
        if offset < chars || (offset == chars && (end || at == self.total[CHARS])) {
            return;
        }
        self.settle();
        let (leaf, before) = self.order.find(CHARS, at, end);
        (self.current, self.before) = (leaf, before);
        self.recorded = self.leaves[leaf as usize].size();
    }

    /// Tells the order the sizes of the current leaf.
    fn record(&mut self) {
        let size = self.leaves[self.current as usize].size();
        if size != self.recorded {
            let mut change = size;
            minus(&mut change, self.recorded);
            self.order.add(self.current, change);
            self.recorded = size;
        }
    }

    /// Records the current leaf, and joins it with the next if both are small.
    fn settle(&mut self) {
        self.record();
        let size = self.leaves[self.current as usize].size();
        let next = self.order.next(self.current);
        if next != NONE && leaf::small(size[BYTES] + self.leaves[next as usize].size()[BYTES]) {
            let (after, size) = {
                let leaf = &self.leaves[next as usize];
                (leaf.text(), leaf.size())
            };
            let leaf = &mut self.leaves[self.current as usize];
            leaf.insert(leaf.size()[CHARS], &after);
            self.leaves[next as usize] = Leaf::empty();
            self.order.remove(next);
            self.order.add(self.current, size);
            self.recorded = self.leaves[self.current as usize].size();
        }
    }

    /// Removes the current leaf, which is empty.
    fn drop_current(&mut self) {
        self.record();
        let next = self.order.next(self.current);
        let other = if next == NONE { self.order.previous(self.current) } else { next };
        if self.order.remove(self.current) {
            self.leaves[self.current as usize] = Leaf::empty();
            self.current = other;
            self.before = self.order.before(other);
            self.recorded = self.leaves[other as usize].size();
        }
    }

    /// Inserts what does not fit: the tail of the leaf goes to a leaf of its own, then leaves are filled in between.
    fn insert_long(&mut self, offset: u32, text: &str) {
        let tail = self.leaves[self.current as usize].split_off(offset);
        let mut rest = text;
        loop {
            let leaf = &mut self.leaves[self.current as usize];
            let mut here = rest.len().min(leaf.room());
            while !rest.is_char_boundary(here) {
                here -= 1;
            }
            let (now, later) = rest.split_at(here);
            let end = leaf.size()[CHARS];
            let size = leaf.insert(end, now);
            plus(&mut self.total, size);
            rest = later;
            if rest.is_empty() {
                break;
            }
            self.push_leaf(Leaf::new());
        }
        if tail.size()[BYTES] > 0 {
            let (current, before) = (self.current, self.before);
            self.push_leaf(tail);
            // The next edit is likely to be where this one ended.
            (self.current, self.before) = (current, before);
            self.recorded = self.leaves[current as usize].size();
        }
    }

    /// Puts a leaf after the current one and makes it current.
    fn push_leaf(&mut self, leaf: Leaf) {
        self.record();
        plus(&mut self.before, self.recorded);
        self.recorded = leaf.size();
        self.current = self.order.insert_after(self.current, leaf.size());
        match self.leaves.get_mut(self.current as usize) {
            Some(place) => *place = leaf,
            None => self.leaves.push(leaf),
        }
    }
}

fn plus(to: &mut Sizes<3>, size: Sizes<3>) {
    for (to, size) in to.iter_mut().zip(size) {
        *to = to.wrapping_add(size);
    }
}

fn minus(to: &mut Sizes<3>, size: Sizes<3>) {
    for (to, size) in to.iter_mut().zip(size) {
        *to = to.wrapping_sub(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Edit {
        Insert(u32, String),
        Delete(u32, u32),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            3 => (any::<u32>(), "[a-zé漢😀]{1,12}").prop_map(|(at, text)| Edit::Insert(at, text)),
            1 => (any::<u32>(), "[a-zé漢😀]{500,3000}").prop_map(|(at, text)| Edit::Insert(at, text)),
            3 => (any::<u32>(), 1u32..9).prop_map(|(at, count)| Edit::Delete(at, count)),
            1 => (any::<u32>(), 1u32..5000).prop_map(|(at, count)| Edit::Delete(at, count)),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_string(edits in prop::collection::vec(edit(), 1..60)) {
            let mut rope = Rope::new();
            let mut plain: Vec<char> = Vec::new();
            for edit in edits {
                match edit {
                    Edit::Insert(at, text) => {
                        let at = at as usize % (plain.len() + 1);
                        rope.insert(at as u32, &text);
                        plain.splice(at..at, text.chars());
                    }
                    Edit::Delete(at, count) => {
                        let at = at as usize % (plain.len() + 1);
                        let count = (count as usize).min(plain.len() - at);
                        rope.delete(at as u32, count as u32);
                        plain.drain(at..at + count);
                    }
                }
                prop_assert_eq!(rope.len(CHARS) as usize, plain.len());
            }
            let text: String = plain.iter().collect();
            prop_assert_eq!(rope.text(), text.clone());
            prop_assert_eq!(rope.chunks().collect::<String>(), text.clone());
            let (mut bytes, mut utf16) = (0, 0);
            // A few hundred places: each is a walk of a leaf.
            let step = 1 + plain.len() / 300;
            for (at, each) in plain.iter().enumerate() {
                let at = at as u32;
                if (at as usize).is_multiple_of(step) {
                    prop_assert_eq!(rope.convert(CHARS, BYTES, at), bytes);
                    prop_assert_eq!(rope.convert(CHARS, UTF16, at), utf16);
                    prop_assert_eq!(rope.convert(BYTES, CHARS, bytes), at);
                    prop_assert_eq!(rope.convert(UTF16, BYTES, utf16), bytes);
                }
                bytes += each.len_utf8() as u32;
                utf16 += each.len_utf16() as u32;
            }
            prop_assert_eq!(rope.convert(CHARS, BYTES, plain.len() as u32), bytes);
        }
    }
}
