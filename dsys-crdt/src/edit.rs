//! Edits as a view makes them.

use crate::history::Ops;
use crate::rope::{BYTES, CHARS, Rope, UTF16};

/// A length, or a position, counted in three ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Unicode code points.
    pub chars: usize,
    /// Bytes of UTF-8.
    pub utf8: usize,
    /// Units of UTF-16, as JavaScript counts.
    pub utf16: usize,
}

impl Units {
    /// The lengths of a string.
    pub fn of(text: &str) -> Units {
        Units { chars: text.chars().count(), utf8: text.len(), utf16: text.encode_utf16().count() }
    }
}

/// One place of a text where something is taken away, then something put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where, in the text as it is before this edit and after those before it.
    pub at: Units,
    /// How much is taken away from there on.
    pub deleted: Units,
    /// What is put there.
    pub inserted: String,
}

/// To which of its neighbours a position between two characters belongs, where something is inserted between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// To the one before it: what is inserted comes after the position.
    Left,
    /// To the one behind it: what is inserted comes before the position.
    Right,
}

impl Edit {
    /// Where a position, in code points, is after the edit. One within what is taken away goes to its end or, by its
    /// side, behind what is put there.
    pub fn shift(&self, position: usize, side: Side) -> usize {
        let (from, to) = (self.at.chars, self.at.chars + self.deleted.chars);
        let inserted = self.inserted.chars().count();
        if position < from || (position == from && side == Side::Left) {
            position
        } else if position > to || (position == to && side == Side::Right) {
            position - self.deleted.chars + inserted
        } else {
            from + if side == Side::Right { inserted } else { 0 }
        }
    }
}

/// Edits in code points that wait until all of them are known to be in range.
#[derive(Debug)]
pub(crate) enum Step {
    /// The content stands between these bytes of all content.
    Insert(u32, (u32, u32)),
    Delete(u32, u32),
}

impl Step {
    /// Makes the edit.
    pub(crate) fn make(&self, rope: &mut Rope, ops: &Ops) {
        match *self {
            Step::Insert(at, content) => rope.insert(at, ops.between(content)),
            Step::Delete(at, count) => rope.delete(at, count),
        }
    }

    /// The edit, for a view, before it is made.
    pub(crate) fn tell(&self, rope: &Rope, ops: &Ops) -> Edit {
        let place = |chars: u32| Units {
            chars: chars as usize,
            utf8: rope.convert(CHARS, BYTES, chars) as usize,
            utf16: rope.convert(CHARS, UTF16, chars) as usize,
        };
        match *self {
            Step::Insert(at, content) => {
                Edit { at: place(at), deleted: Units::default(), inserted: ops.between(content).to_string() }
            }
            Step::Delete(at, count) => {
                let (at, end) = (place(at), place(at + count));
                let deleted = Units {
                    chars: end.chars - at.chars,
                    utf8: end.utf8 - at.utf8,
                    utf16: end.utf16 - at.utf16,
                };
                Edit { at, deleted, inserted: String::new() }
            }
        }
    }
}
