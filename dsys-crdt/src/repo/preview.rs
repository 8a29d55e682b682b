//! What a peer says that a document says, until the document is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dsys_core::NodeId;

use super::Doc;
use super::document::Cell;
use crate::change::{ChangeId, Open};
use crate::doc;
use crate::schema::{Crdt, Looking, view_of};
use crate::sync::Preview;

/// The last one, with whose word it is. Never kept on the disk. Not locked while anything else is, or an app's code runs.
pub(super) type Slot = Mutex<Claim>;
type Claim = Option<(NodeId, Arc<Preview>)>;

impl<T> Doc<T> {
    /// Looks at what a peer *claims* that the document says, where its history is still to come
    /// ([`sync::Config::preview`](crate::sync::Config::preview)); none if there is no such claim. It is to be read only, by the same
    /// pointers as the document, and anything may stand in it: [`Update::PreviewEnded`](super::Update::PreviewEnded) tells
    /// whether it was true.
    pub fn preview<R>(&self, look: impl FnOnce(NodeId, &doc::Doc<Open>) -> R) -> Option<R> {
        let claim = self.cell().claim().clone();
        claim.map(|(peer, preview)| look(peer, preview.doc()))
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
            *self.claim() = Some((from, Arc::new(preview)));
        }
        is_empty
    }

    /// Drops the peer's word when the document is there, or `anyway`; gives whose it was, and whether it was true.
    pub(crate) fn end_preview(&self, anyway: bool) -> Option<(NodeId, Option<bool>)> {
        let (peer, preview) = self.claim().clone()?;
        let was_true = self.with(|doc| preview.is_true_of(doc)).ok()?;
        (anyway || was_true.is_some()).then(|| *self.claim() = None)?;
        Some((peer, was_true))
    }

    fn claim(&self) -> MutexGuard<'_, Claim> {
        self.preview.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
