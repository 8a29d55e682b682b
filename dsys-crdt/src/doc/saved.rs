//! A document as it is kept on one's own disk: with its state at the heads, so that it opens without a replay.
//!
//! ```text
//! "dsysdoc" 4       magic and version, of the head
//! length            of what follows when unpacked, 8 bytes, the lowest first
//! LZ4 block of      postcard of the head of the log, and of the state
//! CRC-32            of everything before it; also behind each chunk of changes
//!
//! "dsysdoc" 4       the same of what was built of the changes that were cut, which stands behind all chunks as number
//!                   2^32 - 1: of that state alone
//! ```
//!
//! None of it is verified again, so it must never come from a peer: what a peer has to say are changes.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::NodeId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Doc;
use super::container::{Container, Id, Kind};
use super::list_field::SavedList;
use super::state::State;
use super::text_field::SavedText;
use crate::Agent;
use crate::change::saved::Head;
use crate::change::{Bundle, Log, LogConfig, Policy};

const MAGIC: &[u8; 8] = b"dsysdoc\x04";

/// A document's bytes for one's own disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// So many changes are in it.
    pub changes: u32,
    /// The state at the heads, and what is known about the changes.
    pub head: Vec<u8>,
    /// The changes, with the number of each chunk, in ascending order. Chunks that are full never change again, before more of
    /// the document is cut; the last number stands for what was built of what was cut.
    pub chunks: Vec<(u32, Vec<u8>)>,
}

/// Why a snapshot does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It is of a version that this one does not know.
    #[error(
        "the document was kept by version {0} of the format, and this is version 4: open it with the dsys-crdt that kept it, or fetch it from a peer"
    )]
    Version(u8),
    /// It is not what was written.
    #[error("the kept document is damaged ({0}): fetch it from a peer, or from a backup")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
struct SavedState {
    containers: Vec<SavedContainer>,
    ends: Vec<u64>,
    void: BTreeSet<u32>,
    keys: BTreeMap<NodeId, Agent>,
    branches: BTreeMap<u32, Agent>,
}

/// The fields of a [`Container`], behind its name.
type SavedContainer = (Id, u32, u32, Option<(Id, Option<String>)>, SavedKind);

#[derive(Serialize, Deserialize)]
enum SavedKind {
    Map(BTreeMap<String, Vec<super::container::Entry>>),
    List(SavedList),
    Text(SavedText),
    Counter(i128),
    Tree(Box<crate::types::Tree>),
}

/// The number of the chunk with what was built of the changes that were cut.
const BASE: u32 = u32::MAX;

impl<P: Policy> Doc<P> {
    /// What is to be kept, where the chunks with the changes before number `from` are kept already; all, from 0, after
    /// [`Doc::trim`].
    ///
    /// # Errors
    /// If a text that was opened from a damaged snapshot cannot be read.
    pub fn snapshot(&self, from: u32) -> Result<Snapshot, SnapshotError> {
        let head = packed(&(self.log.head(), self.state.save()?));
        let chunks = self.log.chunks(from).map(|(at, bytes)| (at, sealed(bytes)));
        let base = self.log.base().filter(|_| from as usize <= self.log.trimmed());
        let chunks = chunks.chain(base.map(|base| (BASE, base.to_vec()))).collect();
        Ok(Snapshot { changes: self.log.len() as u32, head, chunks })
    }

    /// Opens a snapshot with all of its chunks, in order. Nothing is verified.
    ///
    /// # Errors
    /// If it is damaged, or of another version.
    pub fn restore(policy: P, snapshot: &Snapshot) -> Result<Doc<P>, SnapshotError> {
        let damaged = SnapshotError::Damaged;
        let (head, state): (Head, SavedState) = unpacked(&snapshot.head)?;
        let (base, chunks) = match snapshot.chunks.split_last() {
            Some(((BASE, base), chunks)) => (Some(base), chunks),
            _ => (None, snapshot.chunks.as_slice()),
        };
        base.map_or(Ok(()), |base| versioned(base).map(drop))?;
        let chunks = chunks.iter().zip(0..).map(|((at, chunk), expected)| match *at == expected {
            true => Ok(unsealed(chunk)?.to_vec()),
            false => Err(damaged("a chunk is missing")),
        });
        let chunks = chunks.collect::<Result<Vec<Vec<u8>>, _>>()?;
        let base = base.map(|base| base.as_slice().into());
        let log = Log::of_saved(policy, LogConfig::default(), head, &chunks, base);
        let log = log.ok_or(damaged("the chunks do not fit the head"))?;
        Ok(Doc { log, state: state.load().ok_or(damaged("a text or a list"))? })
    }

    /// Takes in what came after a snapshot: what [`encode`](crate::change::encode) gives of changes that were taken in here
    /// before, in the same order. Their signatures are not verified.
    ///
    /// # Errors
    /// If they are not such.
    pub fn replay(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let bundle = Bundle::decode(bytes.to_vec(), usize::MAX);
        let bundle = bundle.map_err(|_| SnapshotError::Damaged("a change"))?;
        let before = self.log.len() as u32;
        match self.log.replay(bundle) {
            Ok(true) => self.rebuild(),
            Ok(false) => drop(self.advance(before, &[])),
            Err(_) => return Err(SnapshotError::Damaged("a change does not fit the others")),
        }
        Ok(())
    }
}

impl State {
    fn save(&self) -> Result<SavedState, SnapshotError> {
        let State { containers, ends, void, keys, branches, broken: _, life: _ } = self;
        let container = |(id, it): (&Id, &Container)| {
            let kind = match &it.kind {
                Kind::Map(map) => SavedKind::Map(map.clone()),
                Kind::List(field) => SavedKind::List(field.save()),
                Kind::Text(field) => SavedKind::Text(field.save()?),
                Kind::Counter(sum) => SavedKind::Counter(*sum),
                Kind::Tree(tree) => SavedKind::Tree(tree.clone()),
            };
            Some((id.clone(), it.by, it.depth, it.parent.clone(), kind))
        };
        let containers = containers.iter().map(container).collect::<Option<Vec<_>>>();
        Ok(SavedState {
            containers: containers.ok_or(SnapshotError::Damaged("a text's history"))?,
            // Mostly one more than the last.
            ends: deltas(ends),
            void: void.clone(),
            keys: keys.clone(),
            branches: branches.clone(),
        })
    }

    /// By itself, as bytes.
    pub(super) fn to_base(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(packed(&self.save()?))
    }

    /// What [`State::to_base`] gave; none if it is damaged.
    pub(super) fn of_base(bytes: &[u8]) -> Option<State> {
        unpacked::<SavedState>(bytes).ok()?.load()
    }
}

impl SavedState {
    /// None if a text or a list is damaged.
    fn load(self) -> Option<State> {
        let containers = self.containers.into_iter().map(|(id, by, depth, parent, kind)| {
            let kind = match kind {
                SavedKind::Map(map) => Kind::Map(map),
                SavedKind::List(list) => Kind::List(Box::new(list.load()?)),
                SavedKind::Text(text) => Kind::Text(Box::new(text.load()?)),
                SavedKind::Counter(sum) => Kind::Counter(sum),
                SavedKind::Tree(tree) => Kind::Tree(tree),
            };
            Some((id, Container { by, depth, parent, kind }))
        });
        Some(State {
            containers: containers.collect::<Option<_>>()?,
            ends: sums(&self.ends),
            void: self.void,
            keys: self.keys,
            branches: self.branches,
            broken: false,
            life: Default::default(),
        })
    }
}

/// Behind magic and version, with a checksum.
fn packed(value: &impl Serialize) -> Vec<u8> {
    // Writing to memory fails only for types that postcard does not know.
    let plain = postcard::to_allocvec(value).unwrap_or_default();
    let packed = lz4_flex::block::compress(&plain);
    sealed([&MAGIC[..], &(plain.len() as u64).to_le_bytes(), &packed].concat())
}

fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let damaged = SnapshotError::Damaged("its head");
    let (length, packed) = versioned(bytes)?.split_first_chunk::<8>().ok_or(damaged)?;
    // An LZ4 block grows by 255 times at most.
    let length = usize::try_from(u64::from_le_bytes(*length)).ok();
    let length = length.filter(|length| *length / 255 <= packed.len()).ok_or(damaged)?;
    let plain = lz4_flex::block::decompress(packed, length).map_err(|_| damaged)?;
    postcard::from_bytes(&plain).map_err(|_| damaged)
}

/// What stands behind the magic and the version.
fn versioned(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let (magic, content) =
        unsealed(bytes)?.split_first_chunk::<8>().ok_or(SnapshotError::Damaged("too short"))?;
    match (magic, MAGIC) {
        _ if magic == MAGIC => Ok(content),
        ([name @ .., version], [ours @ .., _]) if name == ours => Err(SnapshotError::Version(*version)),
        _ => Err(SnapshotError::Damaged("its first bytes")),
    }
}

/// With a checksum behind it.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn unsealed(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Damaged("too short"))?;
    match crc32fast::hash(content) == u32::from_le_bytes(*checksum) {
        true => Ok(content),
        false => Err(SnapshotError::Damaged("its checksum")),
    }
}

fn deltas(values: &[u64]) -> Vec<u64> {
    let before = std::iter::once(0).chain(values.iter().copied());
    values.iter().zip(before).map(|(value, before)| value.wrapping_sub(before)).collect()
}

fn sums(deltas: &[u64]) -> Vec<u64> {
    let mut last = 0u64;
    let sum = |delta: &u64| {
        last = last.wrapping_add(*delta);
        last
    };
    deltas.iter().map(sum).collect()
}
