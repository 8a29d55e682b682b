//! Marks: operations that format a stretch of text, and which of them hold where.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::agent::{Agent, VersionVector};
use crate::places::{Anchor, Places};

/// Whether text that is typed at an end of a mark gets the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expand {
    /// At its end, as bold text does.
    #[default]
    After,
    /// At neither end, as links and comments do.
    Neither,
    /// At its beginning.
    Before,
    /// At both ends.
    Both,
}

impl Expand {
    /// How what takes a mark away expands, so that text typed at its ends belongs to what is left of the mark if it would
    /// belong to a mark that ends there.
    pub(super) fn opposite(self) -> Expand {
        match self {
            Expand::After => Expand::After,
            Expand::Neither => Expand::Both,
            Expand::Before => Expand::Before,
            Expand::Both => Expand::Neither,
        }
    }

    pub(super) fn before(self) -> bool {
        matches!(self, Expand::Before | Expand::Both)
    }

    pub(super) fn after(self) -> bool {
        matches!(self, Expand::After | Expand::Both)
    }
}

/// One operation: from `start` to `end`, `key` has the value, or none any more (Litt et al. 2022, §3.2: `addMark`,
/// `removeMark`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// A Lamport time: one more than that of every mark that its author knew.
    pub(super) time: u32,
    pub(super) agent: Agent,
    /// The number of the mark among the agent's.
    pub(super) seq: u32,
    pub(super) start: Anchor,
    pub(super) end: Anchor,
    pub(super) expand: Expand,
    pub(super) key: String,
    pub(super) value: Option<String>,
}

/// Of two marks the one with the greater stamp holds.
type Stamp<'a> = (u32, &'a Agent, u32);

impl Mark {
    fn stamp(&self) -> Stamp<'_> {
        (self.time, &self.agent, self.seq)
    }
}

/// All marks ever made. The time of each is at most one more than the number of those before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) all: Vec<Mark>,
    known: BTreeMap<Agent, u32>,
    time: u32,
}

/// For each key that a mark of some stretch is about, the mark that holds: the one with the greatest stamp. It may be one
/// that takes the value away.
pub(super) type Winners = BTreeMap<String, usize>;

impl Marks {
    pub(super) fn known(&self, agent: &Agent) -> u32 {
        self.known.get(agent).copied().unwrap_or(0)
    }

    pub(super) fn version(&self) -> VersionVector {
        VersionVector(self.known.clone())
    }

    /// The time of the next mark that is made here.
    pub(super) fn next_time(&self) -> u32 {
        self.time + 1
    }

    /// Appends the next of an agent's marks.
    pub(super) fn push(&mut self, mark: Mark) {
        self.time = self.time.max(mark.time);
        self.known.insert(mark.agent.clone(), mark.seq + 1);
        self.all.push(mark);
    }

    /// Where a mark lies in the text; none if its characters are not known, or there are none left.
    pub(super) fn range(&self, at: usize, places: &Places<'_>) -> Option<Range<usize>> {
        let mark = self.all.get(at)?;
        let range = places.position(&mark.start)?..places.position(&mark.end)?;
        Some(range).filter(|range| !range.is_empty())
    }

    /// Which marks hold where, of those that are to be looked at: stretches that follow each other and make up the text.
    pub(super) fn winners(
        &self,
        places: &Places<'_>,
        length: usize,
        look_at: impl Fn(usize) -> bool,
    ) -> Vec<(Range<usize>, Winners)> {
        let mut borders: BTreeMap<usize, Vec<(usize, bool)>> = BTreeMap::new();
        for at in (0..self.all.len()).filter(|&at| look_at(at)) {
            if let Some(range) = self.range(at, places) {
                borders.entry(range.start).or_default().push((at, true));
                borders.entry(range.end).or_default().push((at, false));
            }
        }
        borders.entry(length).or_default();
        let mut active: BTreeMap<&str, BTreeSet<(Stamp<'_>, usize)>> = BTreeMap::new();
        let (mut found, mut from) = (Vec::new(), 0);
        for (to, marks) in borders {
            if to > from {
                let last = |(key, marks): (&&str, &BTreeSet<(Stamp<'_>, usize)>)| {
                    Some((key.to_string(), marks.last()?.1))
                };
                found.push((from..to, active.iter().filter_map(last).collect()));
                from = to;
            }
            for (at, begins) in marks {
                let Some(mark) = self.all.get(at) else { continue };
                let same = active.entry(&mark.key).or_default();
                if begins {
                    same.insert((mark.stamp(), at));
                } else {
                    same.remove(&(mark.stamp(), at));
                }
            }
        }
        found
    }

    /// Whether a mark lies on a character, deleted or not, given by its event.
    pub(super) fn covers(&self, at: usize, places: &Places<'_>, character: u32) -> bool {
        self.all.get(at).is_some_and(|mark| places.is_between(character, &mark.start, &mark.end))
    }

    /// Which of some marks hold: for each key the one with the greatest stamp.
    pub(super) fn winners_of(&self, marks: impl Iterator<Item = usize>) -> Winners {
        let mut found = Winners::new();
        for at in marks {
            let Some(mark) = self.all.get(at) else { continue };
            let last = found.entry(mark.key.clone()).or_insert(at);
            if self.all.get(*last).is_some_and(|last| last.stamp() < mark.stamp()) {
                *last = at;
            }
        }
        found
    }

    /// The value that a winner gives a key.
    pub(super) fn value(&self, winner: Option<&usize>) -> Option<&str> {
        self.all.get(*winner?)?.value.as_deref()
    }
}
