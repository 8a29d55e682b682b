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

mod chains;
mod diff;
mod named;
mod plan;
mod sequence;
mod span;
mod starts;
mod tracker;

use crate::history::{Content, History, Kind, Op, Version};
pub(crate) use chains::{AGENTS, Chains};
use diff::Diff;
pub(crate) use named::{Checked, allowed, check, named, positions};
use plan::{At, Items, Stretch};
pub(crate) use sequence::{Characters, Nowhere, Sequence};
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
pub(crate) fn walk<C: Content>(
    history: &History<C>,
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

/// Whether at least half of a history's events have to be walked by character, because of others that are concurrent.
pub(crate) fn is_mostly_concurrent<C: Content>(history: &History<C>) -> bool {
    let whole = plan::stretches(history, Version { len: 0, heads: &[] }).unwrap_or_default();
    let zones = whole.iter().map(|stretch| match stretch {
        Stretch::Line(..) => 0,
        Stretch::Zone(from, to) => to - from,
    });
    zones.sum::<u32>() > history.len() / 2
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
struct Zone<'a, C> {
    history: &'a History<C>,
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
    at: Vec<At>,
}

impl<'a, C: Content> Zone<'a, C> {
    fn new(
        history: &'a History<C>,
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
        let at = Vec::new();
        Ok(Zone { history, tracker, diff, items, old, from, chars, excess: 0, at, steps: FREE_STEPS })
    }

    /// Walks the zone; gives the length of the text afterwards.
    fn walk(mut self, sink: &mut impl Sink) -> Result<u32, Refused> {
        let mut behind = self.from < self.old;
        for index in self.items.order(self.old) {
            if behind && self.items.get(index).start >= self.old {
                behind = false;
                self.excess = self.tracker.final_len() - self.chars;
            }
            self.walk_item(index, behind, sink)?;
        }
        Ok(self.tracker.final_len() - self.excess)
    }

    /// Walks an item whose parents have been walked; what the text holds already is `behind`.
    fn walk_item(&mut self, index: u32, behind: bool, sink: &mut impl Sink) -> Result<(), Refused> {
        let (history, item) = (self.history, self.items.get(index));
        self.prepare(index)?;
        for op in history.ops.slices_among(self.items.ops(index), item.start, item.end) {
            self.apply(&op, behind, sink)?;
        }
        self.at.clear();
        self.at.push(At { lv: item.end - 1, item: index });
        Ok(())
    }

    /// Moves the prepared version to the parents of an item.
    fn prepare(&mut self, item: u32) -> Result<(), Refused> {
        let parents = self.items.parents(item);
        if self.at == parents {
            return Ok(());
        }
        let (parts, visited) = self.diff.find(&self.items, &self.at, parents);
        spend(&mut self.steps, visited)?;
        let (history, items) = (self.history, &self.items);
        shift(history, items, self.tracker, parts, &mut self.steps)
    }

    /// Applies events at the prepared version; those that the text holds already are `behind`.
    fn apply(&mut self, op: &Op, behind: bool, sink: &mut impl Sink) -> Result<(), Refused> {
        // What the text holds already was checked once, unless it came out of a file.
        in_range(op, self.tracker.prepared_len() - self.excess)?;
        if op.kind == Kind::Insert {
            let at = self.tracker.insert(op, &self.history.agents);
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

/// Takes events out of the prepared version, the latest first, and others into it; both are given the latest first.
fn shift<C: Content>(
    history: &History<C>,
    items: &Items,
    tracker: &mut Tracker,
    [back, forwards]: [&[diff::Stretch]; 2],
    steps: &mut u64,
) -> Result<(), Refused> {
    let back = back.iter().map(|part| (part, false));
    for (part, forwards) in back.chain(forwards.iter().rev().map(|part| (part, true))) {
        tracker.shift(history.ops.slices_among(items.ops(part.item), part.from, part.to), forwards);
        spend(steps, tracker.take_steps())?;
    }
    Ok(())
}

/// Takes steps from those that are left.
fn spend(left: &mut u64, steps: u64) -> Result<(), Refused> {
    *left = left.checked_sub(steps).ok_or(Refused::Limit("steps_per_edit"))?;
    Ok(())
}

/// How many events of a range delete.
fn deletions<C: Content>(history: &History<C>, from: u32, to: u32) -> u32 {
    history.ops.slices(from, to).filter(|op| op.kind != Kind::Insert).map(|op| op.len).sum()
}
