//! One pane: a node, a repo, and the text that all panes share.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use dsys_core::{NodeAddr, SecretKey, Ticket};
use dsys_crdt::Agent;
use dsys_crdt::doc::Undo;
use dsys_crdt::repo::{Doc, Link, Repo, Rule};
use dsys_crdt::schema::{Crdt, Text};
use dsys_crdt::sync::{Config, Sync};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig, Switch, Switched};

/// What is in the document.
#[derive(Crdt)]
struct Pad {
    text: Text,
}

/// What others need: which document, and where we are.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    link: Link,
    ticket: Ticket,
}

pub(crate) struct Pane {
    pub(crate) name: String,
    /// Where the next character goes.
    pub(crate) cursor: usize,
    node: Node,
    switch: Switch,
    doc: Doc<Pad>,
    undo: Option<Undo>,
    sync: Sync,
    peers: Vec<NodeAddr>,
}

/// A pane as it is to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Each character, with the number of its author.
    pub(crate) text: Vec<(char, usize)>,
    /// The first letters of a hash of all changes.
    pub(crate) hash: String,
    /// Bytes of changes sent and received, up to a second or two ago.
    pub(crate) synced: u64,
    pub(crate) online: bool,
}

impl Pane {
    pub(crate) async fn open(name: &str, listen: SocketAddr, word: Option<&Word>) -> Result<Pane, String> {
        let text = |error: &dyn fmt::Display| error.to_string();
        let key = SecretKey::generate().map_err(|error| text(&error))?;
        let inner = Quic::bind(&key, &[listen], QuicConfig::lan()).map_err(|error| text(&error))?;
        let switch = Switch::default();
        let node = Node::new(Switched::new(inner, &switch), NodeConfig::default());
        let repo = Repo::memory().map_err(|error| text(&error))?;
        let doc: Doc<Pad> = match word {
            Some(word) => repo.join("pad", word.link),
            None => repo.create_with("pad", Rule::Open),
        }
        .map_err(|error| text(&error))?;
        if word.is_none() {
            doc.change(|_| Ok(())).map_err(|error| text(&error))?;
        }
        let mut config = Config::default();
        // Who is put back on the net wants to see it at once.
        config.redial_at_most = Duration::from_secs(1);
        let sync = Sync::builder(&node, &repo).config(config).spawn().map_err(|error| text(&error))?;
        let peers: Vec<NodeAddr> = word.iter().map(|word| word.ticket.0.clone()).collect();
        sync.share(&doc, peers.clone()).await.map_err(|error| text(&error))?;
        Ok(Pane { name: name.into(), cursor: 0, node, switch, doc, undo: None, sync, peers })
    }

    pub(crate) fn word(&self) -> Word {
        Word { link: self.doc.link(), ticket: self.node.ticket() }
    }

    /// Shares with another pane directly, too.
    pub(crate) async fn meet(&mut self, other: &Pane) -> Result<(), String> {
        self.peers.push(other.node.addr());
        self.sync.share(&self.doc, [other.node.addr()]).await.map_err(|error| error.to_string())
    }

    pub(crate) fn text(&self) -> String {
        self.doc.look(|pad| pad.text.get()).unwrap_or_default()
    }

    /// Inserts at the cursor.
    pub(crate) fn insert(&mut self, text: &str) -> Result<(), String> {
        self.cursor = self.cursor.min(self.text().chars().count());
        let at = self.cursor;
        // A word at a time.
        if text.starts_with(char::is_whitespace) || self.undo.is_none() {
            self.begin_group()?;
        }
        self.doc.change(|pad| pad.text.insert(at, text)).map_err(|error| error.to_string())?;
        self.cursor += text.chars().count();
        Ok(())
    }

    /// Deletes the character before the cursor.
    pub(crate) fn delete(&mut self) -> Result<(), String> {
        self.cursor = self.cursor.min(self.text().chars().count());
        if self.cursor > 0 {
            let at = self.cursor - 1;
            if self.undo.is_none() {
                self.begin_group()?;
            }
            self.doc.change(|pad| pad.text.delete(at..at + 1)).map_err(|error| error.to_string())?;
            self.cursor = at;
        }
        Ok(())
    }

    /// Takes back what was typed here last, whatever others did meanwhile; or brings it back.
    pub(crate) fn take_back(&mut self, redo: bool) -> Result<bool, String> {
        let Some(undo) = &mut self.undo else { return Ok(false) };
        let done = if redo { self.doc.bring_back(undo) } else { self.doc.take_back(undo) };
        done.map_err(|error| error.to_string())
    }

    /// What is typed from now on is taken back together, and by itself.
    fn begin_group(&mut self) -> Result<(), String> {
        match &mut self.undo {
            Some(undo) => self.doc.end_group(undo).map_err(|error| error.to_string()),
            None => {
                // Before the first sync there is no text.
                self.undo = self.doc.undo("/text").ok();
                Ok(())
            }
        }
    }

    pub(crate) fn is_online(&self) -> bool {
        !self.switch.is_cut()
    }

    /// Takes the pane off the net, or puts it back.
    pub(crate) fn flip(&mut self) {
        if self.is_online() { self.switch.cut(&self.node) } else { self.switch.heal() }
    }

    pub(crate) fn view(&self, authors: &mut BTreeMap<Agent, usize>) -> View {
        let hash = self.doc.heads().unwrap_or_default();
        let authored = self.doc.places("/text", |places| places.authors()).unwrap_or_default();
        let mut of = Vec::new();
        for (range, author) in authored {
            let next = authors.len();
            let number = *authors.entry(author).or_insert(next);
            of.extend(range.map(|_| number));
        }
        let chars: Vec<char> = self.text().chars().collect();
        of.resize(chars.len(), 0);
        let text = chars.into_iter().zip(of).collect();
        let stats = self.sync.stats();
        // The heads name all that they follow, by hashes.
        let mut short = String::new();
        for head in hash.iter().take(2) {
            let [first, second, ..] = head.as_bytes();
            short.push_str(&format!("{first:02x}{second:02x} "));
        }
        View { text, hash: short, synced: stats.sent_bytes + stats.received_bytes, online: self.is_online() }
    }

    pub(crate) async fn end(self) {
        self.node.shutdown(Duration::from_secs(2)).await;
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.link, self.ticket)
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(word: &str) -> Result<Word, String> {
        let (link, ticket) = word.split_once('+').ok_or("that is not what the other notepad has shown")?;
        let link = link.parse().map_err(|error: dsys_crdt::repo::BadLink| error.to_string())?;
        let ticket = ticket.parse().map_err(|error| format!("{error}"))?;
        Ok(Word { link, ticket })
    }
}
