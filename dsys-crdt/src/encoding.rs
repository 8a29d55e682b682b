//! The saved form of a text, and of changes for a peer: one format, version 1. A second version of it for changes alone.
//!
//! ```text
//! "dsystxt" 1                     magic and version
//! sections, each with its length before it:
//!   state     in a saved text: how many events there are; for each name, how many are the agent's; then the heads: for
//!             each, the distance back from the one after it (the last: from the end), its agent, and how many events
//!             the agent made after it. Empty in changes
//!   names     per agent: length, name
//!   text      the text itself, in a saved text
//!   content   inserted text in the order of the events: in a saved text what is deleted by now, in changes all
//!   agents    per run of one agent's events: agent × 2, + 1 if the run does not follow the agent's last one in the file
//!             (or begin at 0), length, and in that case the number of the first event among the agent's
//!   graph     per run with parents of its own: events since the last such run, then the parents
//!   ops       per run: position, direction, kind, length
//!   later     in a trimmed text: changes, as a file of their own, since the version that the text is at; or empty
//! CRC-32 of everything before it, 4 bytes, the lowest first
//! ```
//!
//! Numbers are LEB128. Events have the numbers 0, 1, ... in the order of the file, parents first. The parents of a run are
//! numbers with a lowest bit that says whether another follows; above it, 0 stands for none at all, 1 for a parent outside
//! the file (agent, and number among the agent's, follow), and `d` + 1 for the event `d` before this one. The position of
//! an operation is the distance from where the one before it ended.
//!
//! A trimmed text ([`Text::save_since`]) has no content, agents, graph and ops.
//!
//! The sections from the text to the operations are packed: the length in bytes, then an LZ4 block, or the bytes as they are if that is
//! not shorter. The last 64 KiB of the text are the dictionary of a saved text's content.
//!
//! A saved text holds each character once. What is still in the text stands there in the order of the text, so that the
//! text can be read alone; which event inserted which character is what a walk of the history tells
//! ([`Sequence`](crate::walk::Sequence)). So text and history cannot contradict each other, but in length. The state
//! says what is needed to go on editing: the rest is read when something refers to events of the past ([`Text::load`]).
//!
//! Version 2 is a whole history for a peer who has nothing, *resolved* (`resolved.rs`). It has the sections of a saved text,
//! with an empty state and nothing later, and other operations: those name characters by the events that inserted them.
//!
//! ```text
//!   ops       per run: distance × 8, + 4 if its length follows (it is 1 if not), + 0 for an insertion, 1 for a deletion,
//!             2 for one backwards. The distance is from the first event of the run back to the one that inserted the
//!             character deleted first, or the character to the left of what is inserted (0: the beginning)
//! ```
//!
//! An insertion goes on behind its own characters; deletions go on to the characters of the next events, or of those
//! before. A run ends where the agent changes, or an event has other parents than the one before it. There are 8 agents
//! at most; each event of an agent follows all earlier ones of the agent, and the first run of each begins at 0. No
//! event has parents outside the file. Each character named was in the text that the event's author saw.

mod apply;
pub(crate) mod bytes;
mod decode;
mod encode;
mod lz4;
mod resolved;

use std::borrow::Cow;

use crate::agent::{Agent, VersionVector};
use crate::edit::Edit;
use crate::history::{Content, History, Version};
use crate::rope::Rope;
use crate::text::{Text, Walked};
use crate::versions::VersionError;
use crate::walk::{self, Refused};
use resolved::Resolved;
#[cfg(test)]
pub(crate) use resolved::keeps_to_its_estimate;

/// Why bytes were refused. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are fewer bytes than they say themselves.
    #[error("the bytes end too early: fetch or read them again")]
    Truncated,
    /// They do not begin as a text or changes do.
    #[error("these bytes are not a text of dsys-crdt, or not the list that was expected")]
    NotText,
    /// They are of a version that this one does not know.
    #[error("the bytes have format version {0}, which is not known here: update dsys-crdt")]
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
    /// It would cost more than the limits allow: a bug of the writer, or malice.
    #[error(
        "the history would cost more than is allowed ({0}): raise the limit of that name, or refuse the author"
    )]
    Limit(&'static str),
    /// What is asked for needs history that was trimmed. Edits, and changes that follow what was kept, go on.
    #[error("this needs history that was trimmed here: ask a replica that has all of it")]
    Trimmed,
    /// The past of the text, in the file that it was opened from, is not what its checksum promised. Edits go on, and what
    /// was done since the file was opened can be sent.
    #[error("the file that the text was opened from does not hold its history: fetch the text from a peer")]
    Past,
    /// The history would have more events or more bytes than it can number.
    #[error("the history is full: begin a new text with the present one as its content")]
    Full,
}

impl Text {
    /// Everything, to be kept: the history and the text. It takes its time to be small; [`Text::snapshot`] does not.
    ///
    /// # Errors
    /// Where the text was opened from a file that was made wrongly or with malice ([`DecodeError::Past`]), or the walk of
    /// everything exceeds the [`Limits`](crate::Limits).
    pub fn save(&self) -> Result<Vec<u8>, DecodeError> {
        self.save_packed(encode::SMALL)
    }

    /// As [`Text::save`], packed in a hurry: for a peer who has nothing yet. It opens with [`Text::load`] in a fraction of
    /// the time that the same history takes to [`apply`](Text::apply), for the text is in it. By that the peer believes the
    /// history until something refers to it; one who does not want to calls [`Text::read_past`] at once.
    ///
    /// # Errors
    /// As [`Text::save`].
    pub fn snapshot(&self) -> Result<Vec<u8>, DecodeError> {
        self.save_packed(encode::QUICKLY)
    }

    fn save_packed(&self, packer: encode::Packer) -> Result<Vec<u8>, DecodeError> {
        match (&self.past, self.whole()) {
            (Some(past), Err(DecodeError::Trimmed)) => {
                let later = encode::changes(&self.history, &self.trimmed().unwrap_or_default(), None);
                encode::retrim(past, &later)
            }
            (_, whole) => encode::save(&*whole?, &self.rope, packer),
        }
    }

    /// The text, and the history since a version only: a fraction of the whole. Opened with [`Text::load`], it goes on
    /// merging with every replica that knows that version, and with changes that follow it; what is concurrent with it is
    /// refused ([`DecodeError::Trimmed`]), and replicas that lack part of it must ask another. So choose a version that
    /// everybody is known to have, and keep the whole somewhere.
    ///
    /// # Errors
    /// If the version is not known here, or was trimmed already.
    pub fn save_since(&self, version: &VersionVector) -> Result<Vec<u8>, VersionError> {
        if *version == self.version() {
            return Ok(encode::trimmed(&self.history, &self.rope, &[]));
        }
        let base = self.branch(version, self.agent().clone())?;
        Ok(encode::trimmed(&base.history, &base.rope, &self.changes_since(version)?))
    }

    /// The version before which the history was trimmed, if it was.
    pub fn trimmed(&self) -> Option<VersionVector> {
        self.past
            .as_deref()
            .filter(|past| decode::is_trimmed(past))
            .map(|_| self.history.agents.past_version())
    }

    /// Opens what [`Text::save`] gave; edits made from now on belong to `agent`.
    ///
    /// The history is not replayed, nor even read, before something refers to it: a change that is concurrent with it, a
    /// peer who lacks a part of it, `save`. Until then the file is kept in memory as it is. So the file is trusted as far as
    /// [`Text::apply`] trusts changes, for the checksum is no proof of honesty, but whether it makes sense is found out
    /// late. Call [`Text::read_past`] to know at once.
    ///
    /// # Errors
    /// If the bytes are no saved text, or damaged, or of a newer version.
    pub fn load(saved: &[u8], agent: Agent) -> Result<Text, DecodeError> {
        let (mut history, text, later) = decode::resume(saved)?;
        let mut rope = Rope::new();
        rope.insert(0, &text);
        let agent = history.agents.number(&agent);
        let past = (history.len() > 0).then(|| saved.into());
        let mut text = Text { history, past, rope, agent, sequence: None };
        if !later.is_empty() {
            text.apply(later)?;
        }
        Ok(text)
    }

    /// The text in what [`Text::save`] gave, and nothing else.
    ///
    /// # Errors
    /// As [`Text::load`].
    pub fn read_saved(saved: &[u8]) -> Result<String, DecodeError> {
        match decode::text(saved)? {
            Some(text) => Ok(text),
            None => Ok(Text::load(saved, Agent::reader())?.to_string()),
        }
    }

    /// Reads the history that [`Text::load`] left in the file, or an empty text's [`Text::apply`]. Later calls cost nothing.
    ///
    /// # Errors
    /// If the file was made wrongly or with malice. Nothing changed: the text can be edited further, and what was done
    /// since it was opened can be sent.
    pub fn read_past(&mut self) -> Result<(), DecodeError> {
        if let Cow::Owned(whole) = self.whole()? {
            self.history = whole;
            self.past = None;
        }
        Ok(())
    }

    /// What a replica at `version` lacks, for [`Text::apply`] there.
    ///
    /// For one who has nothing, a history in which much is concurrent is *resolved*: the walk that finds out what its
    /// positions mean is made here, once, unless [`Text::places`] or the like have made it. That takes ten times as long
    /// as to write positions, and spares the receiver the walk. A history that was not read yet is read for each call whose
    /// version lacks a part of it; one that is passed on to who has nothing, as it came, is not.
    ///
    /// # Errors
    /// As [`Text::read_past`], if `version` lacks a part of what the file held.
    pub fn changes_since(&self, version: &VersionVector) -> Result<Vec<u8>, DecodeError> {
        let has_nothing = version.iter().all(|(_, events)| events == 0);
        if !has_nothing && self.history.agents.includes_past(version) {
            return Ok(encode::changes(&self.history, version, None));
        }
        if let Some(past) = &self.past
            && has_nothing
            && self.history.len() == self.history.graph.past().len
            && past.starts_with(RESOLVED)
        {
            return Ok(past.to_vec());
        }
        let whole = self.whole()?;
        let resolved =
            if has_nothing && walk::is_mostly_concurrent(&whole) { self.resolved(&whole) } else { None };
        Ok(resolved.unwrap_or_else(|| encode::changes(&*whole, version, None)))
    }

    /// All of its history, resolved, if that is of a kind that can be.
    pub(crate) fn resolved(&self, whole: &History) -> Option<Vec<u8>> {
        let known = self.sequence.as_deref().filter(|all| all.events() == whole.len());
        resolved::write(whole, &self.rope, known)
    }

    /// Merges changes that another replica made. What is known already is skipped. Gives how many events were new.
    ///
    /// An empty text checks a resolved history and takes the text that comes with it. Nothing is believed by that; but the
    /// history is read later, as after [`Text::load`], and only then walked. [`Text::read_past`] does so at once.
    ///
    /// # Errors
    /// If the changes are damaged, make no sense, or follow others that are not here; nothing is changed then. That two
    /// different events carry one agent's name and number is not noticed: changes are not signed yet.
    pub fn apply(&mut self, changes: &[u8]) -> Result<usize, DecodeError> {
        self.apply_telling(changes, None)
    }

    /// As [`Text::apply`], and gives the edits that it made of the text, in order, so that a view can make them too.
    ///
    /// # Errors
    /// As [`Text::apply`].
    pub fn apply_edits(&mut self, changes: &[u8]) -> Result<Vec<Edit>, DecodeError> {
        let mut edits = Vec::new();
        self.apply_telling(changes, Some(&mut edits))?;
        Ok(edits)
    }

    fn apply_telling(
        &mut self,
        changes: &[u8],
        mut told: Option<&mut Vec<Edit>>,
    ) -> Result<usize, DecodeError> {
        let file = decode::File::read(changes, MAGIC)?;
        let mut changes = if file.is_resolved {
            let resolved = Resolved::read(&file)?;
            if resolved.is_known(&self.history) {
                return Ok(0);
            }
            if self.history.len() == 0 && resolved.is_within(self.history.limits) {
                return Ok(self.open(&resolved, changes, told));
            }
            resolved.changes(self.history.limits)?
        } else {
            decode::changes(&file, self.history.limits)?
        };
        match self.merge(&mut changes, told.as_deref_mut()) {
            Err(Failed::Past) => {
                self.read_past()?;
                self.merge(&mut changes, told).map_err(|failed| match failed {
                    Failed::Refused(error) => error,
                    Failed::Past => DecodeError::Past,
                })
            }
            Err(Failed::Refused(error)) => Err(error),
            Ok(events) => Ok(events),
        }
    }

    /// Takes an empty text to what a file comes to; gives how many events that has.
    fn open(&mut self, resolved: &Resolved, file: &[u8], told: Option<&mut Vec<Edit>>) -> usize {
        self.history = resolved.resume(&self.history);
        self.past = Some(file.into());
        self.sequence = None;
        let mut whole = Rope::new();
        whole.insert(0, &resolved.text);
        Walked::of(whole).make(&self.history, &mut self.rope, told);
        resolved.events()
    }

    fn merge(
        &mut self,
        changes: &mut decode::Changes,
        told: Option<&mut Vec<Edit>>,
    ) -> Result<usize, Failed> {
        let heads = self.history.graph.heads().to_vec();
        let old = Version { len: self.history.len(), heads: &heads };
        let applied = apply::append(&mut self.history, changes)
            .map_err(|error| match error {
                DecodeError::Past => Failed::Past,
                error => Failed::Refused(error),
            })
            .and_then(|()| {
                crate::text::walked(&self.history, &self.rope, old).map_err(|refused| match refused {
                    Refused::Past => Failed::Past,
                    refused => Failed::Refused(refused.into()),
                })
            });
        match applied {
            Ok(walked) => walked.make(&self.history, &mut self.rope, told),
            Err(error) => {
                self.history.truncate(old);
                return Err(error);
            }
        }
        Ok((self.history.len() - old.len) as usize)
    }

    /// All of the history.
    pub(crate) fn whole(&self) -> Result<Cow<'_, History>, DecodeError> {
        let Some(past) = &self.past else { return Ok(Cow::Borrowed(&self.history)) };
        let mut whole = decode::past(past, &self.history).map_err(|error| match error {
            DecodeError::Limit(_) | DecodeError::Trimmed => error,
            _ => DecodeError::Past,
        })?;
        whole.extend(&self.history);
        Ok(Cow::Owned(whole))
    }
}

impl From<Refused> for DecodeError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::OutOfRange => DecodeError::OutOfRange,
            Refused::Limit(name) => DecodeError::Limit(name),
            Refused::Past => DecodeError::Past,
        }
    }
}

/// Why changes were not merged.
enum Failed {
    Refused(DecodeError),
    /// They refer to the past, which was not read.
    Past,
}

/// The magic, with the version as its last byte.
pub(crate) const MAGIC: &[u8; 8] = b"dsystxt\x01";

/// The same of changes that are resolved.
pub(crate) const RESOLVED: &[u8; 8] = b"dsystxt\x02";

/// Content that travels in changes.
pub(crate) trait Packed: Content {
    /// The magic of its files.
    const MAGIC: [u8; 8];

    /// Writes a part; parts stand one after the other.
    fn write(part: &Self::Part, to: &mut Vec<u8>);

    /// Reads all parts.
    fn read(bytes: Vec<u8>) -> Result<Self, DecodeError>;
}

impl Packed for String {
    const MAGIC: [u8; 8] = *MAGIC;

    fn write(part: &str, to: &mut Vec<u8>) {
        to.extend_from_slice(part.as_bytes());
    }

    fn read(bytes: Vec<u8>) -> Result<String, DecodeError> {
        decode::utf8(bytes)
    }
}

/// What a replica at `since` lacks of a history.
pub(crate) fn changes<C: Packed>(history: &History<C>, since: &VersionVector) -> Vec<u8> {
    encode::changes(history, since, None)
}

/// Appends what is new in changes. On an error some may have been appended: the caller truncates.
pub(crate) fn append<C: Packed>(history: &mut History<C>, changes: &[u8]) -> Result<(), DecodeError> {
    apply::append(history, &mut decode::plain_changes(changes)?)
}

/// What stands between the magic of a file, whose last byte is the version, and a checksum that fits.
pub(crate) fn checked<'a>(file: &'a [u8], magic: &[u8; 8]) -> Result<&'a [u8], DecodeError> {
    decode::checked(file, magic)
}

/// The file with its checksum.
pub(crate) fn sealed(file: Vec<u8>) -> Vec<u8> {
    encode::sealed(file)
}

/// The length of some bytes, then they, packed if that is shorter.
pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
    encode::packed(bytes, lz4_flex::block::compress(bytes))
}

/// The bytes that were packed.
pub(crate) fn unpacked(section: &[u8]) -> Result<Vec<u8>, DecodeError> {
    decode::unpack(section, &[])
}

/// All changes up to a version.
pub(crate) fn until<C: Packed>(history: &History<C>, version: &VersionVector) -> Vec<u8> {
    encode::changes(history, &VersionVector::default(), Some(version))
}

/// The part of a text that its deleted characters are packed with.
fn dictionary(text: &[u8]) -> &[u8] {
    text.get(text.len().saturating_sub(1 << 16)..).unwrap_or_default()
}
