//! All characters of a history in order, deleted ones too: a walk of everything that goes on as events come in.

use std::cmp::Ordering;

use super::diff::Diff;
use super::plan::{At, Items};
use super::span::EDGE;
use super::tracker::{FINAL, PREPARED, Tracker};
use super::{FREE_STEPS, Refused, Sink, Zone, shift};
use crate::history::{Content, History, Op};

/// Characters that one agent inserted in a row and that still stand in a row, or would if they were not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Characters {
    /// The event that inserted the first.
    pub(crate) event: u32,
    pub(crate) len: u32,
    pub(crate) deleted: bool,
}

/// Every character that was ever inserted, where it stands or would stand, and who deleted it.
///
/// It takes 8 bytes an event, and 20 a run of characters. To bring it up to date takes time in proportion to what is new,
/// and, where that is concurrent with something, to the branches of the history.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    memory: (Tracker, Diff),
    /// So many events were walked.
    len: u32,
    /// The events without children in the prepared version.
    at: Vec<u32>,
}

/// Nobody wants to know.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    fn insert(&mut self, _: u32, _: &Op) {}
    fn delete(&mut self, _: u32, _: u32) {}
}

impl Default for Sequence {
    fn default() -> Self {
        let mut tracker = Tracker::new();
        tracker.reset(0, 0, 0);
        Sequence { memory: (tracker, Diff::default()), len: 0, at: Vec::new() }
    }
}

impl Sequence {
    /// All characters of a history.
    ///
    /// # Errors
    /// As [`Sequence::update`].
    pub(crate) fn of<C: Content>(history: &History<C>) -> Result<Sequence, Refused> {
        let mut all = Sequence::default();
        all.update(history, &mut Nowhere)?;
        Ok(all)
    }

    /// What a walk of the first `len` events has left, whose last one's version is the prepared one.
    pub(super) fn walked(tracker: Tracker, len: u32) -> Sequence {
        Sequence { memory: (tracker, Diff::default()), len, at: len.checked_sub(1).into_iter().collect() }
    }

    /// Walks the events that are new, and gives `sink` what they do to the text.
    ///
    /// # Errors
    /// If an event lies out of range, a limit is exceeded, or the past is needed. It is empty then.
    pub(crate) fn update<C: Content>(
        &mut self,
        history: &History<C>,
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        let updated = self.walk(history, sink);
        if updated.is_err() {
            *self = Sequence::default();
        }
        updated
    }

    fn walk<C: Content>(&mut self, history: &History<C>, sink: &mut impl Sink) -> Result<(), Refused> {
        let (old, to) = (self.len, history.len());
        if history.graph.past().len > 0 {
            return Err(Refused::Past);
        }
        if to > history.limits.events_in_walk {
            return Err(Refused::Limit("events_in_walk"));
        }
        if old >= to {
            return Ok(());
        }
        self.memory.0.grow(to);
        let run = history.graph.run_of(old);
        let before = [old.wrapping_sub(1)];
        let parents = if history.graph.start(run) == old { history.graph.parents(run) } else { &before };
        if history.graph.end(run) == to && self.at == parents {
            // It goes on where it stood.
            let mut zone = self.zone(history, Items::default());
            for op in history.ops.slices(old, to) {
                zone.apply(&op, false, sink)?;
            }
            self.at = vec![to - 1];
        } else {
            let mut zone = self.zone(history, Items::new(history, 0, old, to));
            for index in zone.items.order(old) {
                if zone.items.get(index).start >= old {
                    zone.walk_item(index, false, sink)?;
                }
            }
            self.at = zone.at.iter().map(|at| at.lv).collect();
        }
        self.len = to;
        Ok(())
    }

    /// Goes on with the walk.
    fn zone<'a, C: Content>(&'a mut self, history: &'a History<C>, items: Items) -> Zone<'a, C> {
        let (tracker, diff) = &mut self.memory;
        diff.reset(items.len());
        let at = if items.len() > 0 { self.at.iter().map(|&lv| items.at(lv)).collect() } else { Vec::new() };
        Zone { history, tracker, diff, items, old: 0, from: 0, chars: 0, excess: 0, steps: FREE_STEPS, at }
    }

    /// Moves the prepared version to one whose events without children are among `heads`; gives what only the version
    /// before it had, and what only this one has.
    ///
    /// # Errors
    /// If the limit is exceeded; it is empty then.
    pub(crate) fn prepare<C: Content>(
        &mut self,
        history: &History<C>,
        heads: &[u32],
    ) -> Result<[Vec<(u32, u32)>; 2], Refused> {
        if self.at == heads {
            return Ok(Default::default());
        }
        let items = Items::new(history, 0, self.len, self.len);
        let (tracker, diff) = &mut self.memory;
        diff.reset(items.len());
        let [from, to] = [&self.at[..], heads].map(|all| all.iter().map(|&lv| items.at(lv)).collect());
        let (from, to): (Vec<At>, Vec<At>) = (from, to);
        let (parts, _) = diff.find(&items, &from, &to);
        let changed = parts.map(|parts| parts.iter().map(|part| (part.from, part.to)).collect());
        let mut steps = FREE_STEPS + u64::from(self.len);
        if let Err(refused) = shift(history, &items, tracker, parts, &mut steps) {
            *self = Sequence::default();
            return Err(refused);
        }
        self.at = heads.to_vec();
        Ok(changed)
    }

    /// The events without children in the prepared version.
    #[cfg(feature = "keys")]
    pub(crate) fn heads(&self) -> &[u32] {
        &self.at
    }

    /// How many characters stand in the text at the prepared version.
    #[cfg(feature = "keys")]
    pub(crate) fn prepared(&self) -> u32 {
        self.memory.0.prepared_len()
    }

    /// How many events were walked.
    pub(crate) fn events(&self) -> u32 {
        self.len
    }

    /// How many characters stand in the text.
    pub(crate) fn shown(&self) -> u32 {
        self.memory.0.final_len()
    }

    /// The characters, in order.
    pub(crate) fn characters(&self) -> Vec<Characters> {
        let mut all: Vec<Characters> = Vec::new();
        for span in self.memory.0.spans() {
            let next = Characters { event: span.id, len: span.len, deleted: span.was_deleted() };
            match all.last_mut() {
                Some(last) if last.event + last.len == next.event && last.deleted == next.deleted => {
                    last.len += next.len;
                }
                _ => all.push(next),
            }
        }
        all
    }

    /// The characters in a row that stand at a position of the text and after it, as far as they follow each other.
    pub(crate) fn at(&self, position: u32) -> Option<Characters> {
        let (span, offset) = self.memory.0.span_at(position)?;
        Some(Characters { event: span.id + offset, len: span.len - offset, deleted: false })
    }

    /// Where a character stands in the text, or would stand, and whether it does. `character` is an event that inserts.
    pub(crate) fn place_of(&self, character: u32) -> (u32, bool) {
        let (span, _) = self.memory.0.span_of(character);
        (self.memory.0.before(character)[FINAL], !span.was_deleted())
    }

    /// How many characters stand before one at the prepared version.
    pub(crate) fn prepared_before(&self, character: u32) -> u32 {
        self.memory.0.before(character)[PREPARED]
    }

    /// Whether a character stands in the text at the prepared version.
    pub(crate) fn stood(&self, character: u32) -> bool {
        self.memory.0.span_of(character).0.is_there()
    }

    /// How many events of the prepared version delete a character.
    pub(crate) fn deletions(&self, character: u32) -> u32 {
        self.memory.0.span_of(character).0.deletions()
    }

    /// The character that stood to the left of one when that was inserted.
    pub(crate) fn left_of(&self, character: u32) -> Option<u32> {
        let (span, offset) = self.memory.0.span_of(character);
        if offset > 0 { Some(character - 1) } else { Some(span.left).filter(|&left| left != EDGE) }
    }

    /// The character that an event deletes, if the event deletes and was walked.
    pub(crate) fn target_of(&self, event: u32) -> u32 {
        self.memory.0.target(event)
    }

    /// Which of two characters comes first.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        self.memory.0.compare(a, b, Ordering::Less)
    }

    /// Whether a character stands right behind another of the same run.
    pub(crate) fn follows(&self, character: u32, next: u32) -> bool {
        let (span, offset) = self.memory.0.span_of(character);
        next == character + 1 && offset + 1 < span.len
    }

    /// The characters before one, the last first.
    pub(crate) fn before(&self, character: u32) -> impl Iterator<Item = Characters> + '_ {
        let (span, offset) = self.memory.0.span_of(character);
        let own = Characters { event: span.id, len: offset, deleted: span.was_deleted() };
        let earlier = self.memory.0.spans_before(character);
        let earlier =
            earlier.map(|span| Characters { event: span.id, len: span.len, deleted: span.was_deleted() });
        Some(own).filter(|own| own.len > 0).into_iter().chain(earlier)
    }

    /// Hides a character that stands in the text, or shows it again. Its events go on counting it.
    pub(crate) fn set_hidden(&mut self, character: u32, hidden: bool) {
        self.memory.0.set_hidden(character, hidden);
    }
}
