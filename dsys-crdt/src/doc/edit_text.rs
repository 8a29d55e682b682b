//! Editing texts: typing and marks.

use std::ops::Range;

use super::DocError;
use super::container::{Id, Kind};
use super::edit::Edit;
use super::mark::number;
use super::op::{Mark, Op, TextEdit};
use super::read::tokens;
use super::state::{What, time};
use crate::edit::Units;
use crate::{DecodeError, EditError, Expand, RichText};

impl Edit<'_> {
    /// Inserts into a text, before the character (code point) at `position`. It gets the marks within which it stands, and
    /// those that expand there.
    ///
    /// # Errors
    /// If there is no such text, or it is shorter.
    pub fn insert_text(&mut self, pointer: &str, position: usize, text: &str) -> Result<(), DocError> {
        self.replace_text(pointer, position..position, text)
    }

    /// Deletes characters of a text.
    ///
    /// # Errors
    /// If there is no such text, or it is shorter.
    pub fn delete_text(&mut self, pointer: &str, range: Range<usize>) -> Result<(), DocError> {
        self.replace_text(pointer, range, "")
    }

    /// Deletes characters of a text, and inserts others in their place.
    ///
    /// # Errors
    /// If there is no such text, or it is shorter.
    pub fn replace_text(&mut self, pointer: &str, range: Range<usize>, text: &str) -> Result<(), DocError> {
        let id = self.state.find(&tokens(pointer)?)?;
        self.type_text(&id, range, text)
    }

    /// Gives a key a value over a range of characters of a text: see [`RichText::mark`].
    ///
    /// # Errors
    /// If there is no such text, or [`MarkError`](crate::MarkError).
    pub fn mark(
        &mut self,
        pointer: &str,
        range: Range<usize>,
        key: &str,
        value: &str,
        expand: Expand,
    ) -> Result<(), DocError> {
        let id = self.state.find(&tokens(pointer)?)?;
        self.edit_rich(&id, |rich| Ok(rich.mark(range, key, value, expand)?))
    }

    /// Takes the value of a key away over a range: see [`RichText::unmark`].
    ///
    /// # Errors
    /// As [`Edit::mark`].
    pub fn unmark(
        &mut self,
        pointer: &str,
        range: Range<usize>,
        key: &str,
        expand: Expand,
    ) -> Result<(), DocError> {
        let id = self.state.find(&tokens(pointer)?)?;
        self.edit_rich(&id, |rich| Ok(rich.unmark(range, key, expand)?))
    }

    pub(super) fn type_text(&mut self, id: &Id, range: Range<usize>, insert: &str) -> Result<(), DocError> {
        let field = self.state.text_mut(id).ok_or(DocError::WrongKind)?;
        let (length, text) = (field.text().len(), field.text());
        if range.end > length || range.start > length {
            let position = range.end.max(range.start);
            return Err(EditError::OutOfRange { position, length }.into());
        }
        let deleted = range.end.saturating_sub(range.start);
        if deleted == 0 && insert.is_empty() {
            return Ok(());
        }
        let at = |chars| Units { chars, utf8: text.to_utf8(chars), utf16: text.to_utf16(chars) };
        let (from, to) = (at(range.start), at(range.start + deleted));
        let deleted = Units { chars: deleted, utf8: to.utf8 - from.utf8, utf16: to.utf16 - from.utf16 };
        self.edit_rich(id, |rich| {
            rich.delete(range.clone())?;
            if !insert.is_empty() {
                rich.insert(range.start, insert)?;
            }
            Ok(())
        })?;
        if let Some(field) = self.state.text_mut(id) {
            field.told.push(crate::Edit { at: from, deleted, inserted: insert.into() });
        }
        Ok(())
    }

    /// Does something to a text, and notes what it did as operations.
    pub(super) fn edit_rich<R>(
        &mut self,
        id: &Id,
        act: impl FnOnce(&mut RichText) -> Result<R, DocError>,
    ) -> Result<R, DocError> {
        let field = self.state.text_mut(id).ok_or(DocError::WrongKind)?;
        if field.text().agent() != &self.agent {
            field.rich.text_mut().set_agent(self.agent.clone());
        }
        let (events, marks) = (field.text().history.len(), field.rich.marks_made());
        let done = act(&mut field.rich);
        // If it fails it may have done a part.
        if done.is_err() || (field.text().history.len(), field.rich.marks_made()) != (events, marks) {
            self.fields.insert(id.clone());
        }
        let done = done?;
        let history = &field.text().history;
        let ops = &history.ops;
        let edits: Vec<TextEdit> = ops
            .slices(events, history.len())
            // Past the last event there is an empty one.
            .filter(|op| op.len > 0)
            .map(|op| match op.inserts() {
                true => TextEdit { at: op.at, delete: 0, insert: ops.content(&op).into() },
                false => TextEdit { at: op.low(), delete: op.len, insert: String::new() },
            })
            .collect();
        let markings = field.rich.markings(marks);
        edits.into_iter().for_each(|edit| self.note_edit(id, edit));
        for (marking, at) in markings.into_iter().zip(marks..) {
            let stamp = time(&self.next());
            let field = self.state.text_mut(id).ok_or(DocError::WrongKind)?;
            field.rich.date(at, stamp);
            let name = self.name(id);
            let Some(Kind::Text(field)) = self.state.containers.get(id).map(|it| &it.kind) else {
                return Err(DocError::WrongKind);
            };
            let (state, graph, body) = (&*self.state, self.graph, &mut self.body);
            let mut edge =
                |anchor| state.edge(graph, field, anchor, &mut |agent, time| body.other(agent, time));
            let (start, end) = (edge(&marking.start), edge(&marking.end));
            let (Some(start), Some(end)) = (start, end) else { return Err(DecodeError::Past.into()) };
            let (key, value) = (marking.key.clone(), marking.value.clone());
            let mark = Mark { start, end, expand: number(marking.expand), key, value };
            self.note(Op::Mark(name, mark), id, What::Mark(marking));
        }
        Ok(done)
    }

    /// Typing is one operation, as long as it stays in one text.
    fn note_edit(&mut self, id: &Id, edit: TextEdit) {
        let name = self.name(id);
        if let Some(Op::Edit(last, edits)) = self.body.ops.last_mut()
            && *last == name
        {
            match edits.last_mut() {
                Some(last) if edit.delete == 0 && last.goes_on(&edit) => last.insert.push_str(&edit.insert),
                _ => edits.push(edit),
            }
            return;
        }
        self.note(Op::Edit(name, vec![edit]), id, What::Edit);
    }
}

impl TextEdit {
    /// Whether an insertion goes on where this one ends, or takes the place of what it deleted.
    fn goes_on(&self, next: &TextEdit) -> bool {
        self.at as usize + self.insert.chars().count() == next.at as usize
    }
}
