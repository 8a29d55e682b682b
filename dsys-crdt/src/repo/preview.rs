//! What a peer says that a document says, until the document is there.

use std::sync::{Mutex, PoisonError};

use dsys_core::NodeId;

use super::Doc;
use super::document::Cell;
use crate::change::{ChangeId, Open};
use crate::doc;
use crate::schema::{Crdt, Looking, view_of};
use crate::sync::Preview;

/// The last one, with whose word it is. Never kept on the disk.
pub(super) type Slot = Mutex<Option<(NodeId, Preview)>>;

impl<T> Doc<T> {
    /// Looks at what a peer *claims* that the document says, where its history is still to come
    /// ([`sync::Config::preview`](crate::sync::Config::preview)); none if there is no such claim. It is to be read only, by the same
    /// pointers as the document, and anything may stand in it: [`Update::PreviewEnded`](super::Update::PreviewEnded) tells
    /// whether it was true.
    pub fn preview<R>(&self, look: impl FnOnce(NodeId, &doc::Doc<Open>) -> R) -> Option<R> {
        let slot = self.cell().preview.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().map(|(peer, preview)| look(*peer, preview.doc()))
    }
}

impl<T: Crdt> Doc<T> {
    /// As [`Doc::preview`], by the document's type.
    pub fn look_at_preview<R>(&self, look: impl for<'a> FnOnce(NodeId, &mut T::View<'a>) -> R) -> Option<R> {
        // It fails only where it begins something.
        self.preview(|peer, doc| view_of::<T, R>(&mut Looking(doc), false, |view| look(peer, view)).ok())?
    }
}

impl Cell {
    /// What the document says, and at which version; none if some of it is not on the disk, so that no version of it may be told.
    pub(crate) fn content(&self) -> Option<(Vec<ChangeId>, Vec<u8>)> {
        let (heads, content) = self.with(|doc| Some((doc.heads(), Preview::encode(doc)?))).ok()??;
        let may_tell = self.look(|log, told| told as usize == log.len() && log.heads() == heads).ok()?;
        may_tell.then_some((heads, content))
    }

    /// Takes a peer's word, in place of another's, as long as nothing is here; gives whether it did.
    pub(crate) fn take_preview(&self, from: NodeId, preview: Preview) -> bool {
        let is_empty = self.with(|doc| doc.log().is_empty()).unwrap_or(false);
        if is_empty {
            *self.preview.lock().unwrap_or_else(PoisonError::into_inner) = Some((from, preview));
        }
        is_empty
    }

    /// Drops the peer's word when the document is there, or `anyway`; gives whose it was, and whether it was true.
    pub(crate) fn end_preview(&self, anyway: bool) -> Option<(NodeId, Option<bool>)> {
        let mut slot = self.preview.lock().unwrap_or_else(PoisonError::into_inner);
        let (peer, preview) = slot.as_ref()?;
        let ended = (*peer, self.with(|doc| preview.is_true_of(doc)).ok()?);
        if anyway || ended.1.is_some() {
            *slot = None;
            return Some(ended);
        }
        None
    }
}
