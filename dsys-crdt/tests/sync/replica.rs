//! A node of the simulator: documents, a disk, and the machine under test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, SecretKey, Token, Write};
use dsys_crdt::change::{Bundle, Change, ChangeId, DocumentId, Log, Open, Received, encode};
use dsys_crdt::doc::{Doc, Value};
use dsys_crdt::sync::{Command, Config, Event, Library, Message, Preview, Replicator, Timer};

pub(crate) const OURS: DocumentId = DocumentId::from_bytes([1; 32]);
pub(crate) const SECRET: DocumentId = DocumentId::from_bytes([2; 32]);

/// Documents, with how many of their changes are durable, and how many were given to be.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) docs: BTreeMap<DocumentId, (Doc<Open>, u32, u32)>,
    us: Option<NodeId>,
    previews: BTreeMap<DocumentId, (NodeId, Preview)>,
    /// Who may read the secret one.
    pub(crate) readers: BTreeSet<NodeId>,
}

impl Library for Shelf {
    type Policy = Open;

    fn look<R>(&self, document: &DocumentId, look: impl FnOnce(&Log<Open>, u32) -> R) -> Option<R> {
        let (doc, stored, _) = self.docs.get(document)?;
        let log = doc.log();
        if *stored as usize == log.len() {
            return Some(look(log, *stored));
        }
        // Up to the first of our own that is not on the disk.
        let own = log
            .counting()
            .skip(*stored as usize)
            .position(|(_, change)| Some(change.header.author) == self.us);
        Some(look(log, own.map_or(log.len() as u32, |at| *stored + at as u32)))
    }

    fn stored(&self, document: &DocumentId) -> Option<u32> {
        self.docs.get(document).map(|(_, stored, _)| *stored)
    }

    fn receive(&mut self, document: &DocumentId, changes: Bundle) -> Option<(Received, u32)> {
        let (doc, ..) = self.docs.get_mut(document)?;
        let received = doc.receive_bundle(changes, 0).0;
        Some((received, doc.log().len() as u32))
    }

    fn content(&self, document: &DocumentId) -> Option<(Vec<ChangeId>, Vec<u8>)> {
        let (doc, stored, _) = self.docs.get(document)?;
        (*stored as usize == doc.log().len()).then(|| Some((doc.heads(), Preview::encode(doc)?)))?
    }

    fn preview(&mut self, document: &DocumentId, from: NodeId, preview: Preview) -> bool {
        let is_empty = self.docs.get(document).is_some_and(|(doc, ..)| doc.log().is_empty());
        if is_empty {
            self.previews.insert(*document, (from, preview));
        }
        is_empty
    }

    fn end_preview(&mut self, document: &DocumentId, anyway: bool) -> Option<(NodeId, Option<bool>)> {
        let (from, preview) = self.previews.get(document)?;
        let ended = (*from, preview.is_true_of(&self.docs.get(document)?.0));
        (anyway || ended.1.is_some()).then(|| self.previews.remove(document).map(|_| ended))?
    }

    fn may_read(&self, peer: &NodeId, document: &DocumentId) -> bool {
        *document != SECRET || self.readers.contains(peer)
    }
}

pub(crate) struct Replica {
    pub(crate) key: SecretKey,
    pub(crate) sync: Replicator<Shelf>,
    shares: Vec<Command>,
    writes: BTreeMap<u64, (DocumentId, u32)>,
    tokens: u64,
    /// What waits for the thread that writes: a crash loses it, and what was sent meanwhile was sent too early.
    unwritten: Vec<(Token, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Write into a document; the number says what.
    Edit(DocumentId, u64),
    /// Take in changes that came otherwise.
    Take(DocumentId, Vec<u8>),
    /// Cut the history of a version.
    Trim(DocumentId, Vec<ChangeId>),
    Sync(Command),
}

pub(crate) fn quick() -> Config {
    let mut config = Config::default();
    config.preview = true;
    config.piece = 320;
    config.window = 3;
    // Two documents are many here.
    config.digest_from = 2;
    config.patience = Duration::from_millis(800);
    config.turn = Duration::from_millis(300);
    config.announce_every = Duration::from_secs(3);
    config.redial_at_most = Duration::from_secs(3);
    config
}

impl Replica {
    /// Of the records on its disk; it shares each document with these peers.
    pub(crate) fn new(
        id: NodeId,
        records: &[Vec<u8>],
        shares: Vec<(DocumentId, Vec<NodeId>)>,
        readers: &[NodeId],
    ) -> Self {
        Replica::with(quick(), id, records, shares, readers)
    }

    /// As [`Replica::new`], otherwise configured.
    pub(crate) fn with(
        config: Config,
        id: NodeId,
        records: &[Vec<u8>],
        shares: Vec<(DocumentId, Vec<NodeId>)>,
        readers: &[NodeId],
    ) -> Self {
        let key = SecretKey::from_bytes(*id.as_bytes());
        let readers = readers.iter().copied().collect();
        let mut shelf = Shelf { readers, us: Some(key.public()), ..Shelf::default() };
        for (document, _) in &shares {
            shelf.docs.insert(*document, (Doc::new(*document, Open), 0, 0));
        }
        for record in records {
            let (document, bytes) = record.split_first_chunk::<32>().unwrap();
            let (doc, stored, written) = shelf.docs.get_mut(&DocumentId::from_bytes(*document)).unwrap();
            doc.replay(bytes).unwrap();
            (*stored, *written) = (doc.log().len() as u32, doc.log().len() as u32);
        }
        let shares = shares.into_iter().map(|(document, peers)| Command::Share(document, peers)).collect();
        Replica {
            key,
            sync: Replicator::new(shelf, config),
            shares,
            writes: BTreeMap::new(),
            tokens: 0,
            unwritten: Vec::new(),
        }
    }

    pub(crate) fn doc(&self, document: &DocumentId) -> Option<&Doc<Open>> {
        self.sync.library().docs.get(document).map(|(doc, ..)| doc)
    }

    pub(crate) fn preview(&self, document: &DocumentId) -> Option<&Preview> {
        self.sync.library().previews.get(document).map(|(_, preview)| preview)
    }

    fn hand(&mut self, input: Input<Replicator<Shelf>>, cx: &mut Context<'_, Self>) {
        let mut effects = Vec::new();
        self.sync.handle(input, &mut cx.part(&mut effects));
        for effect in effects {
            match effect.within(|_, message| message, Some) {
                Ok(effect) => cx.push(effect),
                Err(event) => cx.emit(event),
            }
        }
        self.write(cx);
    }

    /// Gives the disk what is new.
    fn write(&mut self, cx: &mut Context<'_, Self>) {
        for (document, (doc, _, written)) in &mut self.sync.library_mut().docs {
            let len = doc.log().len() as u32;
            if len > *written {
                let new: Vec<Change> =
                    doc.log().since(&[]).split_off(*written as usize - doc.log().trimmed());
                *written = len;
                self.tokens += 1;
                self.writes.insert(self.tokens, (*document, len));
                let record = [document.as_bytes().as_slice(), &encode(&new)].concat();
                self.unwritten.push((Token(self.tokens), record));
                cx.set_timer(None, Duration::from_millis(20));
            }
        }
    }

    fn edit(&mut self, document: DocumentId, seed: u64) {
        let Some((doc, ..)) = self.sync.library_mut().docs.get_mut(&document) else { return };
        let key = ["/a", "/b", "/c"][seed as usize % 3];
        doc.change(&self.key, 0, |doc| {
            let length = match doc.get(key) {
                Some(Value::Text(text)) => text.chars().count() as u64,
                _ => {
                    doc.set(key, Value::Text("new".into()))?;
                    3
                }
            };
            doc.insert_text(key, (seed % (length + 1)) as usize, &format!("<{}>", seed % 1_000))?;
            doc.set("/last", seed as i64)
        })
        .unwrap();
    }
}

impl Machine for Replica {
    type Message = Message;
    type Command = Act;
    type Event = Event;
    /// None: the writing thread's turn.
    type Timer = Option<Timer>;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                self.hand(Input::Start, cx);
                for share in std::mem::take(&mut self.shares) {
                    self.hand(Input::Command(share), cx);
                }
            }
            Input::Command(Act::Edit(document, seed)) => {
                self.edit(document, seed);
                self.write(cx);
            }
            Input::Command(Act::Take(document, changes)) => {
                let (doc, ..) = self.sync.library_mut().docs.get_mut(&document).unwrap();
                assert_eq!(doc.decode_and_receive(&changes, 0).unwrap().0.refused, []);
                self.write(cx);
            }
            Input::Command(Act::Trim(document, version)) => {
                let (doc, ..) = self.sync.library_mut().docs.get_mut(&document).unwrap();
                assert!(doc.trim(&version).unwrap() > 0);
            }
            Input::Command(Act::Sync(command)) => self.hand(Input::Command(command), cx),
            Input::Message(from, message) => self.hand(Input::Message(from, message), cx),
            Input::Timer(Some(timer)) => self.hand(Input::Timer(timer), cx),
            Input::Timer(None) => {
                for (token, record) in self.unwritten.drain(..) {
                    cx.store(token, Write::Append(record));
                }
            }
            Input::PeerUp(peer) => self.hand(Input::PeerUp(peer), cx),
            Input::PeerDown(peer) => self.hand(Input::PeerDown(peer), cx),
            Input::Stored(token) => {
                let Some((document, len)) = self.writes.remove(&token.0) else { return };
                self.sync.library_mut().docs.get_mut(&document).unwrap().1 = len;
                self.hand(Input::Command(Command::Stored(document)), cx);
            }
            Input::Probed(..) => {}
        }
    }
}
