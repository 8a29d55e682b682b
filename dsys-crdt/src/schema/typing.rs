//! Texts, with marks and without.

use std::ops::Range;

use super::{RichTextView, TextView};
use crate::Expand;
use crate::doc::{DocError, Value};

/// What is done to the characters of a text, with marks or without.
macro_rules! typing {
    ($($view:ident),*) => {
        $(impl $view<'_> {
            /// Inserts before the character (code point) at `position`.
            ///
            /// # Errors
            /// As [`Edit::insert_text`](crate::doc::Edit::insert_text).
            pub fn insert(&mut self, position: usize, text: &str) -> Result<(), DocError> {
                self.replace(position..position, text)
            }

            /// Deletes characters.
            ///
            /// # Errors
            /// As [`Edit::delete_text`](crate::doc::Edit::delete_text).
            pub fn delete(&mut self, range: Range<usize>) -> Result<(), DocError> {
                self.replace(range, "")
            }

            /// Deletes characters and inserts others in their place.
            ///
            /// # Errors
            /// As [`Edit::delete_text`](crate::doc::Edit::delete_text).
            pub fn replace(&mut self, range: Range<usize>, text: &str) -> Result<(), DocError> {
                self.place.edit(|edits, pointer| edits.splice(pointer, range, text))
            }

            /// The text, without marks.
            pub fn get(&self) -> String {
                match self.place.get() {
                    Some(Value::Text(text)) => text,
                    _ => String::new(),
                }
            }
        })*
    };
}
typing!(TextView, RichTextView);

impl RichTextView<'_> {
    /// Gives a key a value over a range of characters.
    ///
    /// # Errors
    /// As [`Edit::mark`](crate::doc::Edit::mark).
    pub fn mark(
        &mut self,
        range: Range<usize>,
        key: &str,
        value: &str,
        expand: Expand,
    ) -> Result<(), DocError> {
        self.place.edit(|edits, pointer| edits.mark(pointer, range, (key, Some(value), expand)))
    }

    /// Takes the value of a key away over a range of characters.
    ///
    /// # Errors
    /// As [`Edit::mark`](crate::doc::Edit::mark).
    pub fn unmark(&mut self, range: Range<usize>, key: &str, expand: Expand) -> Result<(), DocError> {
        self.place.edit(|edits, pointer| edits.mark(pointer, range, (key, None, expand)))
    }
}
