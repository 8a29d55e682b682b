//! Texts and lists of a document by more than what stands in them: taking back, who wrote what, marks.

use std::sync::{Arc, OnceLock};

use dsys_core::NodeId;

use super::container::{Entry, Id, Kind};
use super::edit::Edit;
use super::read::tokens;
use super::text_field::TextField;
use super::{Doc, DocError};
use crate::change::Policy;
use crate::edit::Step;
use crate::{Agent, EditError, List, ListUndo, MarkError, Places, RichText, RichUndo, Span};

/// Takes back what one author does to one text or list of a document, from [`Doc::undo`] on, in groups: [`Edit::undo`] and
/// [`Edit::redo`], which are edits like any other to everybody else. It belongs to the document that gave it.
#[derive(Clone, Debug)]
pub struct Undo {
    at: Id,
    life: Arc<()>,
    groups: Groups,
    /// What it was before the last change in which something was taken back or brought back, and whether that was made.
    before: Option<(Arc<OnceLock<()>>, Arc<()>, Groups)>,
}

#[derive(Clone, Debug)]
enum Groups {
    Text(Box<RichUndo>),
    List(ListUndo),
}

impl<P: Policy> Doc<P> {
    /// What `author` does to a text or a list from now on can be taken back.
    ///
    /// # Errors
    /// If there is none.
    pub fn undo(&mut self, author: &NodeId, pointer: &str) -> Result<Undo, DocError> {
        let at = self.state.find(&tokens(pointer)?)?;
        let life = self.state.life.clone();
        // 32 bytes are a name.
        let agent = Agent::new(author.as_bytes()).map_err(|_| DocError::NotFound)?;
        let groups = match self.state.containers.get_mut(&at).map(|it| &mut it.kind) {
            Some(Kind::Text(field)) => {
                field.rich.text_mut().set_agent(agent);
                Groups::Text(Box::new(RichUndo::new(&field.rich)))
            }
            Some(Kind::List(field)) => {
                field.list.set_agent(agent);
                Groups::List(ListUndo::new(&field.list))
            }
            _ => return Err(DocError::WrongKind),
        };
        Ok(Undo { at, life, groups, before: None })
    }

    /// What was done since the last group is one more, to be taken back together. Without this everything since then is.
    pub fn end_group(&self, undo: &mut Undo) {
        undo.settle();
        match (self.state.kind(&undo.at), &mut undo.groups) {
            (Ok(Kind::Text(field)), Groups::Text(undo)) => undo.end_group(&field.rich),
            (Ok(Kind::List(field)), Groups::List(undo)) => {
                undo.end_group(&field.list);
            }
            _ => {}
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

impl Undo {
    /// Forgets what a change did to it that was not made.
    fn settle(&mut self) {
        if let Some((_, life, groups)) = self.before.take_if(|(made, ..)| made.get().is_none()) {
            (self.life, self.groups) = (life, groups);
        }
    }
}

impl Edit<'_> {
    /// Takes back the last group of what was done to a text or a list since [`Doc::undo`]. False if there is none. What does not
    /// count any more is not taken back; of one's own that is what nobody had seen when one was revoked.
    ///
    /// # Errors
    /// If the text or the list is gone, or its history full. If the change is not made, nothing was taken back.
    pub fn undo(&mut self, undo: &mut Undo) -> Result<bool, DocError> {
        self.invert(undo, RichUndo::undo, ListUndo::undo)
    }

    /// Brings back what was taken back last. False if there is nothing.
    ///
    /// # Errors
    /// As [`Edit::undo`].
    pub fn redo(&mut self, undo: &mut Undo) -> Result<bool, DocError> {
        self.invert(undo, RichUndo::redo, ListUndo::redo)
    }

    fn invert(
        &mut self,
        undo: &mut Undo,
        in_text: impl FnOnce(&mut RichUndo, &mut RichText) -> Result<bool, MarkError>,
        in_list: impl FnOnce(&mut ListUndo, &mut List<Entry>) -> Result<bool, EditError>,
    ) -> Result<bool, DocError> {
        if undo.before.as_ref().is_none_or(|(made, ..)| !Arc::ptr_eq(made, &self.made)) {
            undo.settle();
            undo.before = Some((self.made.clone(), undo.life.clone(), undo.groups.clone()));
        }
        if !Arc::ptr_eq(&undo.life, &self.state.life) {
            match &mut undo.groups {
                Groups::Text(groups) => {
                    let field = self.state.text_mut(&undo.at).ok_or(DocError::NotFound)?;
                    groups.revive(&mut field.rich)?;
                }
                Groups::List(groups) => {
                    groups.revive(&mut self.state.list_mut(&undo.at).ok_or(DocError::NotFound)?.list);
                }
            }
            undo.life = self.state.life.clone();
        }
        let groups = match &mut undo.groups {
            Groups::Text(groups) => groups,
            Groups::List(groups) => return self.edit_list(&undo.at, |list| Ok(in_list(groups, list)?)),
        };
        let field = self.state.text_mut(&undo.at).ok_or(DocError::NotFound)?;
        let (from, mut rope) = (field.text().history.len(), field.text().rope.clone());
        let done = self.edit_rich(&undo.at, |rich| Ok(in_text(groups, rich)?))?;
        let Some(field) = self.state.text_mut(&undo.at) else { return Ok(done) };
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
}
