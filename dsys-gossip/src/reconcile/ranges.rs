//! Range-based set reconciliation: Meyer 2023, "Range-based set reconciliation".
//!
//! Two nodes compare fingerprints of ranges of their ordered names. A range that differs is split, until it is so small that
//! its names are sent. Neither keeps anything between two messages: a message says all that its answer needs.

use serde::{Deserialize, Serialize};

use super::Key;
use crate::MessageId;

/// How ranges are split, and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangesConfig {
    /// Into how many, at least 2. More make fewer round trips and more bytes.
    pub split: usize,
    /// Ranges of no more names are sent outright.
    pub names: usize,
    /// At most so many ranges in one message, at least 1; what is left of a larger one is not answered.
    pub max_ranges: usize,
}

impl Default for RangesConfig {
    /// Split in 16, 16 names, 4,096 ranges.
    fn default() -> Self {
        RangesConfig { split: 16, names: 16, max_ranges: 4_096 }
    }
}

/// The names from `from` on, up to but without `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first that may be in it.
    pub from: MessageId,
    /// The first behind it; `None`: it has no end.
    pub to: Option<MessageId>,
    /// What the sender says of it.
    pub has: Fingerprint,
}

/// What a node says of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fingerprint {
    /// It has so many names in it, whose hashes sum up to this.
    Sum(u64, [u8; 16]),
    /// It has these. Answered by what the other has besides.
    All(Vec<MessageId>),
    /// It has these, which the other lacks. Needs no answer.
    Besides(Vec<MessageId>),
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What to send back; the comparison is over if it is empty.
    pub ranges: Vec<Range>,
    /// Names that we have and they lack.
    pub ours: Vec<MessageId>,
    /// Names that they have and we lack.
    pub theirs: Vec<MessageId>,
}

/// A set of names, in order, with the sums of their hashes.
#[derive(Clone, Debug)]
pub struct Ranges {
    names: Vec<MessageId>,
    /// Of the first so many names.
    sums: Vec<u128>,
}

impl Ranges {
    /// The set of these names, under a key that both sides must use. Takes the time of sorting them.
    pub fn new(key: Key, names: impl IntoIterator<Item = MessageId>) -> Self {
        let mut names: Vec<MessageId> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let other = Key(key.1, !key.0);
        let mut sum = 0u128;
        let mut sums = vec![0];
        for id in &names {
            // Both halves are keyed, and sums of them are as hard to steer as the key is to guess.
            let hash = u128::from(key.hash(*id)) << 64 | u128::from(other.hash(*id));
            sum = sum.wrapping_add(hash);
            sums.push(sum);
        }
        Ranges { names, sums }
    }

    /// The first message.
    pub fn begin(&self, config: &RangesConfig) -> Vec<Range> {
        self.describe((0, self.names.len()), (MessageId::default(), None), config)
    }

    /// Answers a message of the other. Ranges must be in order and apart; what is not is passed over.
    pub fn answer(&self, message: &[Range], config: &RangesConfig) -> Answer {
        let mut answer = Answer::default();
        let mut next = MessageId::default();
        for range in message.iter().take(config.max_ranges.max(1)) {
            let ends = range.to.is_none_or(|to| range.from < to);
            if range.from < next || !ends {
                continue;
            }
            self.answer_one(range, config, &mut answer);
            match range.to {
                Some(to) => next = to,
                None => break,
            }
        }
        answer.ranges.truncate(config.max_ranges.max(1));
        answer
    }

    fn answer_one(&self, range: &Range, config: &RangesConfig, answer: &mut Answer) {
        let (begin, end) = self.places(range);
        let ours = self.names.get(begin..end).unwrap_or_default();
        match &range.has {
            Fingerprint::Sum(count, sum) => {
                if self.sum(begin, end) == (*count, *sum) {
                    return;
                }
                let few =
                    (*count).min(ours.len() as u64) <= config.names as u64 && ours.len() <= 16 * config.names;
                let limits = (range.from, range.to);
                if few {
                    let has = Fingerprint::All(ours.to_vec());
                    answer.ranges.push(Range { from: range.from, to: range.to, has });
                } else {
                    answer.ranges.extend(self.split((begin, end), limits, config));
                }
            }
            Fingerprint::All(theirs) => {
                let theirs = inside(theirs, range);
                let besides = lacking(ours, &theirs);
                answer.theirs.extend(lacking(&theirs, ours));
                answer.ours.extend(&besides);
                if !besides.is_empty() {
                    let has = Fingerprint::Besides(besides);
                    answer.ranges.push(Range { from: range.from, to: range.to, has });
                }
            }
            Fingerprint::Besides(theirs) => answer.theirs.extend(lacking(&inside(theirs, range), ours)),
        }
    }

    fn places(&self, range: &Range) -> (usize, usize) {
        let begin = self.names.partition_point(|id| *id < range.from);
        let end = range.to.map_or(self.names.len(), |to| self.names.partition_point(|id| *id < to));
        (begin, end)
    }

    fn sum(&self, begin: usize, end: usize) -> (u64, [u8; 16]) {
        let at = |place: usize| self.sums.get(place).copied().unwrap_or_default();
        ((end - begin) as u64, at(end).wrapping_sub(at(begin)).to_be_bytes())
    }

    /// All names of a range if they are few, its parts otherwise.
    fn describe(
        &self,
        (begin, end): (usize, usize),
        limits: (MessageId, Option<MessageId>),
        config: &RangesConfig,
    ) -> Vec<Range> {
        if end - begin <= config.names {
            let has = Fingerprint::All(self.names.get(begin..end).unwrap_or_default().to_vec());
            return vec![Range { from: limits.0, to: limits.1, has }];
        }
        self.split((begin, end), limits, config)
    }

    /// Parts with as many names each, together the whole range.
    fn split(
        &self,
        (begin, end): (usize, usize),
        (from, to): (MessageId, Option<MessageId>),
        config: &RangesConfig,
    ) -> Vec<Range> {
        let parts = config.split.max(2).min(end - begin).max(1);
        let place = |part: usize| begin + (end - begin) * part / parts;
        let limit = |part: usize| match part {
            0 => Some(from),
            part if part == parts => to,
            part => self.names.get(place(part)).copied(),
        };
        let one = |part: usize| {
            let (count, sum) = self.sum(place(part), place(part + 1));
            Range {
                from: limit(part).unwrap_or(from),
                to: limit(part + 1),
                has: Fingerprint::Sum(count, sum),
            }
        };
        (0..parts).map(one).collect()
    }
}

/// Those of the names that belong into the range, in order.
fn inside(names: &[MessageId], range: &Range) -> Vec<MessageId> {
    let fits = |id: &&MessageId| **id >= range.from && range.to.is_none_or(|to| **id < to);
    let mut inside: Vec<MessageId> = names.iter().filter(fits).copied().collect();
    inside.sort_unstable();
    inside.dedup();
    inside
}

/// Those of the first that are not in the second; both are in order.
fn lacking(these: &[MessageId], those: &[MessageId]) -> Vec<MessageId> {
    these.iter().filter(|id| those.binary_search(id).is_err()).copied().collect()
}
