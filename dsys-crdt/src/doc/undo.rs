//! Texts of a document by more than their characters: who wrote what, marks, taking back.

use std::sync::Arc;

use dsys_core::NodeId;

use super::container::{Id, Kind};
use super::read::tokens;
use super::text_field::TextField;
use super::{Doc, DocError};
use crate::change::Policy;
use crate::{Agent, Places, RichText, RichUndo, Span};

/// Takes back what one author does to one text of a document, from [`Doc::undo`] on, in groups: [`Edit::undo`] and
/// [`Edit::redo`], which are edits like any other to everybody else. It belongs to the document that gave it.
///
/// [`Edit::undo`]: super::Edit::undo
/// [`Edit::redo`]: super::Edit::redo
#[derive(Clone, Debug)]
pub struct TextUndo {
    pub(super) text: Id,
    pub(super) life: Arc<()>,
    pub(super) undo: RichUndo,
}

impl<P: Policy> Doc<P> {
    /// What `author` does to a text from now on can be taken back.
    ///
    /// # Errors
    /// If there is no such text.
    pub fn undo(&mut self, author: &NodeId, pointer: &str) -> Result<TextUndo, DocError> {
        let text = self.state.find(&tokens(pointer)?)?;
        let life = self.state.life.clone();
        let field = self.state.text_mut(&text).ok_or(DocError::WrongKind)?;
        // 32 bytes are a name.
        let agent = Agent::new(author.as_bytes()).map_err(|_| DocError::NotFound)?;
        field.rich.text_mut().set_agent(agent);
        let undo = RichUndo::new(&field.rich);
        Ok(TextUndo { text, life, undo })
    }

    /// What was done since the last group is one more, to be taken back together. Without this everything since then is.
    pub fn end_group(&self, undo: &mut TextUndo) {
        if !Arc::ptr_eq(&undo.life, &self.state.life) {
            return;
        }
        if let Ok(Kind::Text(field)) = self.state.kind(&undo.text) {
            undo.undo.end_group(&field.rich);
        }
    }

    /// Looks at which character of a text stands where, and whose it is: cursors that stay, attribution. The first look walks
    /// the text's history ([`Text::places`](crate::Text::places)). Of an author who has forked the names change when that
    /// is found, and anchors beside its later characters are lost.
    ///
    /// # Errors
    /// If there is no such text, or its history cannot be read.
    pub fn places<R>(&mut self, pointer: &str, look: impl FnOnce(Places<'_>) -> R) -> Result<R, DocError> {
        self.rich(pointer, |rich| Ok(look(rich.text_mut().places()?)))
    }

    /// A text in stretches with the same marks.
    ///
    /// # Errors
    /// As [`Doc::places`].
    pub fn spans(&mut self, pointer: &str) -> Result<Vec<Span>, DocError> {
        self.rich(pointer, |rich| Ok(rich.spans()?))
    }

    /// A text with its marks as Markdown: see [`RichText::to_markdown`].
    ///
    /// # Errors
    /// As [`Doc::places`].
    pub fn to_markdown(&mut self, pointer: &str) -> Result<String, DocError> {
        self.rich(pointer, |rich| Ok(rich.to_markdown()?))
    }

    fn rich<R>(
        &mut self,
        pointer: &str,
        look: impl FnOnce(&mut RichText) -> Result<R, DocError>,
    ) -> Result<R, DocError> {
        let text = self.state.find(&tokens(pointer)?)?;
        let TextField { rich, .. } = self.state.text_mut(&text).ok_or(DocError::WrongKind)?;
        look(rich)
    }
}
