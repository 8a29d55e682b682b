//! What a document says, ahead of the changes by which one knows that it does: for who has nothing of it yet
//! ([`Config::preview`](super::Config::preview)).
//!
//! It is a document of its own, with one change under another name, signed by a key that everybody has. So it is read, bounded and
//! looked at as every document is; nothing of it can be taken for a change of the real one; and two who say the same give
//! this change the same name, by which one sees whether the peer has told the truth when the real history is there.

use dsys_core::{Context, NodeId, SecretKey};
use sha2::{Digest, Sha256};

use super::machine::{Library, Replicator};
use super::message::Message;
use super::words::Event;
use crate::change::{Bundle, ChangeId, DocumentId, Open, Policy};
use crate::doc::{Doc, Value};

/// What a peer claims that a document says at a version. Marks of texts are not in it.
#[derive(Debug)]
pub struct Preview {
    heads: Vec<ChangeId>,
    doc: Doc<Open>,
}

impl Preview {
    /// What a document says now, as bytes; none if it has no content, or more than one change can have.
    pub fn encode<P: Policy>(doc: &Doc<P>) -> Option<Vec<u8>> {
        content(doc.log().document(), doc.value()).map(|doc| doc.encode_since(&[]))
    }

    /// Reads what [`Preview::encode`] gave elsewhere, of at most `most` bytes when unpacked. None if it is none such.
    pub fn decode(
        document: DocumentId,
        heads: Vec<ChangeId>,
        bytes: Vec<u8>,
        most: usize,
    ) -> Option<Preview> {
        let change = Bundle::decode(bytes, most).ok().filter(|bundle| bundle.len() == 1)?;
        let mut doc = Doc::new(name(document), Open);
        let (received, _) = doc.receive_bundle(change, 0);
        (received.accepted == 1).then_some(Preview { heads, doc })
    }

    /// The version that it is said to be.
    pub fn heads(&self) -> &[ChangeId] {
        &self.heads
    }

    /// What it says.
    pub fn doc(&self) -> &Doc<Open> {
        &self.doc
    }

    /// Whether the document says this at that version; none as long as it lacks some of it.
    pub fn is_true_of<P: Policy>(&self, doc: &Doc<P>) -> Option<bool> {
        let value = if doc.heads() == self.heads { doc.value() } else { doc.value_at(&self.heads)? };
        let content = content(doc.log().document(), value);
        Some(content.is_some_and(|content| content.heads() == self.doc.heads()))
    }
}

/// A document that says this.
fn content(document: DocumentId, value: Value) -> Option<Doc<Open>> {
    let Value::Map(values) = value else { return None };
    let mut doc = Doc::new(name(document), Open);
    doc.change(&SecretKey::from_bytes([0; 32]), 0, |doc| doc.set_all(values)).ok()?;
    Some(doc)
}

/// No document has this name, so no change of one is a change of the other.
fn name(document: DocumentId) -> DocumentId {
    let mut hash = Sha256::new_with_prefix(b"dsys/crdt/preview/1");
    hash.update(document.as_bytes());
    DocumentId::from_bytes(hash.finalize().into())
}

impl<L: Library> Replicator<L> {
    /// Tells a peer that has nothing of a document what it says, once in a connection; gives whether it did.
    pub(super) fn send_preview(
        &mut self,
        to: NodeId,
        document: DocumentId,
        cx: &mut Context<'_, Self>,
    ) -> bool {
        if self.link(to, document).is_none_or(|link| std::mem::replace(&mut link.previewed, true)) {
            return false;
        }
        let (most, max_named) = (self.config.max_preview, self.config.max_named);
        let fits =
            |(heads, content): &(Vec<ChangeId>, Vec<u8>)| content.len() <= most && heads.len() <= max_named;
        let Some((heads, content)) = self.library.content(&document).filter(fits) else { return false };
        cx.send(to, Message::Preview { document, heads, content });
        true
    }

    /// Sends what waits behind previews.
    pub(super) fn serve_queued(&mut self, cx: &mut Context<'_, Self>) {
        let queued = self.links(|link| !link.queue.is_empty() && link.flight.is_empty());
        for (id, document) in queued.collect::<Vec<_>>() {
            self.send(id, document, cx);
        }
    }

    /// Drops what a peer has said of it, if the changes are here that show whether it was true; or `anyway`.
    pub(super) fn end_preview(&mut self, document: DocumentId, anyway: bool, cx: &mut Context<'_, Self>) {
        if self.config.preview
            && let Some((peer, was_true)) = self.library.end_preview(&document, anyway)
        {
            cx.emit(Event::PreviewEnded(document, peer, was_true));
        }
    }

    /// A peer says what a document says. It was asked, or it is not listened to.
    pub(super) fn previewed(
        &mut self,
        from: NodeId,
        document: DocumentId,
        heads: Vec<ChangeId>,
        content: Vec<u8>,
        cx: &mut Context<'_, Self>,
    ) {
        let asked = self.link(from, document).is_some_and(|link| link.asked.is_some());
        if !self.config.preview || !asked {
            return;
        }
        let Some(preview) = Preview::decode(document, heads, content, self.config.max_unpacked) else {
            return self.violation(from, cx);
        };
        if self.library.preview(&document, from, preview) {
            cx.emit(Event::Preview(document, from));
        }
    }
}
