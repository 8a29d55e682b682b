//! What one of two peers has cut: who lacks it is told so, and who meets a change that bears on it does not ask for that again.
//!
//! Both are claims that a peer can make falsely. Who claims to have cut what we lack is asked again when we have what it
//! names, or after [`Config::announce_every`](super::Config::announce_every), and others are asked meanwhile: it has cost a turn.

use std::collections::BTreeSet;

use dsys_core::{Context, NodeId};

use super::machine::{Library, Replicator};
use super::message::Message;
use super::piece;
use super::words::Event;
use crate::change::{Bundle, ChangeId, DocumentId, Log, Policy, Received, Refused};

/// The changes of a bundle, with what each follows.
pub(super) type Follows = Vec<(ChangeId, Vec<ChangeId>)>;

/// Whether a change lacks here that could be taken in: it is not one of those that were refused because they bear on what was
/// cut, or because they follow one.
pub(super) fn wants<P: Policy>(log: &Log<P>, refused: &BTreeSet<ChangeId>, id: &ChangeId) -> bool {
    // The document may have been opened anew since, with all of its history.
    log.number(id).is_none() && !(log.trimmed() > 0 && refused.contains(id))
}

impl<L: Library> Replicator<L> {
    /// Tells a peer that what it lacks was cut here.
    pub(super) fn tell_cut(&self, to: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        let Some(mut after) = self.library.look(&document, |log, _| log.cut()) else { return };
        after.truncate(self.config.max_named);
        cx.send(to, Message::Trimmed { document, after });
    }

    /// A peer says that what lacks here was cut there: it can give only what follows these.
    pub(super) fn trimmed(
        &mut self,
        from: NodeId,
        document: DocumentId,
        after: Vec<ChangeId>,
        cx: &mut Context<'_, Self>,
    ) {
        let (most, until) = (self.config.max_named, cx.now() + self.config.announce_every);
        let has = |log: &Log<L::Policy>, told| {
            let has = after.iter().all(|id| log.number(id).is_some());
            has.then(|| piece::have(log, told, most))
        };
        let Some(has) = self.library.look(&document, has) else { return };
        let Some(link) = self.link(from, document).filter(|link| link.asked.is_some()) else { return };
        match has {
            // A sparse list need not show it. It is named now, once.
            Some(list) if !link.named && !after.is_empty() => {
                link.named = true;
                let have = after.into_iter().chain(list).take(most).collect();
                return cx.send(from, Message::Have { document, have });
            }
            Some(_) => self.broke(from, document, cx),
            None => {
                (link.asked, link.shunned) = (None, Some(until));
                if link.cut != after {
                    link.cut = after;
                    cx.emit(Event::Trimmed(document, from));
                }
            }
        }
        self.pass_turn(from, document, cx);
    }

    /// What the changes of a bundle follow, if some of them may be refused because of what was cut here.
    pub(super) fn follows(&self, document: &DocumentId, changes: &Bundle) -> Follows {
        let cuts = self.library.look(document, |log, _| log.trimmed() > 0).unwrap_or_default();
        if cuts { changes.follows().collect() } else { Follows::new() }
    }

    /// Remembers what was refused because of what was cut here, and what of the same bundle hangs on that.
    pub(super) fn note_refused(
        &mut self,
        document: DocumentId,
        follows: Follows,
        received: &Received,
        cx: &mut Context<'_, Self>,
    ) {
        let most = self.config.max_refused;
        let Some(shared) = self.shared.get_mut(&document) else { return };
        for (id, why) in &received.refused {
            if *why == Refused::Trimmed && shared.refused.len() < most {
                if shared.refused.is_empty() {
                    cx.emit(Event::Unmergeable(document, *id));
                }
                shared.refused.insert(*id);
            }
        }
        // Each stands behind what it follows.
        for (id, follows) in follows {
            if shared.refused.len() < most && follows.iter().any(|it| shared.refused.contains(it)) {
                shared.refused.insert(id);
            }
        }
    }
}
