//! The saved form of a text, and of changes for a peer: one format, version 1.
//!
//! ```text
//! "dsystxt" 1                     magic and version
//! sections, each with its length before it:
//!   names     per agent: length, name
//!   agents    per run of one agent's events: agent × 2, + 1 if the run does not follow the agent's last one in the file
//!             (or begin at 0), length, and in that case the number of the first event among the agent's
//!   graph     per run with parents of its own: events since the last such run, then the parents
//!   ops       per run: position, direction, kind, length
//!   content   all inserted text in the order of the events
//!   text      the text itself at the version of all events; empty in changes for a peer
//! CRC-32 of everything before it, 4 bytes, the lowest first
//! ```
//!
//! Numbers are LEB128. Events have the numbers 0, 1, ... in the order of the file, parents first. The parents of a run are
//! numbers with a lowest bit that says whether another follows; above it, 0 stands for none at all, 1 for a parent outside
//! the file (agent, and number among the agent's, follow), and `d` + 1 for the event `d` before this one. The position of
//! an operation is the distance from where the one before it ended.
//!
//! All sections but the names are packed: the length in bytes, then an LZ4 block, or the bytes as they are if that is not
//! shorter. The last 64 KiB of the content are the dictionary of the text's block, for most of the one is in the other.
//!
//! The text is stored beside the history so that a document opens without a replay. It is believed only where
//! [`Text::load`] opens a file; changes from a peer carry none.

mod apply;
mod bytes;
mod decode;
mod encode;

use crate::agent::{Agent, VersionVector};
use crate::rope::Rope;
use crate::text::Text;

/// Why bytes were refused. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are fewer bytes than they say themselves.
    #[error("the bytes end too early: fetch or read them again")]
    Truncated,
    /// They do not begin as a text or changes do.
    #[error("these bytes are not a text of dsys-crdt")]
    NotText,
    /// They are of a version that this one does not know.
    #[error("the bytes have format version {0}, and this is version 1: update dsys-crdt")]
    Version(u8),
    /// The checksum does not fit.
    #[error("the checksum is wrong, the bytes were damaged: fetch or read them again")]
    Checksum,
    /// The checksum fits and the content makes no sense: a bug of the writer, or malice.
    #[error("the bytes are malformed, though not damaged: {0}")]
    Malformed(&'static str),
    /// Something that these changes follow is not known here.
    #[error("the changes follow others that are not here: ask for all since the version here")]
    Missing,
    /// An edit lies outside the text that its author saw.
    #[error(
        "an edit lies outside the text that its author saw: the changes were made wrongly, or with malice"
    )]
    OutOfRange,
    /// The history would have more events or more bytes than it can number.
    #[error("the history is full: begin a new text with the present one as its content")]
    Full,
}

impl Text {
    /// Everything, to be kept: the history and the text.
    pub fn save(&self) -> Vec<u8> {
        encode::encode(&self.history, &VersionVector::default(), Some(&self.rope))
    }

    /// Opens what [`Text::save`] gave, without replaying the history; edits made from now on belong to `agent`.
    ///
    /// The bytes must be one's own: where the text and the history disagree, it is the text that is believed. From a peer
    /// take [`Text::changes_since`].
    ///
    /// # Errors
    /// If the bytes are no saved text, or damaged, or of a newer version.
    pub fn load(saved: &[u8], agent: Agent) -> Result<Text, DecodeError> {
        let (changes, snapshot) = decode::decode(saved)?;
        let snapshot =
            snapshot.ok_or(DecodeError::Malformed("the text is missing: these are changes for a peer"))?;
        let mut text = Text::new(agent);
        apply::append(&mut text.history, changes)?;
        text.rope = Rope::new();
        text.rope.insert(0, &snapshot);
        Ok(text)
    }

    /// The text in what [`Text::save`] gave, without opening the history.
    ///
    /// # Errors
    /// As [`Text::load`], as far as the text is concerned.
    pub fn read_saved(saved: &[u8]) -> Result<String, DecodeError> {
        decode::snapshot(saved)
    }

    /// What a replica at `version` lacks, for [`Text::apply`] there.
    pub fn changes_since(&self, version: &VersionVector) -> Vec<u8> {
        encode::encode(&self.history, version, None)
    }

    /// Merges changes that another replica made. What is known already is skipped. Gives how many events were new.
    ///
    /// # Errors
    /// If the changes are damaged, make no sense, or follow others that are not here; nothing is changed then. That two
    /// different events carry one agent's name and number is not noticed: changes are not signed yet.
    pub fn apply(&mut self, changes: &[u8]) -> Result<usize, DecodeError> {
        let (changes, _) = decode::decode(changes)?;
        let old = self.history.len();
        let applied = apply::append(&mut self.history, changes).and_then(|()| {
            crate::text::catch_up(&self.history, &mut self.rope, old).map_err(|_| DecodeError::OutOfRange)
        });
        if let Err(error) = applied {
            self.history.truncate(old);
            return Err(error);
        }
        Ok((self.history.len() - old) as usize)
    }
}

/// The magic, with the version as its last byte.
pub(crate) const MAGIC: &[u8; 8] = b"dsystxt\x01";
