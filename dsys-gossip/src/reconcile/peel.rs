//! From the cells of two sets to their difference.

use super::Key;
use super::cell::{Cell, Places};
use super::sketch::{Coder, Sketch};
use crate::MessageId;

/// What one set has and the other lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What we have and they lack.
    pub ours: Vec<MessageId>,
    /// What they have and we lack.
    pub theirs: Vec<MessageId>,
}

/// Compares our set with another's cells as they come, until the difference is known.
///
/// Cells are the peer's word. A false one can make the difference wrong or keep it from being found; then more cells do not
/// help, so a caller bounds how many it takes. Each cell costs its size in memory, and each name that is found so many steps
/// as it is in cells; it ends after at most as many names as there are cells.
#[derive(Clone, Debug)]
pub struct Peeler {
    key: Key,
    ours: Coder,
    /// Theirs less ours, less what was found.
    cells: Vec<Cell>,
    found: Difference,
    wrong: bool,
}

impl Peeler {
    /// An empty set of ours, under the key of the other's cells.
    pub fn new(key: Key) -> Self {
        Peeler { key, ours: Coder::default(), cells: Vec::new(), found: Difference::default(), wrong: false }
    }

    /// Adds a name of ours, before the first cells come.
    pub fn insert(&mut self, id: MessageId) {
        let hash = self.key.hash(id);
        self.ours.insert(id, hash, Places::new(hash), self.cells.len() as u64);
    }

    /// The difference between our set and another's, from so many cells of both: for whoever has many names and knows how many
    /// cells there will be. `None` if they are too few, or contradict each other. Takes no more cells than both have.
    pub fn compare(ours: &Sketch, theirs: &[Cell]) -> Option<Difference> {
        let mut peeler = Peeler::new(ours.key());
        peeler.take_in(theirs.iter().zip(ours.cells()).map(|(theirs, ours)| theirs.less(ours)))
    }

    /// Takes the next cells of the other. `Some` once the difference is known, all of it, and `None` while more cells are
    /// needed; for good, if the cells contradict each other.
    pub fn peel(&mut self, theirs: &[Cell]) -> Option<Difference> {
        let ours = self.ours.cells(self.cells.len() as u64, theirs.len());
        self.take_in(theirs.iter().zip(&ours).map(|(theirs, ours)| theirs.less(ours)))
    }

    /// The next cells of theirs less ours.
    fn take_in(&mut self, less: impl IntoIterator<Item = Cell>) -> Option<Difference> {
        let begin = self.cells.len();
        self.cells.extend(less);
        // What was found before is in the new cells too.
        let known: Vec<(MessageId, i64)> = (self.found.theirs.iter().map(|id| (*id, 1)))
            .chain(self.found.ours.iter().map(|id| (*id, -1)))
            .collect();
        for (id, times) in known {
            self.take_out(id, times, begin as u64, &mut Vec::new());
        }
        let mut look: Vec<usize> = (begin..self.cells.len()).collect();
        while let Some(at) = look.pop() {
            let Some((id, times)) = self.cells.get(at).and_then(|cell| cell.pure(self.key)) else { continue };
            if self.found.ours.len() + self.found.theirs.len() >= self.cells.len() {
                // No more can be found in so few cells: they are no sum of names.
                self.wrong = true;
                break;
            }
            if times > 0 { &mut self.found.theirs } else { &mut self.found.ours }.push(id);
            self.take_out(id, times, 0, &mut look);
        }
        // Every name is in the first cell, so it is empty when all are found.
        let done = self.cells.first().is_some_and(Cell::is_empty) && !self.wrong;
        done.then(|| {
            self.found.ours.sort_unstable();
            self.found.theirs.sort_unstable();
            self.found.clone()
        })
    }

    /// How many cells have come.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    fn take_out(&mut self, id: MessageId, times: i64, from: u64, look: &mut Vec<usize>) {
        let hash = self.key.hash(id);
        let mut places = Places::new(hash);
        while let Some(at) = usize::try_from(places.peek()).ok().filter(|at| *at < self.cells.len()) {
            if places.peek() >= from
                && let Some(cell) = self.cells.get_mut(at)
            {
                cell.add(id, hash, -times);
                look.push(at);
            }
            places.advance();
        }
    }
}
