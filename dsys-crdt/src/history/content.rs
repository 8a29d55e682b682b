//! What insertions insert.

use std::fmt::Debug;

use crate::rope::byte_of_char;

/// Everything that was ever inserted, in the order of the events: a string, or a list's items. Sizes are the content's own
/// (bytes of UTF-8, items), of which each event has one or more.
pub(crate) trait Content: Clone + Debug + Default {
    /// What some events in a row insert.
    type Part: ?Sized;

    /// The size of everything.
    fn size(&self) -> usize;

    /// Appends.
    fn push(&mut self, part: &Self::Part);

    /// Forgets all but so much.
    fn truncate(&mut self, size: usize);

    /// What stands between two places; nothing if it is not there.
    fn part(&self, from: usize, to: usize) -> &Self::Part;

    /// How many events insert that.
    fn events(part: &Self::Part) -> usize;

    /// Whether every event has a size of one.
    fn is_flat(&self) -> bool;

    /// The place in `from..to` behind what so many events insert.
    fn advance(&self, from: usize, to: usize, events: u32) -> usize;
}

impl Content for String {
    type Part = str;

    fn size(&self) -> usize {
        self.len()
    }

    fn push(&mut self, part: &str) {
        self.push_str(part);
    }

    fn truncate(&mut self, size: usize) {
        self.truncate(size);
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.get(from..to).unwrap_or_default()
    }

    fn events(part: &str) -> usize {
        part.chars().count()
    }

    fn is_flat(&self) -> bool {
        self.is_ascii()
    }

    fn advance(&self, from: usize, to: usize, events: u32) -> usize {
        from + byte_of_char(self.part(from, to), events)
    }
}
