//! A machine's timers: named points in time.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use dsys_core::Time;

/// The timers that are set. Those of one moment run out in the order of their names.
#[derive(Debug)]
pub(super) struct Timers<T> {
    queue: BTreeSet<(Time, T)>,
    set: HashMap<T, Time>,
}

impl<T: Copy + Ord + Hash> Timers<T> {
    pub(super) fn new() -> Self {
        Timers { queue: BTreeSet::new(), set: HashMap::new() }
    }

    pub(super) fn set(&mut self, timer: T, at: Time) {
        if let Some(before) = self.set.insert(timer, at) {
            self.queue.remove(&(before, timer));
        }
        self.queue.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, timer: T) {
        if let Some(at) = self.set.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// When the next one runs out.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes the next one that has run out by `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<T> {
        let (at, timer) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.set.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_again_replaces_and_cancelling_forgets() {
        let at = Time::from_nanos;
        let mut timers = Timers::new();
        timers.set('a', at(5));
        timers.set('b', at(3));
        timers.set('a', at(2));
        timers.set('c', at(1));
        timers.cancel('c');
        assert_eq!(timers.next(), Some(at(2)));
        assert_eq!(timers.pop(at(1)), None);
        assert_eq!(timers.pop(at(9)), Some('a'));
        assert_eq!(timers.pop(at(9)), Some('b'));
        assert_eq!(timers.pop(at(9)), None);
    }
}
