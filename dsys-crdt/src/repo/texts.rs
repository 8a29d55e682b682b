//! Texts and lists of a kept document by more than what stands in them.

use super::document::Doc;
use super::{ChangeError, RepoError};
use crate::doc::{DocError, Edit, Undo, Value};
use crate::{Places, Span};

impl<T> Doc<T> {
    /// Looks at which character of a text stands where, and whose it is: as [`crate::doc::Doc::places`].
    ///
    /// # Errors
    /// As there, and if the document cannot be read from the file.
    pub fn places<R>(&self, pointer: &str, look: impl FnOnce(Places<'_>) -> R) -> Result<R, ChangeError> {
        self.with_text(|doc| doc.places(pointer, look))
    }

    /// A text in stretches with the same marks.
    ///
    /// # Errors
    /// As [`Doc::places`].
    pub fn spans(&self, pointer: &str) -> Result<Vec<Span>, ChangeError> {
        self.with_text(|doc| doc.spans(pointer))
    }

    /// A text with its marks as Markdown.
    ///
    /// # Errors
    /// As [`Doc::places`].
    pub fn to_markdown(&self, pointer: &str) -> Result<String, ChangeError> {
        self.with_text(|doc| doc.to_markdown(pointer))
    }

    /// Everything with the marks of texts, for JSON: as [`crate::doc::Doc::value_with_marks`].
    ///
    /// # Errors
    /// As [`Doc::places`].
    pub fn value_with_marks(&self) -> Result<Value, ChangeError> {
        self.with_text(crate::doc::Doc::value_with_marks)
    }

    /// What is done here to a text or a list from now on can be taken back by [`Doc::take_back`]: as [`crate::doc::Doc::undo`].
    ///
    /// # Errors
    /// As [`Doc::places`].
    pub fn undo(&self, pointer: &str) -> Result<Undo, ChangeError> {
        let author = self.author();
        self.with_text(|doc| doc.undo(&author, pointer))
    }

    /// What was done since the last group is one more: as [`crate::doc::Doc::end_group`].
    ///
    /// # Errors
    /// If the document cannot be read from the file.
    pub fn end_group(&self, undo: &mut Undo) -> Result<(), RepoError> {
        self.read(|doc| doc.end_group(undo))
    }

    /// Takes back the last group, as a change: false if there is none. As [`crate::doc::Edit::undo`].
    ///
    /// # Errors
    /// As [`Doc::change_raw`].
    pub fn take_back(&self, undo: &mut Undo) -> Result<bool, ChangeError> {
        self.unless_nothing(|edit| edit.undo(undo))
    }

    /// Brings back what was taken back last: false if there is nothing. As [`crate::doc::Edit::redo`].
    ///
    /// # Errors
    /// As [`Doc::change_raw`].
    pub fn bring_back(&self, undo: &mut Undo) -> Result<bool, ChangeError> {
        self.unless_nothing(|edit| edit.redo(undo))
    }

    /// Makes a change, unless there is nothing to do.
    fn unless_nothing(
        &self,
        act: impl FnOnce(&mut Edit<'_>) -> Result<bool, DocError>,
    ) -> Result<bool, ChangeError> {
        let mut nothing = false;
        let changed = self.change_raw(|edit| {
            nothing = !act(edit)?;
            if nothing { Err(DocError::NotFound) } else { Ok(()) }
        });
        if nothing { Ok(false) } else { changed.map(|()| true) }
    }

    fn with_text<R>(
        &self,
        act: impl FnOnce(&mut crate::doc::Doc<super::Rule>) -> Result<R, DocError>,
    ) -> Result<R, ChangeError> {
        Ok(self.in_cell(act)??)
    }
}
