//! Who is asked for what lacks here: one of those who have it, and another when that one gives nothing.
//!
//! A peer that has come up is told what we have, and the first of them is asked at once for what follows: so who was away
//! for a while has it one round trip later. The others say what they have too; of that nothing is asked for as long as
//! somebody gives, since it is the same as a rule.

use std::collections::VecDeque;
use std::time::Duration;

use dsys_core::{Context, NodeId, Time};

use super::link::Link;
use super::machine::{Library, Replicator, Shared};
use super::message::{Message, Wish};
use super::words::{Event, Timer};
use super::{cut, piece};
use crate::change::{ChangeId, DocumentId, Log};

/// Who is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    peer: NodeId,
    since: Time,
    /// When it last gave something new.
    gave: Time,
}

/// What a peer's last changes mean here.
struct Looked {
    /// They are all here.
    known: bool,
    /// Some of what lacks could be taken in.
    wanted: bool,
    /// What may be told to somebody who has them, if all are known here; none if some of it was cut.
    lacking: Option<VecDeque<u32>>,
}

impl Shared {
    /// A peer has given something new.
    pub(super) fn gave(&mut self, from: &NodeId, now: Time) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.peer == *from) {
            turn.gave = now;
        }
    }
}

impl<L: Library> Replicator<L> {
    /// Tells a peer what we have, and asks it for what follows, if nobody else is waited for; has the other wish if so.
    pub(super) fn greet(
        &mut self,
        to: NodeId,
        document: DocumentId,
        otherwise: Wish,
        cx: &mut Context<'_, Self>,
    ) {
        let trusted = self.link(to, document).is_some_and(|link| link.is_trusted(cx.now()));
        match trusted && self.may_ask(to, &document) {
            true => self.ask(to, document, cx),
            false => self.announce(to, document, otherwise, cx),
        }
    }

    /// Whether nobody else is waited for. What is asked while it is dialled arrives whenever it can be reached: so only the first.
    pub(super) fn may_ask(&self, to: NodeId, document: &DocumentId) -> bool {
        let turn = self.shared.get(document).and_then(|shared| shared.turn);
        let is_up = |peer: &NodeId| self.peers.get(peer).is_some_and(|peer| peer.up);
        turn.is_none_or(|turn| turn.peer == to || is_up(&to) && !is_up(&turn.peer))
    }

    /// The peer that is waited for. Who cannot be reached is not.
    fn waits_for(&self, document: &DocumentId) -> Option<NodeId> {
        let peer = self.shared.get(document)?.turn?.peer;
        self.peers.get(&peer).is_some_and(|peer| peer.up).then_some(peer)
    }

    pub(super) fn ask(&mut self, to: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        let Some(link) = self.link(to, document) else { return };
        (link.asked, link.listed, link.named, link.in_step) = (Some(now), false, false, false);
        if let Some(shared) = self.shared.get_mut(&document) {
            let since = shared.turn.filter(|turn| turn.peer == to).map_or(now, |turn| turn.since);
            shared.turn = Some(Turn { peer: to, since, gave: now });
        }
        let has_nothing = || self.current(&document).is_some_and(|heads| heads.is_empty());
        let wish = if self.config.preview && has_nothing() { Wish::Preview } else { Wish::Changes };
        self.announce(to, document, wish, cx);
    }

    /// Asks one of those who have what lacks here, unless somebody is waited for: of those who have kept their word best.
    pub(super) fn ask_one(&mut self, document: DocumentId, cx: &mut Context<'_, Self>) {
        if self.waits_for(&document).is_some() {
            return;
        }
        let now = cx.now();
        let Replicator { library, peers, shared, .. } = self;
        let Some(Shared { refused, .. }) = shared.get(&document) else { return };
        let links = peers.iter().filter(|(_, peer)| peer.up).filter_map(|(id, peer)| {
            let link = peer.links.get(&document)?;
            let free = link.asked.is_none() && (link.is_trusted(now) || !link.cut.is_empty());
            (free && !link.theirs.is_empty()).then_some((*id, link))
        });
        let mut links: Vec<(NodeId, &Link)> = links.collect();
        // Nobody needs to open it, if all have what it was closed with.
        if let Some(ours) = library.resting(&document) {
            let is_new = |id: &ChangeId| !ours.contains(id) && !refused.contains(id);
            links.retain(|(_, link)| link.theirs.iter().any(is_new));
        }
        if links.is_empty() {
            return;
        }
        let has_more = |log: &Log<L::Policy>, link: &Link| {
            let has = |id: &ChangeId| log.number(id).is_some();
            (link.is_trusted(now) || link.cut.iter().all(has))
                && link.theirs.iter().any(|id| cut::wants(log, refused, id))
        };
        let have = library.look(&document, |log, _| {
            let links = links.iter().filter(|(_, link)| has_more(log, link));
            links.map(|(id, link)| (link.broken, *id)).collect()
        });
        let mut have: Vec<(u32, NodeId)> = have.unwrap_or_default();
        let least = have.iter().map(|(broken, _)| *broken).min();
        have.retain(|(broken, _)| Some(*broken) == least);
        if !have.is_empty()
            && let Some((_, id)) = have.get(cx.rng().index(have.len()))
        {
            self.ask(*id, document, cx);
        }
    }

    /// A peer says what it has.
    pub(super) fn heads(
        &mut self,
        from: NodeId,
        document: DocumentId,
        heads: &[ChangeId],
        wish: Wish,
        cx: &mut Context<'_, Self>,
    ) {
        // Most who meet again have the same, and then nobody needs to open it.
        let same = self
            .library
            .resting(&document)
            .is_some_and(|ours| ours.len() == heads.len() && ours.iter().all(|head| heads.contains(head)));
        let nothing = Looked { known: true, wanted: false, lacking: Some(VecDeque::new()) };
        let looked = if same { Some(nothing) } else { self.look_for(document, heads) };
        let (Some(looked), Some(link)) = (looked, self.link(from, document)) else { return };
        let Looked { known, wanted, lacking } = looked;
        let first = !std::mem::replace(&mut link.heard, true);
        link.declined = None;
        link.theirs = heads.to_vec();
        let lists = wanted && link.asked.is_some() && !std::mem::replace(&mut link.listed, true);
        let gives = !wanted && link.asked.take().is_some();
        let (is_cut, unsent) = (lacking.is_none(), link.unsent(lacking.unwrap_or_default()));
        let (mut serves, asks) = (false, matches!(wish, Wish::Changes | Wish::Preview));
        if known {
            link.kept_word();
            link.behind = is_cut || !unsent.is_empty();
            if asks && !unsent.is_empty() {
                serves = true;
                link.serve(unsent);
            }
        } else {
            // Who knows what it lacks.
            link.behind = true;
        }
        let previews = wish == Wish::Preview && heads.is_empty() && (serves || is_cut);
        let previewed = previews && self.send_preview(from, document, cx);
        if is_cut && asks {
            self.tell_cut(from, document, cx);
        }
        if serves && previewed {
            cx.set_timer(Timer::Serve, Duration::ZERO);
        } else if serves {
            self.send(from, document, cx);
        } else if wish != Wish::Nothing || self.is_news(from, document) {
            self.announce(from, document, Wish::Nothing, cx);
        }
        if first && let Some(state) = self.shared.get(&document).and_then(|shared| shared.presence.clone()) {
            cx.send(from, Message::Presence { document, state });
        }
        if lists {
            let most = self.config.max_named;
            let have = self.library.look(&document, |log, told| piece::have(log, told, most));
            cx.send(from, Message::Have { document, have: have.unwrap_or_default() });
        } else if gives {
            // It has no more than we have.
            self.pass_turn(from, document, cx);
        } else if wanted {
            self.ask_one(document, cx);
        }
        self.look_whether_in_step(from, document, cx);
    }

    fn look_for(&self, document: DocumentId, heads: &[ChangeId]) -> Option<Looked> {
        let refused = &self.shared.get(&document)?.refused;
        self.library.look(&document, |log, told| {
            let known = heads.iter().all(|id| log.number(id).is_some());
            let wanted = !known && heads.iter().any(|id| cut::wants(log, refused, id));
            let lacking = if known { piece::lacking(log, told, heads) } else { Some(VecDeque::new()) };
            Looked { known, wanted, lacking }
        })
    }

    /// A peer lists what it has, because it lacks something.
    pub(super) fn have(
        &mut self,
        from: NodeId,
        document: DocumentId,
        have: &[ChangeId],
        cx: &mut Context<'_, Self>,
    ) {
        let (now, patience) = (cx.now(), self.config.patience);
        let Some(link) = self.link(from, document) else { return };
        link.heard = true;
        // To gather it costs us more than it costs the peer to ask.
        if link.served.is_some_and(|at| now.since(at) < patience / 2) {
            return;
        }
        let lacking = self.library.look(&document, |log, told| piece::lacking(log, told, have));
        if lacking == Some(None) {
            return self.tell_cut(from, document, cx);
        }
        let (lacking, Some(link)) = (lacking.flatten(), self.link(from, document)) else { return };
        let wanted = link.unsent(lacking.unwrap_or_default());
        if !wanted.is_empty() {
            link.served = Some(now);
            link.serve(wanted);
            self.send(from, document, cx);
        } else if link.is_quiet() {
            self.announce(from, document, Wish::Nothing, cx);
        }
    }

    /// The last piece of those that a peer had to send has come; with it something new, or not.
    pub(super) fn given(
        &mut self,
        from: NodeId,
        document: DocumentId,
        new: bool,
        cx: &mut Context<'_, Self>,
    ) {
        let Replicator { library, peers, shared, .. } = self;
        let link = peers.get_mut(&from).and_then(|peer| peer.links.get_mut(&document));
        let asked = link.and_then(|link| link.asked.take().map(|_| link));
        if let Some(link) = asked.filter(|_| !new) {
            let refused = shared.get(&document).map(|shared| &shared.refused);
            let wants =
                |log: &Log<L::Policy>, id| refused.is_some_and(|refused| cut::wants(log, refused, id));
            if library.look(&document, |log, _| link.theirs.iter().any(|id| wants(log, id))) == Some(true) {
                self.broke(from, document, cx);
            }
        }
        self.pass_turn(from, document, cx);
    }

    /// A peer has not given what it had announced: it is asked again later, ever later.
    pub(super) fn broke(&mut self, from: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        let (max_broken, turn, at_most) =
            (self.config.max_broken, self.config.turn, self.config.announce_every);
        let Some(link) = self.link(from, document) else { return };
        let pause = turn.saturating_mul(2u32.saturating_pow(link.broken)).min(at_most);
        (link.asked, link.shunned) = (None, Some(cx.now() + pause));
        link.cut.clear();
        link.broken = link.broken.saturating_add(1);
        let often = link.broken == max_broken;
        self.stats.withheld += 1;
        if often {
            cx.emit(Event::Withheld(document, from));
        }
    }

    /// A peer is waited for no longer: if more lacks, somebody else is asked, or the same.
    pub(super) fn pass_turn(&mut self, from: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        let Some(shared) = self.shared.get_mut(&document) else { return };
        shared.turn = shared.turn.filter(|turn| turn.peer != from);
        self.ask_one(document, cx);
    }

    /// Those who give nothing, or take too long, are waited for no longer.
    pub(super) fn end_turns(&mut self, cx: &mut Context<'_, Self>) {
        let (now, turn, at_most) = (cx.now(), self.config.turn, self.config.turn_at_most);
        let long = |it: &Turn| now.since(it.gave) >= turn || now.since(it.since) >= at_most;
        let ended = self
            .shared
            .iter()
            .filter_map(|(document, shared)| shared.turn.filter(long).map(|turn| (*document, turn.peer)));
        for (document, peer) in ended.collect::<Vec<_>>() {
            self.pass_turn(peer, document, cx);
        }
    }

    /// How often it is looked who has not answered.
    pub(super) fn every(&self) -> Duration {
        (self.config.patience / 4).min(self.config.turn)
    }
}
