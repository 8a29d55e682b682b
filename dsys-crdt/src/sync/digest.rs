//! Many documents with one peer: ranges of them are compared by a hash, and what differs is looked for by parting ranges.
//!
//! Whoever shares a thousand documents with somebody, and has the same of all of them, finds out by one message. No name of a
//! document is told to who has not named it: who has something else in a range only says so.

use dsys_core::{Context, NodeId};
use sha2::{Digest, Sha256};

use super::machine::{Library, Replicator};
use super::message::{DocumentRange, Message, Wish};
use crate::change::{ChangeId, DocumentId};

/// So many documents make a range at first.
const RANGE: usize = 64;
/// So many parts of a range are compared next; a range of so many documents is gone through one by one.
const PARTS: usize = 8;

impl<L: Library> Replicator<L> {
    /// Tells a peer what we have of documents, which are in ascending order. Where they are few, it is greeted, if wanted.
    pub(super) fn announce_all(
        &mut self,
        to: NodeId,
        documents: &[DocumentId],
        greets: bool,
        cx: &mut Context<'_, Self>,
    ) {
        if documents.len() >= self.config.digest_from {
            return self.send_digest(to, documents, RANGE, cx);
        }
        for document in documents {
            match greets {
                true => self.greet(to, *document, Wish::Nothing, cx),
                false => self.announce(to, *document, Wish::Nothing, cx),
            }
        }
    }

    fn send_digest(&mut self, to: NodeId, documents: &[DocumentId], each: usize, cx: &mut Context<'_, Self>) {
        let mut ranges = Vec::new();
        for part in documents.chunks(each.max(1)) {
            let (mut hash, mut count) = (Sha256::new(), 0u32);
            for document in part {
                let Some(heads) = self.current(document) else { continue };
                note(&mut hash, document, &heads);
                count += 1;
                if let Some(link) = self.link(to, *document) {
                    link.told = Some((heads, cx.now()));
                }
            }
            if let (Some(first), Some(last)) = (part.first(), part.last()) {
                ranges.push((DocumentRange { first: *first, last: *last }, count, short(hash)));
            }
        }
        for ranges in ranges.chunks(self.config.max_named.max(1)) {
            cx.send(to, Message::Digest { ranges: ranges.to_vec() });
        }
    }

    /// A peer tells what it has of many documents.
    pub(super) fn digest(
        &mut self,
        from: NodeId,
        ranges: &[(DocumentRange, u32, [u8; 16])],
        cx: &mut Context<'_, Self>,
    ) {
        let ascending = ranges.iter().all(|(range, ..)| range.first <= range.last)
            && ranges.is_sorted_by(|(before, ..), (after, ..)| before.last < after.first);
        if !ascending || ranges.len() > self.config.max_named {
            return self.violation(from, cx);
        }
        for (range, count, theirs) in ranges {
            let ours = self.shared_within(range).filter(|document| self.library.may_read(&from, document));
            let ours: Vec<(DocumentId, Vec<ChangeId>)> =
                ours.filter_map(|document| Some((document, self.current(&document)?))).collect();
            let mut hash = Sha256::new();
            ours.iter().for_each(|(document, heads)| note(&mut hash, document, heads));
            if ours.len() as u64 != u64::from(*count) || short(hash) != *theirs {
                cx.send(from, Message::Differ { range: *range });
                continue;
            }
            cx.send(from, Message::Same { range: *range });
            if !self.peers.entry(from).or_default().up {
                self.up(from, cx);
            }
            for (document, heads) in ours {
                let link = self.peers.entry(from).or_default().links.entry(document).or_default();
                link.told = Some((heads.clone(), cx.now()));
                self.heads(from, document, &heads, Wish::Nothing, cx);
            }
        }
    }

    /// A peer has what we have told it of a range.
    pub(super) fn same(&mut self, from: NodeId, range: &DocumentRange, cx: &mut Context<'_, Self>) {
        for document in self.linked_within(from, range) {
            let told = self.link(from, document).and_then(|link| link.told.clone());
            if let Some((heads, _)) = told.filter(|_| self.library.may_read(&from, &document)) {
                self.heads(from, document, &heads, Wish::Nothing, cx);
            }
        }
    }

    /// A peer has something else of a range.
    pub(super) fn differ(&mut self, from: NodeId, range: &DocumentRange, cx: &mut Context<'_, Self>) {
        let documents = self.linked_within(from, range);
        if documents.len() > PARTS {
            return self.send_digest(from, &documents, documents.len().div_ceil(PARTS), cx);
        }
        for document in documents {
            self.greet(from, document, Wish::Heads, cx);
        }
    }

    fn linked_within(&self, peer: NodeId, range: &DocumentRange) -> Vec<DocumentId> {
        let links = self.peers.get(&peer).filter(|_| range.first <= range.last).map(|peer| &peer.links);
        let within = links.into_iter().flat_map(|links| links.range(range.first..=range.last));
        within.filter(|(_, link)| link.declined.is_none()).map(|(document, _)| *document).collect()
    }
}

fn note(hash: &mut Sha256, document: &DocumentId, heads: &[ChangeId]) {
    let mut heads: Vec<&ChangeId> = heads.iter().collect();
    heads.sort_unstable();
    hash.update(document.as_bytes());
    hash.update((heads.len() as u64).to_be_bytes());
    heads.iter().for_each(|head| hash.update(head.as_bytes()));
}

fn short(hash: Sha256) -> [u8; 16] {
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}
