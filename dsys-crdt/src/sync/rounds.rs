//! What is done by the clock: what has no answer is tried again, what is news is announced.

use std::collections::BTreeMap;

use dsys_core::{Context, NodeId, Time};

use super::Config;
use super::machine::{Library, Replicator};
use super::message::Wish;
use super::words::{Event, Timer};
use crate::change::DocumentId;

impl<L: Library> Replicator<L> {
    /// Announces what came from others, where it was not sent.
    pub(super) fn announce_news(&mut self, cx: &mut Context<'_, Self>) {
        let links: Vec<(NodeId, DocumentId)> = self.links(|link| link.declined.is_none()).collect();
        for (id, document) in links {
            // Who has sent it here, or has acknowledged all of it, knows.
            if self.link(id, document).is_some_and(|link| link.in_step) || !self.is_news(id, document) {
                continue;
            }
            match self.link(id, document).is_some_and(|link| link.is_quiet()) {
                true => self.announce(id, document, Wish::Nothing, cx),
                // What is on its way says as much, and may say all.
                false => self.announce_soon(cx),
            }
        }
    }

    /// Looks after what has no answer.
    pub(super) fn round(&mut self, cx: &mut Context<'_, Self>) {
        let (now, Config { patience, announce_every, .. }) = (cx.now(), self.config.clone());
        let links: Vec<(NodeId, DocumentId)> = self.links(|_| true).collect();
        let mut due: BTreeMap<NodeId, Vec<DocumentId>> = BTreeMap::new();
        for (id, document) in links {
            let Some(link) = self.link(id, document) else { continue };
            if let Some((at, times)) = link.declined {
                // It may be shared there by now.
                if now.since(at) >= patience.saturating_mul(2u32.saturating_pow(times)).min(announce_every) {
                    self.greet(id, document, Wish::Nothing, cx);
                }
                continue;
            }
            let late = |at: Time| now.since(at) >= patience;
            let lost = link.flight.front().is_some_and(|flight| late(flight.sent));
            let withheld = link.asked.is_some_and(late);
            let told = link.told.as_ref().map(|(_, at)| now.since(*at));
            let unheard = !link.heard && told.is_none_or(|told| told >= patience);
            if lost {
                link.queue.clear();
                link.flight.clear();
                link.behind = true;
            }
            let again = link.shunned.take_if(|until| now >= *until).is_some();
            if withheld {
                self.broke(id, document, cx);
                self.pass_turn(id, document, cx);
            } else if again {
                self.ask_one(document, cx);
            }
            if lost || withheld {
                self.announce(id, document, Wish::Heads, cx);
            } else if unheard {
                self.greet(id, document, Wish::Heads, cx);
            } else if told.is_none_or(|told| told >= announce_every) {
                due.entry(id).or_default().push(document);
            }
        }
        for (id, documents) in due {
            self.announce_all(id, &documents, false, cx);
        }
        self.end_turns(cx);
        self.redial(cx);
        if self.told != self.stats {
            self.told = self.stats;
            cx.emit(Event::Counted(self.stats));
        }
        cx.set_timer(Timer::Round, self.every());
    }

    /// Tries to reach those whom we have named a document to.
    fn redial(&mut self, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        let mut due = Vec::new();
        for (id, peer) in self.peers.iter_mut().filter(|(_, peer)| !peer.up) {
            let Some(document) = peer.links.iter().find(|(_, link)| link.invited).map(|(it, _)| *it) else {
                continue;
            };
            let (at, wait) = *peer.redial.get_or_insert((now, self.config.redial_after));
            if now >= at {
                let longer = (wait * 2).min(self.config.redial_at_most);
                let jitter = wait.mul_f64(cx.rng().unit() / 4.0);
                peer.redial = Some((now + wait + jitter, longer));
                due.push((*id, document));
            }
        }
        for (id, document) in due {
            self.announce(id, document, Wish::Nothing, cx);
        }
    }
}
