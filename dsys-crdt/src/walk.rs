//! The walk over the event graph that turns events into edits of the text.
//!
//! Eg-walker (Gentle & Kleppmann, EuroSys 2025): an event's position refers to the text at its parents. Where the history
//! is a line, that is the text as it stands, and the edit is made directly, without any state by character. Where it
//! branches, a [`Tracker`] is built for the branching stretch only, and thrown away at the next *critical version*: one
//! that everything later follows and everything earlier precedes (§3.5). So memory and time by character are spent on
//! concurrency alone.
//!
//! ```text
//! events in local order   ────────●───┬──────┬───●──────────●──┬───┬──●────
//!                                  \──┴──────┴──/            \─┴───┴─/
//!                          direct       zone      direct       zone    direct
//! ```

mod diff;
mod plan;
mod span;
mod starts;
mod tracker;

use crate::history::{History, Kind, Op, Version};
use diff::Diff;
use plan::{At, Items, Stretch};
use tracker::Tracker;

/// What is done to the text.
pub(crate) trait Sink {
    /// Inserts what `op` inserts at `at`.
    fn insert(&mut self, at: u32, op: &Op);
    /// Deletes `count` characters from `at` on.
    fn delete(&mut self, at: u32, count: u32);
}

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// An event inserts or deletes beyond the end of the text that its author saw.
    OutOfRange,
    /// It would exceed the limit of that name.
    Limit(&'static str),
    /// The past is needed, after which the history was resumed. The sink was given nothing.
    Past,
}

/// Gives `sink` the edits that bring a text of `chars` characters, which holds the version `old`, to all events.
///
/// # Errors
/// If an event lies out of range, or the past is needed. What came before it has been given to the sink.
pub(crate) fn walk(
    history: &History,
    old: Version<'_>,
    chars: u32,
    sink: &mut impl Sink,
) -> Result<(), Refused> {
    let mut chars = chars;
    let mut memory = None;
    for stretch in plan::stretches(history, old)? {
        match stretch {
            Stretch::Line(from, to) => {
                for op in history.ops.slices(from, to) {
                    chars = direct(&op, chars, sink)?;
                }
            }
            Stretch::Zone(from, to) => {
                let memory = memory.get_or_insert_with(|| (Tracker::new(), Diff::default()));
                chars = Zone::new(history, memory, old.len, from, to, chars)?.walk(sink)?;
            }
        }
    }
    Ok(())
}

/// Characters that one agent inserted in a row and that still stand in a row, or would if they were not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Characters {
    /// The event that inserted the first.
    pub(crate) event: u32,
    pub(crate) len: u32,
    pub(crate) deleted: bool,
}

/// All characters of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    /// In the order of the list: where they stand, or would stand.
    pub(crate) characters: Vec<Characters>,
    /// By event: what a deletion deletes, by the event that inserted it. What stands there for insertions means nothing.
    pub(crate) targets: Vec<u32>,
}

/// Every character that was ever inserted, and who deleted it.
///
/// # Errors
/// If an event lies out of range, a limit is exceeded, or the past is needed.
pub(crate) fn sequence(history: &History) -> Result<Sequence, Refused> {
    if history.graph.past().len > 0 {
        return Err(Refused::Past);
    }
    if history.len() == 0 {
        return Ok(Sequence::default());
    }
    struct Nowhere;
    impl Sink for Nowhere {
        fn insert(&mut self, _: u32, _: &Op) {}
        fn delete(&mut self, _: u32, _: u32) {}
    }
    let mut memory = (Tracker::new(), Diff::default());
    Zone::new(history, &mut memory, 0, 0, history.len(), 0)?.walk(&mut Nowhere)?;
    let mut characters: Vec<Characters> = Vec::new();
    for span in memory.0.spans() {
        let next = Characters { event: span.id, len: span.len, deleted: span.was_deleted() };
        match characters.last_mut() {
            Some(last) if last.event + last.len == next.event && last.deleted == next.deleted => {
                last.len += next.len;
            }
            _ => characters.push(next),
        }
    }
    Ok(Sequence { characters, targets: memory.0.into_targets() })
}

/// Steps of a zone that do not count.
const FREE_STEPS: u64 = 1 << 20;

/// An edit of the text as it stands; gives its new length.
fn direct(op: &Op, chars: u32, sink: &mut impl Sink) -> Result<u32, Refused> {
    in_range(op, chars)?;
    if op.kind == Kind::Insert {
        sink.insert(op.at, op);
        Ok(chars + op.len)
    } else {
        sink.delete(op.low(), op.len);
        Ok(chars - op.len)
    }
}

fn in_range(op: &Op, chars: u32) -> Result<(), Refused> {
    let ok = match op.kind {
        Kind::Insert => op.at <= chars,
        Kind::Delete => op.at.checked_add(op.len).is_some_and(|end| end <= chars),
        Kind::DeleteBack => op.at <= chars && op.len <= op.at,
    };
    ok.then_some(()).ok_or(Refused::OutOfRange)
}

/// A stretch with concurrency.
struct Zone<'a> {
    history: &'a History,
    tracker: &'a mut Tracker,
    diff: &'a mut Diff,
    items: Items,
    old: u32,
    from: u32,
    chars: u32,
    /// Characters that the tracker believes to be at the end and that are not: what stood in front of the zone is not
    /// known while the text is ahead of it.
    excess: u32,
    /// How many steps are left before the limit.
    steps: u64,
    /// The prepared version.
    at: Option<At>,
}

impl<'a> Zone<'a> {
    fn new(
        history: &'a History,
        (tracker, diff): &'a mut (Tracker, Diff),
        old: u32,
        from: u32,
        to: u32,
        chars: u32,
    ) -> Result<Self, Refused> {
        if to - from > history.limits.events_in_walk {
            return Err(Refused::Limit("events_in_walk"));
        }
        // What the text holds of the zone may have deleted characters that stood in front of it.
        let before = if from < old { chars + deletions(history, from, old) } else { chars };
        tracker.reset(from, to, before);
        let items = Items::new(history, from, old, to);
        diff.reset(items.len());
        Ok(Zone { history, tracker, diff, items, old, from, chars, excess: 0, at: None, steps: FREE_STEPS })
    }

    /// Walks the zone; gives the length of the text afterwards.
    fn walk(mut self, sink: &mut impl Sink) -> Result<u32, Refused> {
        let history = self.history;
        let mut behind = self.from < self.old;
        for index in self.items.order(self.old) {
            let item = self.items.get(index);
            if behind && item.start >= self.old {
                behind = false;
                self.excess = self.tracker.final_len() - self.chars;
            }
            self.prepare(index)?;
            for op in history.ops.slices_among(self.items.ops(index), item.start, item.end) {
                self.apply(&op, behind, sink)?;
            }
            self.at = Some(At { lv: item.end - 1, item: index });
        }
        Ok(self.tracker.final_len() - self.excess)
    }

    /// Moves the prepared version to the parents of an item.
    fn prepare(&mut self, item: u32) -> Result<(), Refused> {
        let (at, parents) = (self.at.as_slice(), self.items.parents(item));
        if at == parents {
            return Ok(());
        }
        let ([back, forwards], visited) = self.diff.find(&self.items, at, parents);
        spend(&mut self.steps, visited)?;
        let back = back.iter().map(|part| (part, false));
        for (part, forwards) in back.chain(forwards.iter().rev().map(|part| (part, true))) {
            let ops = self.history.ops.slices_among(self.items.ops(part.item), part.from, part.to);
            self.tracker.shift(ops, forwards);
            spend(&mut self.steps, self.tracker.take_steps())?;
        }
        Ok(())
    }

    /// Applies events at the prepared version; those that the text holds already are `behind`.
    fn apply(&mut self, op: &Op, behind: bool, sink: &mut impl Sink) -> Result<(), Refused> {
        // What the text holds already was checked once, unless it came out of a file.
        in_range(op, self.tracker.prepared_len() - self.excess)?;
        if op.kind == Kind::Insert {
            let at = self.tracker.insert(op, self.history);
            if !behind {
                sink.insert(at, op);
            }
        } else {
            self.tracker.delete(op, |at, count| {
                if !behind {
                    sink.delete(at, count);
                }
            });
        }
        self.steps += u64::from(self.history.limits.steps_per_edit);
        spend(&mut self.steps, self.tracker.take_steps())
    }
}

/// Takes steps from those that are left.
fn spend(left: &mut u64, steps: u64) -> Result<(), Refused> {
    *left = left.checked_sub(steps).ok_or(Refused::Limit("steps_per_edit"))?;
    Ok(())
}

/// How many events of a range delete.
fn deletions(history: &History, from: u32, to: u32) -> u32 {
    history.ops.slices(from, to).filter(|op| op.kind != Kind::Insert).map(|op| op.len).sum()
}
