//! A file, and the document that it is kept in step with.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use dsys_core::{NodeAddr, SecretKey, Ticket};
use dsys_crdt::repo::{Doc, Link, Repo, Rule};
use dsys_crdt::schema::{Crdt, Text};
use dsys_crdt::sync::Sync;
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};

use crate::merge::{Edit, edits, rebased};

/// Larger files are refused.
const MAX_FILE: usize = 8 << 20;

/// What is kept in step.
#[derive(Crdt)]
struct Page {
    text: Text,
}

/// What others need: which document, and where we are.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    link: Link,
    ticket: Ticket,
}

pub(crate) struct Live {
    path: PathBuf,
    base_path: PathBuf,
    node: Node,
    repo: Repo,
    doc: Doc<Page>,
    joined: bool,
    _sync: Sync,
    /// What the file and the document had in common last.
    base: String,
}

impl Live {
    /// Listens where it did before, if not told where; joins whom it joined before, if not told whom.
    pub(crate) async fn open(
        path: &Path,
        listen: Option<SocketAddr>,
        join: Option<Word>,
    ) -> Result<Live, String> {
        let text = |error: &dyn fmt::Display| error.to_string();
        // First, so that nothing is left beside what cannot be kept in step, or where the port is taken.
        read(path)?;
        if let Some(folder) =
            path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        {
            return Err(format!("there is no folder {}: make it first", folder.display()));
        }
        // The same node after a restart: others find it by the word that they have.
        let key = SecretKey::load_or_create(beside(path, "livekey")?).map_err(|error| text(&error))?;
        let bind = |listen| Quic::bind(&key, &[listen], QuicConfig::lan());
        let quic = match listen {
            Some(listen) => bind(listen),
            None => bind(usual(&key)).or_else(|_| bind((Ipv4Addr::LOCALHOST, 0).into())),
        };
        let quic = quic.map_err(|error| text(&error))?;
        let word_path = beside(path, "liveword")?;
        let join = match join {
            None => read(&word_path)?.map(|word| word.parse()).transpose()?,
            given => given,
        };
        let repo = Repo::open(beside(path, "livefile")?).await.map_err(|error| text(&error))?;
        let doc = match (repo.get("page"), &join) {
            (Some(doc), Some(word)) if doc.link() != word.link => {
                return Err("this file is live already, with others: take another name".into());
            }
            (Some(doc), _) => doc,
            (None, Some(word)) => repo.join("page", word.link).map_err(|error| text(&error))?,
            (None, None) => repo.create_with("page", Rule::Open).map_err(|error| text(&error))?,
        };
        let node = Node::new(quic, NodeConfig::default());
        let sync = Sync::spawn(&node, &repo).map_err(|error| text(&error))?;
        let peers: Vec<NodeAddr> = join.iter().map(|word| word.ticket.0.clone()).collect();
        sync.share(&doc, peers).await.map_err(|error| text(&error))?;
        if let Some(word) = &join {
            write(&word_path, &word.to_string())?;
        }
        // What was saved while we were away is found by what file and document had in common then.
        let base_path = beside(path, "livebase")?;
        let base = read(&base_path)?.unwrap_or_default();
        let joined = join.is_some();
        Ok(Live { path: path.into(), base_path, node, repo, doc, joined, _sync: sync, base })
    }

    pub(crate) fn word(&self) -> Word {
        Word { link: self.doc.link(), ticket: self.node.ticket() }
    }

    /// Makes edits of what was saved, and writes what others have edited; gives how many of each.
    pub(crate) fn look(&mut self) -> Result<(usize, usize), String> {
        // An editor may be about to replace the file.
        let file = read(&self.path)?;
        let before = text_of(&self.doc)?;
        if file.as_ref() == Some(&before) {
            self.keep(before)?;
            return Ok((0, 0));
        }
        let saved = file.as_ref().map(|file| edits(&self.base, file)).unwrap_or_default();
        let others = edits(&self.base, &before);
        if !saved.is_empty() {
            let begun = self.doc.read(|doc| !doc.log().is_empty()).map_err(|error| error.to_string())?;
            if !begun && self.joined {
                // What the file has is put in when the document has come.
                return Ok((0, 0));
            }
            self.edit(&rebased(&saved, &others))?;
        }
        let now = text_of(&self.doc)?;
        if read(&self.path)? != file {
            // Saved again since we looked: the next look sees both.
            self.keep(file.unwrap_or_default())?;
            return Ok((saved.len(), 0));
        }
        if file.as_ref() != Some(&now) && (file.is_some() || !now.is_empty()) {
            write(&self.path, &now)?;
        }
        self.keep(now)?;
        Ok((saved.len(), others.len()))
    }

    /// Remembers, also for the next start, what the file and the document have in common.
    fn keep(&mut self, base: String) -> Result<(), String> {
        if base != self.base {
            write(&self.base_path, &base)?;
            self.base = base;
        }
        Ok(())
    }

    fn edit(&self, edits: &[Edit]) -> Result<(), String> {
        let changed = self
            .doc
            .change(|page| edits.iter().try_for_each(|edit| page.text.replace(edit.old.clone(), &edit.new)));
        changed.map_err(|error| error.to_string())
    }

    pub(crate) async fn end(self) {
        self.node.shutdown(Duration::from_secs(3)).await;
        self.repo.close().await;
    }
}

/// A port of this machine, always the same for a key.
fn usual(key: &SecretKey) -> SocketAddr {
    let [high, low, ..] = *key.public().as_bytes();
    (Ipv4Addr::LOCALHOST, 0xc000 | u16::from_be_bytes([high, low])).into()
}

fn text_of(doc: &Doc<Page>) -> Result<String, String> {
    doc.look(|page| page.text.get()).map_err(|error| error.to_string())
}

fn beside(path: &Path, what: &str) -> Result<PathBuf, String> {
    let name = path.file_name().ok_or("that is no file's name")?.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{what}")))
}

/// None if there is no file.
fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.len() > MAX_FILE => Err(format!("{} is longer than 8 MiB", path.display())),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(format!("{} is no text in UTF-8", path.display())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// At once: an editor sees the old text or the new one.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Ok(metadata) = std::fs::metadata(path) {
            file.as_file().set_permissions(metadata.permissions())?;
        }
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.link, self.ticket)
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(word: &str) -> Result<Word, String> {
        let (link, ticket) = word.split_once('+').ok_or("that is not what the other livefile has printed")?;
        let link = link.parse().map_err(|error: dsys_crdt::repo::BadLink| error.to_string())?;
        let ticket = ticket.parse().map_err(|error| format!("{error}"))?;
        Ok(Word { link, ticket })
    }
}
