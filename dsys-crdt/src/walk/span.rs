//! Runs of characters in the tracker.

use crate::order::Sizes;

/// Before the first character, or after the last.
pub(super) const EDGE: u32 = u32::MAX;

/// Characters that were there before the walk began are numbered from here, by position.
pub(super) const OLD: u32 = 1 << 31;

/// Neither this nor any other prepare state.
const DELETED: u32 = 1 << 31;

/// Consecutive characters with consecutive identities and one state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The event that inserted the first; a number from [`OLD`] on for what was there before.
    pub(super) id: u32,
    pub(super) len: u32,
    /// The character that stood to the left of the first when it was inserted. Each further one has the one before it.
    pub(super) left: u32,
    /// The next character to the right then, deleted ones counted, that its author knew.
    pub(super) right: u32,
    /// At the prepared version: 0 not inserted yet, 1 there, n deleted n - 1 times; and `DELETED` if any event that was
    /// walked has deleted it.
    state: u32,
}

impl Span {
    pub(super) const NONE: Span = Span { id: 0, len: 0, left: EDGE, right: EDGE, state: 0 };

    pub(super) fn new(id: u32, len: u32, left: u32, right: u32) -> Span {
        Span { id, len, left, right, state: 1 }
    }

    pub(super) fn is_inserted(&self) -> bool {
        self.state & !DELETED != 0
    }

    pub(super) fn is_there(&self) -> bool {
        self.state & !DELETED == 1
    }

    pub(super) fn was_deleted(&self) -> bool {
        self.state & DELETED != 0
    }

    /// Characters visible at the prepared version, and after all events walked.
    pub(super) fn sizes(&self) -> Sizes<2> {
        [if self.is_there() { self.len } else { 0 }, if self.was_deleted() { 0 } else { self.len }]
    }

    /// Takes one event that inserts or deletes these characters into the prepared version.
    pub(super) fn advance(&mut self) {
        self.state += 1;
    }

    /// Takes one out of it.
    pub(super) fn retreat(&mut self) {
        self.state -= 1;
    }

    /// How many events of the prepared version delete it.
    pub(super) fn deletions(&self) -> u32 {
        (self.state & !DELETED).saturating_sub(1)
    }

    /// Says whether an event that was walked has deleted it.
    pub(super) fn set_deleted(&mut self, deleted: bool) {
        self.state = if deleted { self.state | DELETED } else { self.state & !DELETED };
    }

    pub(super) fn delete(&mut self) {
        self.state = (self.state + 1) | DELETED;
    }

    /// The span's characters from `at` on, as a span.
    pub(super) fn tail(&self, at: u32) -> Span {
        Span { id: self.id + at, len: self.len - at, left: self.id + at - 1, ..*self }
    }

    /// Whether `next` continues this span.
    pub(super) fn joins(&self, next: &Span) -> bool {
        self.id + self.len == next.id
            && next.left == next.id.wrapping_sub(1)
            && self.right == next.right
            && self.state == next.state
    }
}
