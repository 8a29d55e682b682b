//! Writing.

use super::bytes::{put, put_bytes, zigzag};
use super::decode::File;
use super::{DecodeError, MAGIC, Packed, dictionary, lz4};
use crate::agent::{Agent, VersionVector};
use crate::history::{Content, History, Kind};
use crate::rope::Rope;
use crate::walk::Sequence;

/// A stretch of events that is written: local numbers `from..to` become `at..`.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: u32,
    to: u32,
    at: u32,
}

/// What `since` lacks of a history, or of what `until` has of it, packed in a hurry.
pub(super) fn changes<C: Packed>(
    history: &History<C>,
    since: &VersionVector,
    until: Option<&VersionVector>,
) -> Vec<u8> {
    let pieces = pieces(history, since, until);
    let mut content = Vec::new();
    for piece in &pieces {
        let ops = history.ops.slices(piece.from, piece.to);
        ops.for_each(|op| C::write(history.ops.content(&op), &mut content));
    }
    let pack = |column: &[u8]| packed(column, QUICKLY(column, 0));
    file(history, &pieces, false, [pack(b""), pack(&content)], pack)
}

/// Packs bytes as an LZ4 block, those from a place on, with the ones before it as their dictionary.
pub(super) type Packer = fn(&[u8], usize) -> Vec<u8>;

/// In a hurry.
pub(super) const QUICKLY: Packer = |bytes, from| match bytes.split_at_checked(from) {
    Some((dictionary, bytes)) if from > 0 => lz4_flex::block::compress_with_dict(bytes, dictionary),
    _ => lz4_flex::block::compress(bytes),
};

/// As small as can be.
pub(super) const SMALL: Packer = lz4::compress;

/// A whole history and its text.
pub(super) fn save(history: &History, rope: &Rope, packer: Packer) -> Result<Vec<u8>, DecodeError> {
    let pack = |column: &[u8]| packed(column, packer(column, 0));
    let pieces = pieces(history, &VersionVector::default(), None);
    Ok(file(history, &pieces, true, texts(history, rope, &Sequence::of(history)?, packer), pack))
}

/// The text, and what is deleted, packed. `all` are the characters in order.
pub(super) fn texts(history: &History, rope: &Rope, all: &Sequence, packer: Packer) -> [Vec<u8>; 2] {
    let mut deleted = all.characters();
    deleted.retain(|each| each.deleted);
    deleted.sort_unstable_by_key(|each| each.event);
    let text = rope.text();
    let dictionary = dictionary(text.as_bytes());
    let mut content = dictionary.to_vec();
    for each in deleted {
        let ops = history.ops.slices(each.event, each.event + each.len);
        ops.for_each(|op| content.extend_from_slice(history.ops.content(&op).as_bytes()));
    }
    let deleted = content.get(dictionary.len()..).unwrap_or_default();
    let deleted = packed(deleted, packer(&content, dictionary.len()));
    [packed(text.as_bytes(), packer(text.as_bytes(), 0)), deleted]
}

/// The sections of all agents and of the graph, not packed, and the names that they mention.
pub(super) fn events(history: &History) -> (Names, Vec<u8>, Vec<u8>) {
    let pieces = pieces(history, &VersionVector::default(), None);
    let mut names = Names { numbers: vec![None; history.agents.count()], agents: Vec::new() };
    let agents = agents(history, &pieces, &mut names);
    let graph = graph(history, &pieces, &mut names);
    (names, agents, graph)
}

fn file<C: Packed>(
    history: &History<C>,
    pieces: &[Piece],
    whole: bool,
    texts: [Vec<u8>; 2],
    pack: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let mut names = Names { numbers: vec![None; history.agents.count()], agents: Vec::new() };
    let agents = agents(history, pieces, &mut names);
    let graph = graph(history, pieces, &mut names);
    let state = if whole { state(history, &names) } else { Vec::new() };
    let mut out = C::MAGIC.to_vec();
    put_bytes(&mut out, &state);
    put_bytes(&mut out, &names.section(history));
    let columns = [pack(&agents), pack(&graph), pack(&ops(history, pieces)), Vec::new()];
    texts.iter().chain(&columns).for_each(|section| put_bytes(&mut out, section));
    sealed(out)
}

/// A text at the version of a history, without the history, and changes since.
pub(super) fn trimmed(history: &History, rope: &Rope, later: &[u8]) -> Vec<u8> {
    let mut names = Names { numbers: vec![None; history.agents.count()], agents: Vec::new() };
    let with_events = (0..history.agents.count() as u32).filter(|&agent| history.agents.events(agent) > 0);
    for agent in with_events {
        names.number(agent);
    }
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, &state(history, &names));
    put_bytes(&mut out, &names.section(history));
    let text = rope.text();
    put_bytes(&mut out, &packed(text.as_bytes(), SMALL(text.as_bytes(), 0)));
    [&[], &[], &[], &[], later].iter().for_each(|section| put_bytes(&mut out, section));
    sealed(out)
}

/// A trimmed text with other changes since.
pub(super) fn retrim(file: &[u8], later: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = MAGIC.to_vec();
    let file = File::read(file, MAGIC)?;
    [file.state, file.names, file.text, &[], &[], &[], &[], later]
        .iter()
        .for_each(|each| put_bytes(&mut out, each));
    Ok(sealed(out))
}

pub(crate) fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&file);
    file.extend_from_slice(&checksum.to_le_bytes());
    file
}

/// What is needed to go on after the history.
fn state<C: Content>(history: &History<C>, names: &Names) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, u64::from(history.len()));
    names.agents.iter().for_each(|&agent| put(&mut out, u64::from(history.agents.events(agent))));
    let heads = history.graph.heads();
    let later = heads.iter().skip(1).copied().chain([history.len()]);
    for (&head, later) in heads.iter().zip(later) {
        put(&mut out, u64::from(later - head));
        let (agent, seq) = history.agents.id(head);
        put(&mut out, names.numbers.get(agent as usize).copied().flatten().unwrap_or(0));
        put(&mut out, u64::from(history.agents.events(agent) - 1 - seq));
    }
    out
}

/// What `since` lacks, in local order. It lacks nothing of a past that is not here.
fn pieces<C: Content>(
    history: &History<C>,
    since: &VersionVector,
    until: Option<&VersionVector>,
) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    for (run, end) in history.agents.runs(history.graph.past().len, history.len()) {
        let name = history.agents.name(run.agent);
        let has = |version: &VersionVector| {
            run.start.saturating_add(version.get(name).saturating_sub(run.seq)).min(end)
        };
        let (from, end) = (has(since), until.map_or(end, has));
        if from >= end {
            continue;
        }
        match pieces.last_mut().filter(|last| last.to == from) {
            Some(last) => last.to = end,
            None => pieces.push(Piece { from, to: end, at }),
        }
        at += end - from;
    }
    pieces
}

/// Agents get numbers in the order in which the file mentions them.
pub(super) struct Names {
    numbers: Vec<Option<u64>>,
    agents: Vec<u32>,
}

impl Names {
    fn number(&mut self, agent: u32) -> u64 {
        let Some(place) = self.numbers.get_mut(agent as usize) else { return 0 };
        *place.get_or_insert_with(|| {
            self.agents.push(agent);
            self.agents.len() as u64 - 1
        })
    }

    pub(super) fn agents<C: Content>(&self, history: &History<C>) -> Vec<Agent> {
        self.agents.iter().map(|&agent| history.agents.name(agent).clone()).collect()
    }

    pub(super) fn section<C: Content>(&self, history: &History<C>) -> Vec<u8> {
        let mut out = Vec::new();
        self.agents.iter().for_each(|&agent| put_bytes(&mut out, history.agents.name(agent).as_bytes()));
        out
    }
}

fn agents<C: Content>(history: &History<C>, pieces: &[Piece], names: &mut Names) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = vec![0; history.agents.count()];
    for piece in pieces {
        for (run, end) in history.agents.runs(piece.from, piece.to) {
            let Some(next) = next.get_mut(run.agent as usize) else { continue };
            let jumps = *next != run.seq;
            put(&mut out, names.number(run.agent) * 2 + u64::from(jumps));
            put(&mut out, u64::from(end - run.start));
            if jumps {
                put(&mut out, u64::from(run.seq));
            }
            *next = run.seq + (end - run.start);
        }
    }
    out
}

fn graph<C: Content>(history: &History<C>, pieces: &[Piece], names: &mut Names) -> Vec<u8> {
    let graph = &history.graph;
    // The number in the file of a local number, if it is written.
    let in_file = |lv: u32| {
        let piece = pieces.get(pieces.partition_point(|piece| piece.from <= lv).checked_sub(1)?)?;
        (lv < piece.to).then(|| piece.at + (lv - piece.from))
    };
    let mut out = Vec::new();
    let mut last = 0;
    for piece in pieces {
        let mut from = piece.from;
        while from < piece.to {
            let run = graph.run_of(from);
            let at = piece.at + (from - piece.from);
            let before = [from.wrapping_sub(1)];
            let parents = if from == graph.start(run) { graph.parents(run) } else { &before };
            let implied =
                at > 0 && parents.len() == 1 && in_file(before[0]) == Some(at - 1) && parents == before;
            if !implied {
                put(&mut out, u64::from(at - last));
                if parents.is_empty() {
                    put(&mut out, 0);
                }
                for (index, &parent) in parents.iter().enumerate() {
                    let more = u64::from(index + 1 < parents.len());
                    match in_file(parent) {
                        Some(parent) => put(&mut out, u64::from(at - parent + 1) << 1 | more),
                        None => {
                            let (agent, seq) = history.agents.id(parent);
                            put(&mut out, 1 << 1 | more);
                            put(&mut out, names.number(agent));
                            put(&mut out, u64::from(seq));
                        }
                    }
                }
                last = at;
            }
            from = graph.end(run).min(piece.to);
        }
    }
    out
}

fn ops<C: Content>(history: &History<C>, pieces: &[Piece]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut expected = 0;
    for piece in pieces {
        for op in history.ops.slices(piece.from, piece.to) {
            let kind = match op.kind {
                Kind::Insert => 0,
                Kind::Delete => 1,
                Kind::DeleteBack => 2,
            };
            let distance = zigzag(i64::from(op.at) - i64::from(expected));
            put(&mut out, (distance << 1 | u64::from(op.len > 1)) * 3 + kind);
            if op.len > 1 {
                put(&mut out, u64::from(op.len));
            }
            expected = if op.kind == Kind::Insert { op.at + op.len } else { op.low() };
        }
    }
    out
}

/// The length, then an LZ4 block or the bytes themselves.
pub(super) fn packed(bytes: &[u8], block: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, bytes.len() as u64);
    out.extend_from_slice(if block.len() < bytes.len() { &block } else { bytes });
    out
}
