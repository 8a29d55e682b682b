//! The machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, Time};

use super::link::Link;
use super::message::{DocumentRange, Message};
use super::words::{Command, Event, Stats, Timer};
use super::{Config, piece};
use crate::change::{Bundle, ChangeId, DocumentId, Log, Policy, Received, Refused};

/// Where the documents are that are shared.
pub trait Library {
    /// Who may write.
    type Policy: Policy;

    /// Looks at a document's log, of which so many changes are durable, the first ones: only they are told to anybody. None
    /// if it is not shared, or cannot be read.
    fn look<R>(&self, document: &DocumentId, look: impl FnOnce(&Log<Self::Policy>, u32) -> R) -> Option<R>;

    /// The last changes of a document all of which is durable, and that need not be looked at for that.
    fn resting(&self, _: &DocumentId) -> Option<Vec<ChangeId>> {
        None
    }

    /// Takes in a peer's changes; gives what became of them, and how many changes there are now. When they are durable,
    /// [`Command::Stored`] is to come, unless they are at once.
    fn receive(&mut self, document: &DocumentId, changes: Bundle) -> Option<(Received, u32)>;

    /// Whether a peer may have a document that is shared.
    fn may_read(&self, peer: &NodeId, document: &DocumentId) -> bool;
}

/// Keeps documents in step with those of peers.
#[derive(Debug)]
pub struct Replicator<L> {
    pub(super) library: L,
    pub(super) config: Config,
    shared: BTreeMap<DocumentId, Shared>,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// Peers that asked for a document which was not shared with them, to be told when it is.
    turned_away: BTreeSet<(DocumentId, NodeId)>,
    pub(super) stats: Stats,
    /// Those that the app knows.
    pub(super) told: Stats,
    /// The timer to announce what is new is set.
    announces: bool,
}

#[derive(Debug, Default)]
struct Shared {
    /// So many changes were passed on already.
    passed: u32,
    /// Of those that were not: which came from whom.
    sources: Vec<(u32, u32, NodeId)>,
    presence: Option<Vec<u8>>,
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
                        self.announce(id, document, false, cx);
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
                self.announce(id, document, true, cx);
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
            Message::Heads { heads, answer, .. } if heads.len() <= self.config.max_named => {
                self.heads(from, document, &heads, answer, cx);
            }
            Message::Have { have, .. } if have.len() <= self.config.max_named => {
                self.have(from, document, &have, cx);
            }
            Message::Changes { piece, left, changes, .. } => {
                self.changes(from, document, (piece, left), changes, cx);
            }
            Message::Stored { piece, .. } => {
                link.flight.retain(|(sent, _)| *sent != piece);
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
            }
            Message::Presence { state, .. } if state.len() <= self.config.max_presence => {
                cx.emit(Event::Presence(document, from, state));
            }
            _ => self.violation(from, cx),
        }
    }

    /// A peer says what it has.
    pub(super) fn heads(
        &mut self,
        from: NodeId,
        document: DocumentId,
        heads: &[ChangeId],
        answer: bool,
        cx: &mut Context<'_, Self>,
    ) {
        // Most who meet again have the same, and then nobody needs to open it.
        let same = self
            .library
            .resting(&document)
            .is_some_and(|ours| ours.len() == heads.len() && ours.iter().all(|head| heads.contains(head)));
        let looked = if same { Some((true, VecDeque::new())) } else { self.look_for(document, heads) };
        let (Some((known, lacking)), Some(link)) = (looked, self.link(from, document)) else { return };
        let first = !std::mem::replace(&mut link.heard, true);
        link.declined = None;
        if known {
            link.asked = None;
            link.broken = 0;
        }
        if known && link.is_quiet() {
            link.queue = lacking;
        }
        self.send(from, document, cx);
        if !known {
            self.ask(from, document, cx);
        }
        if answer || self.is_news(from, document) {
            self.announce(from, document, false, cx);
        }
        if first && let Some(state) = self.shared.get(&document).and_then(|shared| shared.presence.clone()) {
            cx.send(from, Message::Presence { document, state });
        }
        self.look_whether_in_step(from, document, cx);
    }

    /// Whether these are all known here; and what somebody lacks who has them.
    fn look_for(&self, document: DocumentId, heads: &[ChangeId]) -> Option<(bool, VecDeque<u32>)> {
        self.library.look(&document, |log, stored| {
            let known = heads.iter().all(|id| log.number(id).is_some());
            (known, if known { piece::lacking(log, stored, heads) } else { VecDeque::new() })
        })
    }

    /// A peer says what it has, because it lacks something.
    fn have(&mut self, from: NodeId, document: DocumentId, have: &[ChangeId], cx: &mut Context<'_, Self>) {
        let (now, patience) = (cx.now(), self.config.patience);
        let Some(link) = self.link(from, document) else { return };
        link.lazy = false;
        link.heard = true;
        // To gather it costs us more than it costs the peer to ask.
        let soon = link.served.is_some_and(|at| now.since(at) < patience / 2);
        if soon || !link.is_quiet() {
            return;
        }
        link.served = Some(now);
        let lacking = self.library.look(&document, |log, stored| piece::lacking(log, stored, have));
        if let Some(link) = self.link(from, document) {
            link.queue = lacking.unwrap_or_default();
        }
        self.send(from, document, cx);
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
        let Some((received, len)) = self.library.receive(&document, changes) else { return };
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
        let gap = self.library.look(&document, |log, _| log.missing().next().is_some()).unwrap_or(false);
        if let Some(peer) = self.peers.get_mut(&from) {
            // One that was cut off from what came before cannot be judged either; so one that is sound excuses it.
            peer.strikes = if forged && received.accepted == 0 { peer.strikes + 1 } else { 0 };
            if peer.strikes >= self.config.max_strikes {
                return self.violation(from, cx);
            }
        }
        if let Some(shared) = self.shared.get_mut(&document)
            && received.accepted > 0
        {
            shared.sources.push((len - received.accepted as u32, len, from));
        }
        let spare = received.accepted == 0 && received.refused.is_empty() && left == 0 && !gap;
        let Some(link) = self.link(from, document) else { return };
        link.parked.push_back((number, len));
        link.received += count;
        let much = left > 0 || link.received > count && link.asked.is_some();
        if left == 0 {
            link.asked = None;
        }
        if much {
            cx.emit(Event::Progress(document, from, link.received, left));
        }
        if spare {
            self.stats.spare += 1;
            cx.send(from, Message::Spare { document });
        }
        self.pass_on(document, cx);
        if left == 0 && (gap || forged) {
            self.ask(from, document, cx);
        }
        self.look_whether_in_step(from, document, cx);
    }

    /// Passes on what is durable and was not yet: sends it to some, announces it to others, thanks those it came from.
    fn pass_on(&mut self, document: DocumentId, cx: &mut Context<'_, Self>) {
        let Some(stored) = self.library.look(&document, |_, stored| stored) else { return };
        let Some(shared) = self.shared.get_mut(&document) else { return };
        let new = shared.passed..stored.max(shared.passed);
        shared.passed = new.end;
        let sources = shared.sources.clone();
        shared.sources.retain(|(_, end, _)| *end > stored);
        let source = |number: &u32| {
            sources.iter().find(|(start, end, _)| (start..end).contains(&number)).map(|(_, _, from)| from)
        };
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
                let sent = |number: &u32| match source(number) {
                    None => true,
                    Some(from) => from != id && !link.lazy,
                };
                let numbers: Vec<u32> = new.clone().filter(sent).collect();
                link.queue.extend(numbers);
                to_send.push(*id);
            }
        }
        if !new.is_empty() && !std::mem::replace(&mut self.announces, true) {
            cx.set_timer(Timer::Announce, self.config.announce_after);
        }
        for id in to_send {
            self.send(id, document, cx);
        }
        for id in thanked {
            self.look_whether_in_step(id, document, cx);
        }
    }

    /// Sends pieces, as many as may travel at once.
    fn send(&mut self, to: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        loop {
            let (size, window) = (self.config.piece, self.config.window.max(1));
            let Some(link) = self.peers.get_mut(&to).and_then(|peer| peer.links.get_mut(&document)) else {
                return;
            };
            if link.queue.is_empty() || link.flight.len() >= window {
                return;
            }
            let queue = &mut link.queue;
            let next = self.library.look(&document, |log, _| piece::next(log, queue, size)).flatten();
            let Some((changes, count)) = next else { return };
            link.pieces += 1;
            link.flight.push_back((link.pieces, cx.now()));
            link.in_step = false;
            self.stats.sent += count as u64;
            self.stats.sent_bytes += changes.len() as u64;
            let (piece, left) = (link.pieces, link.queue.len() as u64);
            cx.send(to, Message::Changes { document, piece, left, changes });
        }
    }

    /// Whether a document is shared; from now on, if it was not yet.
    fn is_shared(&mut self, document: DocumentId) -> bool {
        if !self.shared.contains_key(&document) {
            let Some(passed) = self.library.look(&document, |_, stored| stored) else { return false };
            self.shared.insert(document, Shared { passed, ..Shared::default() });
        }
        true
    }

    /// Tells a peer what we have.
    pub(super) fn announce(
        &mut self,
        to: NodeId,
        document: DocumentId,
        answer: bool,
        cx: &mut Context<'_, Self>,
    ) {
        let Some(heads) = self.current(&document) else { return };
        let now = cx.now();
        let Some(link) = self.link(to, document) else { return };
        link.told = Some((heads.clone(), now));
        cx.send(to, Message::Heads { document, heads, answer });
    }

    pub(super) fn current(&self, document: &DocumentId) -> Option<Vec<ChangeId>> {
        let most = self.config.max_named;
        match self.library.resting(document) {
            Some(heads) if heads.len() <= most => Some(heads),
            _ => self.library.look(document, |log, stored| piece::heads(log, stored, most)),
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

    fn look_whether_in_step(&mut self, with: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        let rests = self.library.resting(&document).is_some();
        let is_durable = || self.library.look(&document, |log, stored| stored as usize == log.len());
        let durable = rests || is_durable() == Some(true);
        let Some(link) = self.link(with, document) else { return };
        let quiet = link.heard && link.is_quiet() && link.asked.is_none() && link.parked.is_empty();
        if quiet && durable && !std::mem::replace(&mut link.in_step, true) {
            cx.emit(Event::InStep(document, with));
        }
    }

    pub(super) fn up(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        (peer.up, peer.redial, peer.strikes) = (true, None, 0);
        let documents: Vec<DocumentId> = peer.links.keys().copied().collect();
        self.announce_all(id, &documents, cx);
    }

    fn down(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        self.turned_away.retain(|(_, peer)| *peer != id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.up = false;
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
    }

    /// Asks a peer for what is lacking here, unless it was asked already or has not kept its word too often.
    fn ask(&mut self, to: NodeId, document: DocumentId, cx: &mut Context<'_, Self>) {
        let (now, max_broken, most) = (cx.now(), self.config.max_broken, self.config.max_named);
        let Some(link) = self.link(to, document) else { return };
        if link.asked.is_some() || link.broken >= max_broken {
            return;
        }
        link.asked = Some(now);
        link.in_step = false;
        let have = self.library.look(&document, |log, stored| piece::have(log, stored, most));
        cx.send(to, Message::Have { document, have: have.unwrap_or_default() });
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
            Input::Start => cx.set_timer(Timer::Round, self.config.patience / 4),
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, message) => self.message(from, message, cx),
            Input::Timer(Timer::Round) => self.round(cx),
            Input::Timer(Timer::Announce) => {
                self.announces = false;
                self.announce_news(cx);
            }
            Input::PeerUp(peer) => self.up(peer, cx),
            Input::PeerDown(peer) => self.down(peer, cx),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
