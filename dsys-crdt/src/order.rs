//! An order-statistic B-tree over the leaves of a sequence.
//!
//! It holds no content: a leaf is a number, and whoever uses the tree keeps the leaf's content in an array of its own at
//! that number. The tree keeps the leaves in order, and for each the sizes in `D` dimensions (characters, bytes, ...), so
//! that it answers "which leaf holds character 5,000", "how many bytes stand before leaf 7" and "which of two leaves comes
//! first" in a walk of a few levels. Nodes are fixed arrays in one vector; there are no pointers.
//!
//! ```text
//! nodes   [ parent len | child child child ... | size size size ... ]   16 children each
//! leaves  parent, previous, next                                        by leaf number
//! ```
//!
//! A node that becomes empty is removed; nodes that are merely sparse are left alone, which bounds the height by the most
//! leaves there ever were.
#![allow(clippy::indexing_slicing)] // Node and leaf numbers come from the tree itself, never from outside the crate.

use std::cmp::Ordering;

/// No leaf, no node.
pub(crate) const NONE: u32 = u32::MAX;

const FANOUT: usize = 16;

/// Sizes of a leaf or of all before one.
pub(crate) type Sizes<const D: usize> = [u32; D];

#[derive(Clone, Debug)]
struct Node<const D: usize> {
    parent: u32,
    len: u8,
    child: [u32; FANOUT],
    size: [Sizes<D>; FANOUT],
}

impl<const D: usize> Node<D> {
    fn new(parent: u32) -> Self {
        Node { parent, len: 0, child: [NONE; FANOUT], size: [[0; D]; FANOUT] }
    }

    fn slot(&self, child: u32) -> usize {
        self.child[..self.len as usize].iter().position(|&each| each == child).unwrap_or(0)
    }

    fn insert(&mut self, at: usize, child: u32, size: Sizes<D>) {
        let len = self.len as usize;
        self.child.copy_within(at..len, at + 1);
        self.size.copy_within(at..len, at + 1);
        self.child[at] = child;
        self.size[at] = size;
        self.len += 1;
    }

    fn total(&self) -> Sizes<D> {
        let mut total = [0; D];
        for size in &self.size[..self.len as usize] {
            plus(&mut total, size);
        }
        total
    }
}

#[derive(Clone, Copy, Debug)]
struct Leaf {
    parent: u32,
    previous: u32,
    next: u32,
}

/// The order of leaves; see the module.
#[derive(Clone, Debug)]
pub(crate) struct Order<const D: usize> {
    nodes: Vec<Node<D>>,
    leaves: Vec<Leaf>,
    free_nodes: Vec<u32>,
    free_leaves: Vec<u32>,
    root: u32,
    /// How many levels of nodes stand above the leaves.
    height: u32,
    first: u32,
    last: u32,
}

impl<const D: usize> Order<D> {
    /// An order of one leaf, number 0.
    pub(crate) fn new(size: Sizes<D>) -> Self {
        let mut order = Order {
            nodes: Vec::new(),
            leaves: Vec::new(),
            free_nodes: Vec::new(),
            free_leaves: Vec::new(),
            root: 0,
            height: 1,
            first: 0,
            last: 0,
        };
        order.reset(size);
        order
    }

    /// Forgets all leaves but a new one, number 0.
    pub(crate) fn reset(&mut self, size: Sizes<D>) {
        self.nodes.clear();
        self.leaves.clear();
        self.free_nodes.clear();
        self.free_leaves.clear();
        let mut root = Node::new(NONE);
        root.insert(0, 0, size);
        self.nodes.push(root);
        self.leaves.push(Leaf { parent: 0, previous: NONE, next: NONE });
        (self.root, self.height, self.first, self.last) = (0, 1, 0, 0);
    }

    /// The first leaf.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// The leaf after `leaf`, or `NONE`.
    pub(crate) fn next(&self, leaf: u32) -> u32 {
        self.leaves[leaf as usize].next
    }

    /// The leaf before `leaf`, or `NONE`.
    pub(crate) fn previous(&self, leaf: u32) -> u32 {
        self.leaves[leaf as usize].previous
    }

    /// All leaves in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let leaf = (at != NONE).then_some(at)?;
            at = self.next(leaf);
            Some(leaf)
        })
    }

    /// The sizes of everything.
    pub(crate) fn total(&self) -> Sizes<D> {
        self.nodes[self.root as usize].total()
    }

    /// The leaf that holds unit `at` of dimension `dim`, with the sizes before the leaf. With `end`, the leaf that holds
    /// the unit before `at`, so that `at` may be the end of the leaf. Past the end of everything it is the last leaf.
    pub(crate) fn find(&self, dim: usize, at: u32, end: bool) -> (u32, Sizes<D>) {
        let mut before = [0; D];
        let mut id = self.root;
        let at = if end { at } else { at.saturating_add(1) };
        for _ in 0..self.height {
            let node = &self.nodes[id as usize];
            let last = (node.len as usize).saturating_sub(1);
            let mut slot = 0;
            while slot < last && before[dim] + node.size[slot][dim] < at {
                plus(&mut before, &node.size[slot]);
                slot += 1;
            }
            id = node.child[slot];
        }
        (id, before)
    }

    /// The sizes of all leaves before `leaf`.
    pub(crate) fn before(&self, leaf: u32) -> Sizes<D> {
        let mut before = [0; D];
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            for (slot, &each) in node.child.iter().enumerate() {
                if each == child {
                    break;
                }
                plus(&mut before, &node.size[slot]);
            }
            (child, parent) = (parent, node.parent);
        }
        before
    }

    /// The sizes before the leaf, in one dimension.
    pub(crate) fn before_in(&self, dim: usize, leaf: u32) -> u32 {
        let mut before = 0;
        let (mut child, mut parent) = (leaf, self.leaves[leaf as usize].parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            for (slot, &each) in node.child.iter().enumerate() {
                if each == child {
                    break;
                }
                before += node.size[slot][dim];
            }
            (child, parent) = (parent, node.parent);
        }
        before
    }

    /// Adds to the sizes of a leaf; what shrinks is given as its negative, wrapped.
    pub(crate) fn add(&mut self, leaf: u32, change: Sizes<D>) {
        self.add_above(leaf, self.leaves[leaf as usize].parent, change);
    }

    /// Which of two leaves comes first.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let (mut a, mut pa) = (a, self.leaves[a as usize].parent);
        let (mut b, mut pb) = (b, self.leaves[b as usize].parent);
        // All leaves are equally deep, so both walks meet.
        while pa != pb {
            (a, pa) = (pa, self.nodes[pa as usize].parent);
            (b, pb) = (pb, self.nodes[pb as usize].parent);
        }
        let node = &self.nodes[pa as usize];
        node.slot(a).cmp(&node.slot(b))
    }

    /// Puts a new leaf after `leaf`.
    pub(crate) fn insert_after(&mut self, leaf: u32, size: Sizes<D>) -> u32 {
        let next = self.leaves[leaf as usize].next;
        let link = Leaf { parent: NONE, previous: leaf, next };
        let new = match self.free_leaves.pop() {
            Some(free) => {
                self.leaves[free as usize] = link;
                free
            }
            None => {
                self.leaves.push(link);
                (self.leaves.len() - 1) as u32
            }
        };
        self.leaves[leaf as usize].next = new;
        match next {
            NONE => self.last = new,
            next => self.leaves[next as usize].previous = new,
        }
        self.insert_child(self.leaves[leaf as usize].parent, leaf, new, true);
        self.add(new, size);
        new
    }

    /// Removes a leaf, unless it is the only one. Its number may be given out again.
    pub(crate) fn remove(&mut self, leaf: u32) -> bool {
        let Leaf { parent, previous, next } = self.leaves[leaf as usize];
        if previous == NONE && next == NONE {
            return false;
        }
        match previous {
            NONE => self.first = next,
            previous => self.leaves[previous as usize].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => self.leaves[next as usize].previous = previous,
        }
        let node = &self.nodes[parent as usize];
        let size = node.size[node.slot(leaf)];
        self.add(leaf, size.map(u32::wrapping_neg));
        self.free_leaves.push(leaf);
        let (mut child, mut at) = (leaf, parent);
        loop {
            let node = &mut self.nodes[at as usize];
            let (slot, len) = (node.slot(child), node.len as usize);
            node.child.copy_within(slot + 1..len, slot);
            node.size.copy_within(slot + 1..len, slot);
            node.len -= 1;
            if node.len > 0 || node.parent == NONE {
                break;
            }
            (child, at) = (at, node.parent);
            self.free_nodes.push(child);
        }
        while self.height > 1 && self.nodes[self.root as usize].len == 1 {
            let old = self.root;
            self.root = self.nodes[old as usize].child[0];
            self.nodes[self.root as usize].parent = NONE;
            self.free_nodes.push(old);
            self.height -= 1;
        }
        true
    }

    fn add_above(&mut self, mut child: u32, mut parent: u32, change: Sizes<D>) {
        while parent != NONE {
            let node = &mut self.nodes[parent as usize];
            let slot = node.slot(child);
            plus(&mut node.size[slot], &change);
            (child, parent) = (parent, node.parent);
        }
    }

    /// Puts `new`, still without a size, after `child` in node `at`, splitting what is full.
    fn insert_child(&mut self, at: u32, child: u32, new: u32, is_leaf: bool) {
        let (mut target, mut slot) = (at, self.nodes[at as usize].slot(child) + 1);
        if self.nodes[at as usize].len as usize == FANOUT {
            let right = self.split(at, is_leaf);
            if slot > FANOUT / 2 {
                (target, slot) = (right, slot - FANOUT / 2);
            }
        }
        self.nodes[target as usize].insert(slot, new, [0; D]);
        self.set_parent(new, target, is_leaf);
    }

    /// Moves the second half of a full node to a new one, which is put after it; gives the new one.
    fn split(&mut self, at: u32, is_leaf: bool) -> u32 {
        if self.nodes[at as usize].parent == NONE {
            let mut root = Node::new(NONE);
            root.insert(0, at, self.nodes[at as usize].total());
            let id = self.new_node(root);
            self.nodes[at as usize].parent = id;
            self.root = id;
            self.height += 1;
        }
        let parent = self.nodes[at as usize].parent;
        let mut right = Node::new(parent);
        let node = &mut self.nodes[at as usize];
        right.child[..FANOUT / 2].copy_from_slice(&node.child[FANOUT / 2..]);
        right.size[..FANOUT / 2].copy_from_slice(&node.size[FANOUT / 2..]);
        right.len = (FANOUT / 2) as u8;
        node.len = (FANOUT / 2) as u8;
        node.child[FANOUT / 2..].fill(NONE);
        let moved = right.total();
        let right_id = self.new_node(right);
        for slot in 0..FANOUT / 2 {
            let child = self.nodes[right_id as usize].child[slot];
            self.set_parent(child, right_id, is_leaf);
        }
        // The parent may be full as well, so that the two come under different nodes.
        self.insert_child(parent, at, right_id, false);
        self.add_above(at, self.nodes[at as usize].parent, moved.map(u32::wrapping_neg));
        self.add_above(right_id, self.nodes[right_id as usize].parent, moved);
        right_id
    }

    fn set_parent(&mut self, child: u32, parent: u32, is_leaf: bool) {
        if is_leaf {
            self.leaves[child as usize].parent = parent;
        } else {
            self.nodes[child as usize].parent = parent;
        }
    }

    fn new_node(&mut self, node: Node<D>) -> u32 {
        match self.free_nodes.pop() {
            Some(free) => {
                self.nodes[free as usize] = node;
                free
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }
}

fn plus<const D: usize>(to: &mut Sizes<D>, change: &Sizes<D>) {
    for (to, change) in to.iter_mut().zip(change) {
        *to = to.wrapping_add(*change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums by hand, over leaves in a plain vector.
    fn check(order: &Order<2>, plain: &[(u32, [u32; 2])]) {
        assert_eq!(order.iter().collect::<Vec<_>>(), plain.iter().map(|each| each.0).collect::<Vec<_>>());
        let mut before = [0, 0];
        for (at, &(leaf, size)) in plain.iter().enumerate() {
            assert_eq!(order.before(leaf), before);
            assert_eq!(order.before_in(1, leaf), before[1]);
            assert_eq!(order.compare(plain[0].0, leaf), 0.cmp(&at));
            assert_eq!(order.find(0, before[0], false), (leaf, before));
            assert_eq!(order.find(1, before[1] + size[1], true), (leaf, before));
            plus(&mut before, &size);
        }
    }

    #[test]
    fn agrees_with_a_plain_vector_while_leaves_come_grow_and_go() {
        let mut order = Order::new([1, 1]);
        let mut plain = vec![(0, [1, 1])];
        let mut seed = 7u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        for step in 0..3_000 {
            let at = random(plain.len());
            // Grows for a while, then shrinks to one leaf.
            let grow = if step < 1_500 { 6 } else { 2 };
            match random(10) {
                pick if pick < grow => {
                    let size = [1 + random(9) as u32, 1 + random(9) as u32];
                    let leaf = order.insert_after(plain[at].0, size);
                    plain.insert(at + 1, (leaf, size));
                }
                pick if pick < 8 => {
                    let removed = order.remove(plain[at].0);
                    assert_eq!(removed, plain.len() > 1);
                    if removed {
                        plain.remove(at);
                    }
                }
                _ => {
                    order.add(plain[at].0, [3, 1]);
                    plus(&mut plain[at].1, &[3, 1]);
                }
            }
            if step % 50 == 0 || plain.len() < 4 {
                check(&order, &plain);
            }
        }
        check(&order, &plain);
    }
}
