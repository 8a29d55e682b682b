//! Editing texts: typing, marks, and taking back.

use std::ops::Range;
use std::sync::Arc;

use super::DocError;
use super::container::{Id, Kind};
use super::edit::Edit;
use super::mark::number;
use super::op::{Mark, Op, TextEdit};
use super::read::tokens;
use super::state::{What, time};
use super::undo::TextUndo;
use crate::edit::{Step, Units};
use crate::{DecodeError, EditError, Expand, MarkError, RichText, RichUndo};

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
    /// If there is no such text, or [`MarkError`].
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

    /// Takes back the last group of what was done to a text since [`Doc::undo`](super::Doc::undo). False if there is none, or the document was
    /// built anew, after a revocation or a fork: then nothing can be taken back any more.
    ///
    /// # Errors
    /// If the text is gone, or its history full.
    pub fn undo(&mut self, undo: &mut TextUndo) -> Result<bool, DocError> {
        self.take_back(undo, |undo, rich| undo.undo(rich))
    }

    /// Brings back what was taken back last. False if there is nothing.
    ///
    /// # Errors
    /// As [`Edit::undo`].
    pub fn redo(&mut self, undo: &mut TextUndo) -> Result<bool, DocError> {
        self.take_back(undo, |undo, rich| undo.redo(rich))
    }

    fn take_back(
        &mut self,
        undo: &mut TextUndo,
        act: impl FnOnce(&mut RichUndo, &mut RichText) -> Result<bool, MarkError>,
    ) -> Result<bool, DocError> {
        if !Arc::ptr_eq(&undo.life, &self.state.life) {
            return Ok(false);
        }
        let field = self.state.text_mut(&undo.text).ok_or(DocError::NotFound)?;
        let (from, mut rope) = (field.text().history.len(), field.text().rope.clone());
        let done = self.edit_rich(&undo.text.clone(), |rich| Ok(act(&mut undo.undo, rich)?))?;
        let Some(field) = self.state.text_mut(&undo.text) else { return Ok(done) };
        let history = &field.rich.text().history;
        let ops = &history.ops;
        for op in ops.slices(from, history.len()).filter(|op| op.len > 0) {
            let insert = op.inserts();
            let step = if insert { Step::Insert(op.at, op.content) } else { Step::Delete(op.low(), op.len) };
            field.told.push(step.tell(&rope, ops));
            step.make(&mut rope, ops);
        }
        Ok(done)
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
    fn edit_rich<R>(
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
            self.texts.insert(id.clone());
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
