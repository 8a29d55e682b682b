//! Many changes as bytes: columns, in which what can be computed is left out.
//!
//! ```text
//! "dsyschg" 1       magic and version
//! length            of what follows when unpacked, LEB128
//! LZ4 block of:     postcard of `Columns`
//! ```
//!
//! Nothing is believed: the reader computes every hash anew, and an altered column shows as a change that nobody signed.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::{NodeId, Signature};
use serde::{Deserialize, Serialize};

use super::{Access, Change, ChangeId, DocumentId, Header, hash_of_body};

const MAGIC: &[u8; 8] = b"dsyschg\x01";

/// So many bytes of what may be unpacked are reckoned for each change at least.
const LEAST: usize = 64;

/// Why bytes are no changes. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// They do not begin as changes do.
    #[error("these bytes are no changes of dsys-crdt")]
    NotChanges,
    /// They are of a version that this one does not know.
    #[error("the bytes have format version {0}, and this is version 1: update dsys-crdt")]
    Version(u8),
    /// They make no sense.
    #[error("the changes are damaged or malformed: {0}")]
    Malformed(&'static str),
}

/// One entry for each change, unless said otherwise.
#[derive(Default, Serialize, Deserialize)]
struct Columns {
    documents: Vec<DocumentId>,
    authors: Vec<NodeId>,
    /// Changes in a row of one author in one document: how many, which author, which document.
    runs: Vec<(u32, u32, u32)>,
    /// How far back the previous change is: 0 for none, 1 for one in `elsewhere`, else the distance and 1 more.
    previous: Vec<u32>,
    /// How many others it follows.
    others: Vec<u32>,
    /// For each of these, how far back it is; 0 for one in `elsewhere`.
    back: Vec<u32>,
    /// The numbers of changes whose previous one is elsewhere.
    seqs: Vec<u64>,
    elsewhere: Vec<ChangeId>,
    /// Less that of the one before.
    walls: Vec<i64>,
    /// Grants and revocations, with the change's place.
    access: Vec<(u32, Access)>,
    /// Signatures, with the change's place.
    signatures: Vec<(u32, Signature)>,
    lengths: Vec<u32>,
    bodies: Vec<u8>,
}

/// Changes as bytes; smallest where what they follow stands before them.
pub fn encode(changes: &[Change]) -> Vec<u8> {
    encode_named(changes.iter().map(|change| (change.header.id(), change, change.signature)))
}

/// As [`encode`], of changes whose names are known, with the signatures that they are to have.
pub(super) fn encode_named<'a>(
    changes: impl Iterator<Item = (ChangeId, &'a Change, Option<Signature>)>,
) -> Vec<u8> {
    let mut columns = Columns::default();
    let mut places = Places::default();
    let mut wall = 0u64;
    for (at, (id, change, signature)) in changes.enumerate() {
        let header = &change.header;
        let author = index_of(&mut columns.authors, header.author);
        let document = index_of(&mut columns.documents, header.document);
        match columns.runs.last_mut().filter(|run| (run.1, run.2) == (author, document)) {
            Some(run) => run.0 += 1,
            None => columns.runs.push((1, author, document)),
        }
        columns.previous.push(match &header.previous {
            None => 0,
            Some(previous) => match places.back(previous) {
                Some(back) => back + 1,
                None => {
                    columns.seqs.push(header.seq);
                    columns.elsewhere.push(*previous);
                    1
                }
            },
        });
        columns.others.push(header.others.len() as u32);
        for other in &header.others {
            columns.back.push(places.back(other).unwrap_or_else(|| {
                columns.elsewhere.push(*other);
                0
            }));
        }
        columns.walls.push(header.wall.wrapping_sub(wall) as i64);
        wall = header.wall;
        columns.access.extend(header.access.iter().map(|access| (at as u32, *access)));
        columns.signatures.extend(signature.map(|signature| (at as u32, signature)));
        columns.lengths.push(change.body.len() as u32);
        columns.bodies.extend_from_slice(&change.body);
        places.ids.push(id);
    }
    // Writing to memory fails only for types that postcard does not know.
    let plain = postcard::to_allocvec(&columns).unwrap_or_default();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(postcard::to_allocvec(&(plain.len() as u64)).unwrap_or_default());
    bytes.extend(lz4_flex::block::compress(&plain));
    bytes
}

/// Where changes stand. Most follow the one right before them, and then nothing is sorted.
#[derive(Default)]
struct Places {
    ids: Vec<ChangeId>,
    /// Those of the first `known`.
    sorted: BTreeMap<ChangeId, usize>,
    known: usize,
}

impl Places {
    /// How far back a change stands from the next place.
    fn back(&mut self, id: &ChangeId) -> Option<u32> {
        if self.ids.last() == Some(id) {
            return Some(1);
        }
        let new = self.ids.iter().copied().zip(0..).skip(self.known);
        self.sorted.extend(new);
        self.known = self.ids.len();
        self.sorted.get(id).map(|at| (self.ids.len() - at) as u32)
    }
}

/// Reads what [`encode`] wrote. The changes are as their writer gave them: [`Log::receive`](super::Log::receive) checks
/// them.
///
/// # Errors
/// If the bytes are none such.
pub fn decode(bytes: &[u8]) -> Result<Vec<Change>, BundleError> {
    decode_within(bytes, usize::MAX)
}

/// [`decode`] of what has at most so many bytes when unpacked: a peer may claim, and have, 255 times as many as it sends.
///
/// # Errors
/// As there.
pub fn decode_within(bytes: &[u8], most: usize) -> Result<Vec<Change>, BundleError> {
    Ok(decode_named(bytes, most)?.0.into_iter().map(|(_, change)| change).collect())
}

/// [`decode_within`] with the changes' names; and whether each is known to stand behind all that it follows.
pub(super) fn decode_named(
    bytes: &[u8],
    most: usize,
) -> Result<(Vec<(ChangeId, Change)>, bool), BundleError> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(BundleError::NotChanges)?;
    match (magic, MAGIC) {
        ([name @ .., version], [ours @ .., known]) if name == ours && version != known => {
            return Err(BundleError::Version(*version));
        }
        _ if magic != MAGIC => return Err(BundleError::NotChanges),
        _ => {}
    }
    let damaged = |_| BundleError::Malformed("they do not unpack");
    let (length, packed): (u64, _) = postcard::take_from_bytes(rest).map_err(damaged)?;
    // An LZ4 block grows by 255 times at most.
    let length =
        usize::try_from(length).ok().filter(|length| *length / 255 <= packed.len() && *length <= most);
    let length = length
        .ok_or(BundleError::Malformed("they are longer than may be, or than their packed form can give"))?;
    let plain = lz4_flex::block::decompress(packed, length);
    let plain = plain.map_err(|_| BundleError::Malformed("they do not unpack"))?;
    let columns: Columns = postcard::from_bytes(&plain).map_err(damaged)?;
    // A few bytes here are some hundred in memory.
    if columns.lengths.len() > most / LEAST {
        return Err(BundleError::Malformed("they are more than may be"));
    }
    columns.changes().ok_or(BundleError::Malformed("the columns do not fit each other"))
}

impl Columns {
    fn changes(self) -> Option<(Vec<(ChangeId, Change)>, bool)> {
        let strangers: BTreeSet<&ChangeId> = self.elsewhere.iter().collect();
        let mut ordered = true;
        let mut changes: Vec<(ChangeId, Change)> = Vec::with_capacity(self.lengths.len().min(1 << 14));
        let mut bytes = Vec::new();
        let mut bodies = self.bodies.as_slice();
        let mut runs = self.runs.iter().copied();
        let mut run = (0, 0, 0);
        let (mut elsewhere, mut seqs, mut back) = (self.elsewhere.iter(), self.seqs.iter(), self.back.iter());
        let mut access = self.access.iter().copied().peekable();
        let mut signatures = self.signatures.iter().copied().peekable();
        let mut wall = 0u64;
        let rows = self.previous.iter().zip(&self.others).zip(&self.walls).zip(&self.lengths);
        for (at, (((&previous, &others), &later), &length)) in rows.enumerate() {
            while run.0 == 0 {
                run = runs.next()?;
            }
            run.0 -= 1;
            let before = |distance: u32| at.checked_sub(distance as usize);
            let (previous, seq) = match previous {
                0 => (None, 0),
                1 => (Some(*elsewhere.next()?), *seqs.next()?),
                distance => {
                    let place = before(distance - 1)?;
                    let (id, change) = changes.get(place)?;
                    (Some(*id), change.header.seq.checked_add(1)?)
                }
            };
            let mut follows = Vec::new();
            for _ in 0..others {
                follows.push(match back.next()? {
                    0 => *elsewhere.next()?,
                    distance => changes.get(before(*distance)?)?.0,
                });
            }
            wall = wall.wrapping_add(later as u64);
            let (body, rest) = bodies.split_at_checked(length as usize)?;
            bodies = rest;
            let at = at as u32;
            let header = Header {
                document: *self.documents.get(run.2 as usize)?,
                author: *self.authors.get(run.1 as usize)?,
                seq,
                previous,
                others: follows,
                wall,
                access: std::iter::from_fn(|| access.next_if(|(place, _)| *place == at))
                    .map(|(_, it)| it)
                    .collect(),
                body: hash_of_body(body),
            };
            let id = header.id_by(&mut bytes);
            ordered &= !strangers.contains(&id);
            let signature = signatures.next_if(|(place, _)| *place == at).map(|(_, signature)| signature);
            changes.push((id, Change { header, body: body.to_vec(), signature }));
        }
        let lengths = [self.others.len(), self.walls.len(), self.lengths.len()];
        let fits = lengths.iter().all(|length| *length == changes.len()) && bodies.is_empty() && run.0 == 0;
        let used = runs.next().is_none() && elsewhere.next().is_none() && back.next().is_none();
        let all = seqs.next().is_none() && access.next().is_none() && signatures.next().is_none();
        (fits && used && all).then_some((changes, ordered))
    }
}

fn index_of<T: PartialEq>(all: &mut Vec<T>, one: T) -> u32 {
    // Few authors write in turn, and the last ones most.
    let at = all.iter().rposition(|known| *known == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    });
    at as u32
}
