//! The cells of a set.

use std::collections::BTreeMap;

use super::Key;
use super::cell::{Cell, Places};
use crate::MessageId;

/// The first cells of a set of names, kept as names come and go: each change touches about 2 ln(m/2) of m cells.
///
/// A prefix of the cells of a set serves every other set, however much it differs: who needs more asks for more.
///
/// ```
/// use dsys_gossip::MessageId;
/// use dsys_gossip::reconcile::{Key, Peeler, Sketch};
///
/// let key = Key(1, 2); // random, in earnest
/// let mut theirs = Sketch::new(key, 32);
/// let mut ours = Peeler::new(key);
/// for byte in 0..=255 {
///     if byte != 7 { theirs.insert(MessageId([byte; 16])); }
///     if byte != 9 { ours.insert(MessageId([byte; 16])); }
/// }
/// let difference = ours.peel(theirs.cells()).expect("two differences take less than 32 cells");
/// assert_eq!((difference.ours, difference.theirs), (vec![MessageId([7; 16])], vec![MessageId([9; 16])]));
/// ```
#[derive(Clone, Debug)]
pub struct Sketch {
    key: Key,
    cells: Vec<Cell>,
    count: usize,
}

impl Sketch {
    /// The first so many cells of the empty set.
    pub fn new(key: Key, cells: usize) -> Self {
        Sketch { key, cells: vec![Cell::default(); cells], count: 0 }
    }

    /// The key, which goes with the cells.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The cells.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// How many names are in the set.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a name that is not in the set.
    pub fn insert(&mut self, id: MessageId) {
        self.count += 1;
        self.change(id, 1);
    }

    /// Takes a name away that is in the set.
    pub fn remove(&mut self, id: MessageId) {
        self.count = self.count.saturating_sub(1);
        self.change(id, -1);
    }

    fn change(&mut self, id: MessageId, times: i64) {
        let hash = self.key.hash(id);
        let mut places = Places::new(hash);
        while let Some(cell) = usize::try_from(places.peek()).ok().and_then(|at| self.cells.get_mut(at)) {
            cell.add(id, hash, times);
            places.advance();
        }
    }
}

/// Names by the next cell they are in, so that the cells of a set are made in order, as many as are needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Coder {
    waiting: BTreeMap<u64, Vec<(MessageId, u64, Places)>>,
}

impl Coder {
    /// From the first cell on; `at` is the one that comes next.
    pub(super) fn insert(&mut self, id: MessageId, hash: u64, mut places: Places, at: u64) {
        while places.peek() < at {
            places.advance();
        }
        self.waiting.entry(places.peek()).or_default().push((id, hash, places));
    }

    /// So many cells from this number on; they must be made in order. A name costs a look-up for each call that it has a
    /// cell in, not for each cell.
    pub(super) fn cells(&mut self, from: u64, count: usize) -> Vec<Cell> {
        let mut cells = vec![Cell::default(); count];
        let later = self.waiting.split_off(&from.saturating_add(count as u64));
        for (id, hash, mut places) in std::mem::replace(&mut self.waiting, later).into_values().flatten() {
            let cell_at = |at: u64| usize::try_from(at.saturating_sub(from)).ok();
            while let Some(cell) = cell_at(places.peek()).and_then(|at| cells.get_mut(at)) {
                cell.add(id, hash, 1);
                places.advance();
            }
            self.waiting.entry(places.peek()).or_default().push((id, hash, places));
        }
        cells
    }
}
