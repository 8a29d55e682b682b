//! The machine.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, Time};

use super::asking::Turn;
use super::link::{Flight, Link};
use super::message::{DocumentRange, Message, Wish};
use super::words::{Command, Event, Stats, Timer};
use super::{Config, Preview, piece};
use crate::change::{Bundle, ChangeId, DocumentId, Log, Policy, Received, Refused};

/// Where the documents are that are shared.
pub trait Library {
    /// Who may write.
    type Policy: Policy;

    /// Looks at a document's log, of which so many changes may be told to peers, the first ones: up to the first of our own that
    /// is not durable, since a crash would take that back, and we would sign another in its place. What came from others
    /// may be told before it is durable. None if it is not shared, or cannot be read.
    fn look<R>(&self, document: &DocumentId, look: impl FnOnce(&Log<Self::Policy>, u32) -> R) -> Option<R>;

    /// How many of its changes are durable, the first ones.
    fn stored(&self, document: &DocumentId) -> Option<u32>;

    /// The last changes of a document all of which is durable, and that need not be looked at for that.
    fn resting(&self, _: &DocumentId) -> Option<Vec<ChangeId>> {
        None
    }

    /// Takes in a peer's changes; gives what became of them, and how many changes there are now. When they are durable,
    /// [`Command::Stored`] is to come, unless they are at once.
    fn receive(&mut self, document: &DocumentId, changes: Bundle) -> Option<(Received, u32)>;

    /// What a document says, as [`Preview::encode`] gives it, and its last changes, all of which may be told: for who has nothing
    /// of it. None if that is not to be told.
    fn content(&self, _: &DocumentId) -> Option<(Vec<ChangeId>, Vec<u8>)> {
        None
    }

    /// Takes a peer's word on what a document says, in place of another's, as long as there is nothing of it; gives whether it did.
    fn preview(&mut self, _: &DocumentId, _: NodeId, _: Preview) -> bool {
        false
    }

    /// Drops that word when the document has the changes that it is said to be made of, or `anyway`; gives whose it was, and
    /// whether it was true, if that is known: [`Preview::is_true_of`].
    fn end_preview(&mut self, _: &DocumentId, _anyway: bool) -> Option<(NodeId, Option<bool>)> {
        None
    }

    /// Whether a peer may have a document that is shared.
    fn may_read(&self, peer: &NodeId, document: &DocumentId) -> bool;
}

/// Keeps documents in step with those of peers.
#[derive(Debug)]
pub struct Replicator<L> {
    pub(super) library: L,
    pub(super) config: Config,
    pub(super) shared: BTreeMap<DocumentId, Shared>,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// Peers that asked for a document which was not shared with them, to be told when it is.
    turned_away: BTreeSet<(DocumentId, NodeId)>,
    pub(super) stats: Stats,
    /// Those that the app knows.
    pub(super) told: Stats,
    /// The timer to announce what is new is set.
    announces: bool,
    /// The last change that was sent alone, with its bytes, if they are few.
    alone: Option<(ChangeId, Vec<u8>)>,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// So many changes were passed on already.
    passed: u32,
    /// Of those that were not: which came from where.
    sources: Vec<(Range<u32>, Source)>,
    /// Who is waited for, of those who were asked for changes.
    pub(super) turn: Option<Turn>,
    pub(super) presence: Option<Vec<u8>>,
    /// What was refused because it bears on what was cut here.
    pub(super) refused: BTreeSet<ChangeId>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    from: NodeId,
    /// We had asked for it, because we were behind: so others may be ahead of us, and are only told of it.
    asked: bool,
}

#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) up: bool,
    pub(super) links: BTreeMap<DocumentId, Link>,
    strikes: u32,
    /// When it is dialled again, and how long after that.
    pub(super) redial: Option<(Time, Duration)>,
}

impl<L: Library> Replicator<L> {
    /// Shares nothing yet.
    pub fn new(library: L, config: Config) -> Replicator<L> {
        Replicator {
            library,
            config,
            shared: BTreeMap::new(),
            peers: BTreeMap::new(),
            turned_away: BTreeSet::new(),
            stats: Stats::default(),
            told: Stats::default(),
            announces: false,
            alone: None,
        }
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The documents.
    pub fn library(&self) -> &L {
        &self.library
    }

    /// The documents, to be changed; [`Command::Stored`] is to follow.
    pub fn library_mut(&mut self) -> &mut L {
        &mut self.library
    }

    /// The documents that are shared.
    pub fn shared(&self) -> impl Iterator<Item = &DocumentId> {
        self.shared.keys()
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_, Self>) {
        match command {
            Command::Share(document, peers) => {
                if !self.is_shared(document) {
                    return;
                }
                for id in peers {
                    let peer = self.peers.entry(id).or_default();
                    // Who is dialled for one document is told of all when it is up.
                    let dialled = !peer.up && peer.links.values().any(|link| link.told.is_some());
                    peer.links.entry(document).or_default().invited = true;
                    if !dialled {
                        self.greet(id, document, Wish::Nothing, cx);
                    }
                }
                self.tell_turned_away(document, cx);
            }
            Command::Unshare(document) => {
                self.shared.remove(&document);
                for (id, peer) in &mut self.peers {
                    if peer.links.remove(&document).is_some() && peer.up {
                        cx.send(*id, Message::Declined { document });
                    }
                }
            }
            Command::Stored(document) => self.pass_on(document, cx),
            Command::Presence(document, state) => {
                let Some(shared) = self.shared.get_mut(&document) else { return };
                shared.presence = Some(state.clone());
                for (id, peer) in self.peers.iter().filter(|(_, peer)| peer.up) {
                    if peer.links.get(&document).is_some_and(|link| link.heard) {
                        cx.send(*id, Message::Presence { document, state: state.clone() });
                    }
                }
            }
        }
    }

    /// Tells those who have asked for a document before that they can have it now.
    fn tell_turned_away(&mut self, document: DocumentId, cx: &mut Context<'_, Self>) {
        let (first, last) = (NodeId::from_bytes([0; 32]), NodeId::from_bytes([0xff; 32]));
        let waited: Vec<_> = self.turned_away.range((document, first)..=(document, last)).copied().collect();
        for it @ (_, id) in waited {
            if self.library.may_read(&id, &document) {
                self.turned_away.remove(&it);
                self.peers.entry(id).or_default().links.entry(document).or_default();
                self.greet(id, document, Wish::Heads, cx);
            }
        }
    }

    fn message(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Self>) {
        let document = match &message {
            Message::Digest { ranges } => return self.digest(from, ranges, cx),
            Message::Same { range } => return self.same(from, range, cx),
            Message::Differ { range } => return self.differ(from, range, cx),
            Message::Heads { document, .. }
            | Message::Have { document, .. }
            | Message::Changes { document, .. }
            | Message::Stored { document, .. }
            | Message::Spare { document }
            | Message::Declined { document }
            | Message::Trimmed { document, .. }
            | Message::Preview { document, .. }
            | Message::Presence { document, .. } => *document,
        };
        if !self.library.may_read(&from, &document) || !self.is_shared(document) {
            if !matches!(message, Message::Declined { .. } | Message::Presence { .. }) {
                cx.send(from, Message::Declined { document });
                if self.turned_away.len() < self.config.max_turned_away {
                    self.turned_away.insert((document, from));
                }
            }
            return;
        }
        if !self.peers.entry(from).or_default().up {
            self.up(from, cx);
        }
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let link = peer.links.entry(document).or_default();
        match message {
            Message::Heads { heads, wish, .. } if heads.len() <= self.config.max_named => {
                self.heads(from, document, &heads, wish, cx);
            }
            Message::Have { have, .. } if have.len() <= self.config.max_named => {
                self.have(from, document, &have, cx);
            }
            Message::Changes { piece, left, changes, .. } => {
                self.changes(from, document, (piece, left), changes, cx);
            }
            Message::Stored { piece, .. } => {
                link.flight.retain(|sent| sent.piece != piece);
                self.send(from, document, cx);
                self.look_whether_in_step(from, document, cx);
            }
            Message::Spare { .. } => link.lazy = true,
            Message::Declined { .. } => {
                let times = link.declined.map_or(0, |(_, times)| times + 1);
                if times == 0 {
                    cx.emit(Event::Declined(document, from));
                }
                link.reset();
                link.declined = Some((cx.now(), times));
                self.pass_turn(from, document, cx);
            }
            Message::Trimmed { after, .. } if after.len() <= self.config.max_named => {
                self.trimmed(from, document, after, cx);
            }
            Message::Preview { heads, content, .. }
                if content.len() <= self.config.max_preview && heads.len() <= self.config.max_named =>
            {
                self.previewed(from, document, heads, content, cx);
            }
            Message::Presence { state, .. } if state.len() <= self.config.max_presence => {
                cx.emit(Event::Presence(document, from, state));
            }
            _ => self.violation(from, cx),
        }
    }

    /// A peer's changes have come.
    fn changes(
        &mut self,
        from: NodeId,
        document: DocumentId,
        (number, left): (u64, u64),
        bytes: Vec<u8>,
        cx: &mut Context<'_, Self>,
    ) {
        let length = bytes.len() as u64;
        let Ok(changes) = Bundle::decode(bytes, self.config.max_unpacked) else {
            return self.violation(from, cx);
        };
        self.stats.received_bytes += length;
        let count = changes.len() as u64;
        let follows = self.follows(&document, &changes);
        let Some((received, len)) = self.library.receive(&document, changes) else { return };
        self.note_refused(document, follows, &received, cx);
        self.stats.received += received.accepted as u64;
        self.stats.refused += received.refused.len() as u64;
        for author in &received.forked {
            cx.emit(Event::Forked(document, *author));
        }
        let forged = received.refused.iter().any(|(_, why)| {
            matches!(
                why,
                Refused::Document
                    | Refused::Malformed(_)
                    | Refused::Unsigned
                    | Refused::Body
                    | Refused::WrongPrevious
            )
        });
        // Whoever has what follows the missing ones has them too; and an unsigned one came without what vouches for it.
        let most = self.config.max_named;
        let missing = |log: &Log<L::Policy>| log.missing().take(16).copied().collect::<Vec<_>>();
        let mut has = self.library.look(&document, |log, _| missing(log)).unwrap_or_default();
        let gap = !has.is_empty();
        has.extend(received.refused.iter().filter(|(_, why)| *why == Refused::Unsigned).map(|(id, _)| *id));
        if let Some(peer) = self.peers.get_mut(&from) {
            // One that was cut off from what came before cannot be judged either; so one that is sound excuses it.
            peer.strikes = if forged && received.accepted == 0 { peer.strikes + 1 } else { 0 };
            if peer.strikes >= self.config.max_strikes {
                return self.violation(from, cx);
            }
        }
        let spare = received.accepted == 0 && received.refused.is_empty() && left == 0 && !gap;
        let now = cx.now();
        let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.links.get_mut(&document)) else {
            return;
        };
        link.parked.push_back((number, len));
        link.received += count;
        let asked = link.asked.is_some();
        let much = left > 0 || link.received > count && asked;
        has.retain(|id| !link.theirs.contains(id));
        has.truncate(most.saturating_sub(link.theirs.len()));
        link.theirs.append(&mut has);
        if received.accepted > 0 {
            link.kept_word();
            link.asked = link.asked.map(|_| now);
            if let Some(shared) = self.shared.get_mut(&document) {
                shared.sources.push((len - received.accepted as u32..len, Source { from, asked }));
                shared.gave(&from, now);
            }
        }
        if much {
            cx.emit(Event::Progress(document, from, link.received, left));
        }
        if spare {
            self.stats.spare += 1;
            cx.send(from, Message::Spare { document });
        }
        if received.accepted > 0 {
            self.end_preview(document, false, cx);
        }
        self.pass_on(document, cx);
        if left == 0 {
            self.given(from, document, received.accepted > 0, cx);
        }
        self.look_whether_in_step(from, document, cx);
    }

    /// Passes on what may be told and was not yet: sends it to some, announces it to others, thanks those it came from.
    fn pass_on(&mut self, document: DocumentId, cx: &mut Context<'_, Self>) {
        let Some(told) = self.library.look(&document, |_, told| told) else { return };
        let Some(stored) = self.library.stored(&document) else { return };
        let Some(shared) = self.shared.get_mut(&document) else { return };
        let new = shared.passed..told.max(shared.passed);
        shared.passed = new.end;
        let sources = shared.sources.clone();
        shared.sources.retain(|(run, _)| run.end > told);
        let source =
            |number: &u32| sources.iter().find(|(run, _)| run.contains(number)).map(|(_, source)| source);
        let (mut to_send, mut thanked) = (Vec::new(), Vec::new());
        for (id, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.up) {
            let Some(link) = peer.links.get_mut(&document) else { continue };
            while let Some((piece, _)) = link.parked.front().filter(|(_, len)| *len <= stored).copied() {
                link.parked.pop_front();
                cx.send(*id, Message::Stored { document, piece });
                thanked.push(*id);
            }
            if new.is_empty() || link.declined.is_some() {
                continue;
            }
            link.in_step = false;
            if link.heard {
                // What one had from others is announced where it would come twice.
                for number in new.clone() {
                    match source(&number) {
                        Some(source) if source.from == *id => {}
                        Some(source) if source.asked || link.lazy => link.behind = true,
                        _ => link.queue.push_back(number),
                    }
                }
                to_send.push(*id);
            }
        }
        if !new.is_empty() {
            self.announce_soon(cx);
        }
        for id in &to_send {
            self.send(*id, document, cx);
        }
        for id in thanked.into_iter().chain(to_send) {
            self.look_whether_in_step(id, document, cx);
        }
    }

    /// Has peers told of what was not sent to them.
    pub(super) fn announce_soon(&mut self, cx: &mut Context<'_, Self>) {
        if !std::mem::replace(&mut self.announces, true) {
            cx.set_timer(Timer::Announce, self.config.announce_after);
        }
    }

    /// Sends pieces, as many as may travel at once.
    pub(super) fn send(&mut self, to: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        loop {
            let (size, window) = (self.config.piece, self.config.window.max(1));
            let Some(link) = self.peers.get_mut(&to).and_then(|peer| peer.links.get_mut(&document)) else {
                return;
            };
            if link.queue.is_empty() || link.flight.len() >= window {
                return;
            }
            let (queue, alone) = (&mut link.queue, &mut self.alone);
            let next = self.library.look(&document, |log, _| {
                let numbers = piece::next(log, queue, size)?;
                Some((piece::encode(log, &numbers, alone), numbers))
            });
            let Some((changes, numbers)) = next.flatten() else { return };
            link.pieces += 1;
            link.flight.push_back(Flight::new(link.pieces, cx.now(), &numbers));
            link.in_step = false;
            self.stats.sent += numbers.len() as u64;
            self.stats.sent_bytes += changes.len() as u64;
            let (piece, left) = (link.pieces, link.queue.len() as u64);
            cx.send(to, Message::Changes { document, piece, left, changes });
        }
    }

    /// Whether a document is shared; from now on, if it was not yet.
    fn is_shared(&mut self, document: DocumentId) -> bool {
        if !self.shared.contains_key(&document) {
            let Some(passed) = self.library.look(&document, |_, told| told) else { return false };
            self.shared.insert(document, Shared { passed, ..Shared::default() });
        }
        true
    }

    /// Tells a peer what we have.
    pub(super) fn announce(
        &mut self,
        to: NodeId,
        document: DocumentId,
        wish: Wish,
        cx: &mut Context<'_, Self>,
    ) {
        let Some(heads) = self.current(&document) else { return };
        let now = cx.now();
        let Some(link) = self.link(to, document) else { return };
        link.told = Some((heads.clone(), now));
        cx.send(to, Message::Heads { document, heads, wish });
    }

    pub(super) fn current(&self, document: &DocumentId) -> Option<Vec<ChangeId>> {
        let most = self.config.max_named;
        match self.library.resting(document) {
            Some(heads) if heads.len() <= most => Some(heads),
            _ => self.library.look(document, |log, told| piece::heads(log, told, most)),
        }
    }

    /// The shared documents from one to another.
    pub(super) fn shared_within(&self, range: &DocumentRange) -> impl Iterator<Item = DocumentId> {
        self.shared.range(range.first..=range.last).map(|(document, _)| *document)
    }

    /// Whether a peer was not yet told of what we have now.
    pub(super) fn is_news(&self, to: NodeId, document: DocumentId) -> bool {
        let told = self.peers.get(&to).and_then(|peer| peer.links.get(&document)?.told.as_ref());
        told.is_none_or(|(heads, _)| self.current(&document).as_ref() != Some(heads))
    }

    pub(super) fn look_whether_in_step(
        &mut self,
        with: NodeId,
        document: DocumentId,
        cx: &mut Context<'_, Self>,
    ) {
        let Replicator { library, peers, .. } = self;
        let Some(link) = peers.get_mut(&with).and_then(|peer| peer.links.get_mut(&document)) else { return };
        let quiet = link.heard && link.is_quiet() && link.asked.is_none() && link.parked.is_empty();
        if !quiet || link.in_step {
            return;
        }
        let has_all = |log: &Log<L::Policy>| {
            log.tips().all(|tip| log.id_of(tip).is_some_and(|id| link.theirs.contains(&id)))
        };
        let stored = library.stored(&document).map(|stored| stored as usize);
        let same = |log: &Log<L::Policy>, _| {
            stored == Some(log.len())
                && link.theirs.iter().all(|id| log.number(id).is_some())
                && (!link.behind || has_all(log))
        };
        let rests = |ours: Vec<ChangeId>| link.theirs.iter().all(|id| ours.contains(id)) && !link.behind;
        if library.resting(&document).is_some_and(rests) || library.look(&document, same) == Some(true) {
            link.behind = false;
            link.in_step = true;
            cx.emit(Event::InStep(document, with));
            self.end_preview(document, stored > Some(0), cx);
        }
    }

    pub(super) fn up(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        (peer.up, peer.redial, peer.strikes) = (true, None, 0);
        // Who was dialled for a document hears of that one already, and may be asked now.
        let (mut documents, mut told) = (Vec::new(), Vec::new());
        for (document, link) in &mut peer.links {
            link.asked = link.asked.map(|_| cx.now());
            match (&link.told, link.asked) {
                (None, _) => documents.push(*document),
                (Some(_), None) => told.push(*document),
                (Some(_), Some(_)) => {}
            }
        }
        for document in told.into_iter().filter(|document| self.may_ask(id, document)).collect::<Vec<_>>() {
            self.ask(id, document, cx);
        }
        self.announce_all(id, &documents, true, cx);
    }

    fn down(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        self.turned_away.retain(|(_, peer)| *peer != id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.up = false;
        let documents: Vec<DocumentId> = peer.links.keys().copied().collect();
        for (document, link) in &mut peer.links {
            if link.heard {
                cx.emit(Event::Presence(*document, id, Vec::new()));
            }
            link.reset();
        }
        peer.links.retain(|_, link| link.invited);
        if peer.links.is_empty() {
            self.peers.remove(&id);
        }
        documents.into_iter().for_each(|document| self.pass_turn(id, document, cx));
    }

    pub(super) fn violation(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        self.stats.violations += 1;
        cx.disconnect(peer);
    }

    pub(super) fn link(&mut self, peer: NodeId, document: DocumentId) -> Option<&mut Link> {
        self.peers.get_mut(&peer)?.links.get_mut(&document)
    }

    pub(super) fn links(&self, wanted: impl Fn(&Link) -> bool) -> impl Iterator<Item = (NodeId, DocumentId)> {
        let up = self.peers.iter().filter(|(_, peer)| peer.up);
        let links =
            up.flat_map(|(id, peer)| peer.links.iter().map(|(document, link)| (*id, *document, link)));
        links.filter(move |(_, _, link)| wanted(link)).map(|(id, document, _)| (id, document))
    }
}

impl<L: Library> Machine for Replicator<L> {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => cx.set_timer(Timer::Round, self.every()),
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, message) => self.message(from, message, cx),
            Input::Timer(Timer::Round) => self.round(cx),
            Input::Timer(Timer::Announce) => {
                self.announces = false;
                self.announce_news(cx);
            }
            Input::Timer(Timer::Serve) => self.serve_queued(cx),
            Input::PeerUp(peer) => self.up(peer, cx),
            Input::PeerDown(peer) => self.down(peer, cx),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
