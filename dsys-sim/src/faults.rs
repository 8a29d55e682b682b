//! What the network does to messages, and which pairs of nodes it keeps apart.

use std::time::Duration;

/// What happens to every message on its way. All off by default; may be changed while the simulation runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Probability that a message is lost, 0 to 1.
    pub loss: f64,
    /// Probability that a message arrives twice, 0 to 1. The second copy takes a latency of its own and keeps no
    /// order.
    pub duplication: f64,
    /// Probability that a message is taken out of order, 0 to 1: it is delayed by up to `reordering_delay` and those
    /// behind it do not wait. At 0, messages of one ordered pair of nodes stay in order.
    pub reordering: f64,
    /// The longest delay of a message taken out of order.
    pub reordering_delay: Duration,
}

impl Faults {
    /// A network that loses and doubles nothing.
    pub const NONE: Faults =
        Faults { loss: 0.0, duplication: 0.0, reordering: 0.0, reordering_delay: Duration::from_millis(200) };
}

impl Default for Faults {
    fn default() -> Self {
        Faults::NONE
    }
}

/// A set of nodes by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set(Vec<u64>);

impl Set {
    pub(crate) fn insert(&mut self, place: u32) {
        let word = place as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (place % 64);
        }
    }

    pub(crate) fn contains(&self, place: u32) -> bool {
        self.0.get(place as usize / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}

impl FromIterator<u32> for Set {
    fn from_iter<I: IntoIterator<Item = u32>>(places: I) -> Self {
        let mut set = Set::default();
        for place in places {
            set.insert(place);
        }
        set
    }
}

/// Names one cut, to heal it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutId(pub(crate) u64);

/// The cuts in force: nothing passes from a node of the first set to one of the second.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    cuts: Vec<(CutId, Set, Set)>,
    made: u64,
}

impl Cuts {
    pub(crate) fn add(&mut self, from: Set, to: Set) -> CutId {
        self.made += 1;
        let id = CutId(self.made);
        self.cuts.push((id, from, to));
        id
    }

    pub(crate) fn remove(&mut self, id: CutId) -> bool {
        let before = self.cuts.len();
        self.cuts.retain(|cut| cut.0 != id);
        self.cuts.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.cuts.clear();
    }

    #[inline]
    pub(crate) fn block(&self, from: u32, to: u32) -> bool {
        !self.cuts.is_empty() && self.cuts.iter().any(|(_, a, b)| a.contains(from) && b.contains(to))
    }
}
