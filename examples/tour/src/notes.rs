//! The note that belongs to a folder: whoever has the folder adds a line, and everybody ends with the same lines, however
//! they were added and whoever was away meanwhile.

use dsys_core::NodeAddr;
use dsys_crdt::doc::Value;
use dsys_crdt::repo::{ChangeError, Doc, Link, Repo, RepoConfig, RepoError, Rule};
use dsys_crdt::sync::{Ended, SpawnError, Sync};
use dsys_transport::Node;
use tokio::sync::watch;

/// What a note must hold before it is shown or written to: a list.
const LINES: &str = "/lines";
/// Others may write what they like; so many lines are shown,
const MAX_LINES: usize = 100;
/// of so many characters.
const MAX_LENGTH: usize = 200;

/// The note of one participant.
#[derive(Debug)]
pub(crate) struct Notes {
    repo: Repo,
    sync: Sync,
    doc: watch::Sender<Option<Doc>>,
}

/// Why there is no note.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    /// The documents cannot be kept.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The note cannot be begun.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The node speaks the protocol already.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The node has shut down.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Notes {
    /// None yet, but ready for one.
    pub(crate) fn start(node: &Node) -> Result<Self, NotesError> {
        // What a node writes is signed by its key.
        let repo = Repo::memory_with(node.signer(), RepoConfig::default())?;
        let sync = Sync::spawn(node, &repo)?;
        Ok(Notes { repo, sync, doc: watch::Sender::new(None) })
    }

    /// Begins one; the link is what others need.
    pub(crate) async fn begin(&self) -> Result<Link, NotesError> {
        let doc: Doc = self.repo.create_with("notes", Rule::Open)?;
        doc.change(|note| note.set(LINES, Value::List(Vec::new())))?;
        self.share(&doc, None).await?;
        Ok(doc.link())
    }

    /// Takes part in one, by these contacts.
    pub(crate) async fn join(&self, link: Link, contacts: Vec<NodeAddr>) -> Result<(), NotesError> {
        let doc: Doc = self.repo.join("notes", link)?;
        self.share(&doc, contacts).await
    }

    /// Keeps in step with somebody else, too.
    pub(crate) async fn also(&self, peer: NodeAddr) {
        let doc = self.doc.borrow().clone();
        if let Some(doc) = doc {
            // Once the node has shut down nobody needs it.
            let _ = self.sync.share(&doc, [peer]).await;
        }
    }

    async fn share(&self, doc: &Doc, peers: impl IntoIterator<Item = NodeAddr>) -> Result<(), NotesError> {
        self.sync.share(doc, peers).await?;
        self.doc.send_replace(Some(doc.clone()));
        Ok(())
    }

    /// Adds a line, as soon as the note is here.
    pub(crate) async fn write(&self, line: String) -> Result<(), NotesError> {
        let doc = self.has(0).await;
        Ok(doc.change(|note| note.insert(&format!("{LINES}/-"), line))?)
    }

    /// Waits until there is a note with so many lines.
    pub(crate) async fn has(&self, lines: usize) -> Doc {
        let mut docs = self.doc.subscribe();
        // Nobody else has the sender, so it does not go before us.
        let doc = docs.wait_for(Option::is_some).await.ok().and_then(|doc| doc.clone());
        let Some(doc) = doc else { return std::future::pending().await };
        let mut updates = doc.subscribe();
        while doc.read(|note| note.count(LINES)).ok().flatten().is_none_or(|count| count < lines) {
            if updates.next().await.is_none() {
                return std::future::pending().await;
            }
        }
        doc
    }

    /// The lines, as they are now.
    pub(crate) fn lines(&self) -> Vec<String> {
        let doc = self.doc.borrow().clone();
        let lines = doc.and_then(|doc| doc.get(LINES).ok().flatten());
        let Some(Value::List(lines)) = lines else { return Vec::new() };
        let clean = |line: String| line.chars().filter(|c| !c.is_control()).take(MAX_LENGTH).collect();
        let text = |line| match line {
            Value::String(line) => Some(clean(line)),
            _ => None,
        };
        lines.into_iter().filter_map(text).take(MAX_LINES).collect()
    }
}
