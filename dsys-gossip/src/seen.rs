//! Which messages were seen, remembered for longer than the messages themselves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dsys_core::Time;

use crate::MessageId;

/// The names of messages seen and when, bounded by number and by age.
///
/// A name is forgotten once it is older than the longest age, or sooner if it is the oldest of too many. A message whose
/// name was forgotten is news again if it comes back, so a bound by number that is hit before the age is counted.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    when: BTreeMap<MessageId, Time>,
    /// The oldest first.
    order: VecDeque<MessageId>,
    most: usize,
    longest: Duration,
    early: u64,
}

impl Seen {
    /// At most `most` names, none for longer than `longest` once another comes.
    pub(crate) fn new(most: usize, longest: Duration) -> Self {
        Seen { when: BTreeMap::new(), order: VecDeque::new(), most, longest, early: 0 }
    }

    /// When it was first seen.
    pub(crate) fn when(&self, id: MessageId) -> Option<Time> {
        self.when.get(&id).copied()
    }

    /// How many names were forgotten before their time.
    pub(crate) fn early(&self) -> u64 {
        self.early
    }

    /// `false` if it was seen before.
    pub(crate) fn insert(&mut self, id: MessageId, now: Time) -> bool {
        if self.when.contains_key(&id) {
            return false;
        }
        while let Some(oldest) = self.order.front() {
            let stale = self.when(*oldest).is_none_or(|then| now - then > self.longest);
            if !stale && self.order.len() < self.most {
                break;
            }
            self.early += u64::from(!stale);
            self.when.remove(oldest);
            self.order.pop_front();
        }
        if self.order.is_empty() {
            // Most nodes of a large simulation see one message, and the first push would make room for four.
            self.order.reserve_exact(1);
        }
        self.when.insert(id, now);
        self.order.push_back(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_by_age_or_by_number_and_the_latter_is_counted() {
        let at = |second: u64| Time::from_nanos(second * 1_000_000_000);
        let mut seen = Seen::new(3, Duration::from_secs(10));
        for second in 0..3 {
            assert!(seen.insert(MessageId([second as u8; 16]), at(second)));
            assert!(!seen.insert(MessageId([second as u8; 16]), at(second)));
        }
        assert!(seen.insert(MessageId([3; 16]), at(3)));
        assert_eq!((seen.when(MessageId([0; 16])), seen.early()), (None, 1));
        assert!(seen.insert(MessageId([4; 16]), at(12)), "the name of second 1 has gone by age");
        assert_eq!((seen.when(MessageId([1; 16])), seen.early()), (None, 1));
        assert_eq!(seen.when(MessageId([2; 16])), Some(at(2)), "not older than ten seconds");
    }
}
