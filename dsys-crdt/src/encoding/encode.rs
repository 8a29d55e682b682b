//! Writing.

use super::MAGIC;
use super::bytes::{put, put_bytes, zigzag};
use crate::agent::VersionVector;
use crate::history::{History, Kind};
use crate::rope::Rope;

/// A stretch of events that is written: local numbers `from..to` become `at..`.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: u32,
    to: u32,
    at: u32,
}

pub(super) fn encode(history: &History, since: &VersionVector, text: Option<&Rope>) -> Vec<u8> {
    let pieces = pieces(history, since);
    let mut names = Names { numbers: vec![None; history.agents.count()], bytes: Vec::new(), count: 0 };
    let agents = agents(history, &pieces, &mut names);
    let graph = graph(history, &pieces, &mut names);
    let (ops, content) = ops(history, &pieces);
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, &names.bytes);
    for section in [&agents[..], &graph, &ops, content.as_bytes()] {
        put_bytes(&mut out, &pack(section, &[]));
    }
    put_bytes(&mut out, &text.map_or(Vec::new(), |rope| pack(rope.text().as_bytes(), content.as_bytes())));
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// What `since` lacks, in local order.
fn pieces(history: &History, since: &VersionVector) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    for (run, end) in history.agents.runs(0, history.len()) {
        let known = since.get(history.agents.name(run.agent)).saturating_sub(run.seq);
        let from = run.start.saturating_add(known);
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
struct Names {
    numbers: Vec<Option<u64>>,
    bytes: Vec<u8>,
    count: u64,
}

impl Names {
    fn number(&mut self, history: &History, agent: u32) -> u64 {
        let Some(place) = self.numbers.get_mut(agent as usize) else { return 0 };
        *place.get_or_insert_with(|| {
            put_bytes(&mut self.bytes, history.agents.name(agent).as_bytes());
            self.count += 1;
            self.count - 1
        })
    }
}

fn agents(history: &History, pieces: &[Piece], names: &mut Names) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = vec![0; history.agents.count()];
    for piece in pieces {
        for (run, end) in history.agents.runs(piece.from, piece.to) {
            let Some(next) = next.get_mut(run.agent as usize) else { continue };
            let jumps = *next != run.seq;
            put(&mut out, names.number(history, run.agent) * 2 + u64::from(jumps));
            put(&mut out, u64::from(end - run.start));
            if jumps {
                put(&mut out, u64::from(run.seq));
            }
            *next = run.seq + (end - run.start);
        }
    }
    out
}

fn graph(history: &History, pieces: &[Piece], names: &mut Names) -> Vec<u8> {
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
                            put(&mut out, names.number(history, agent));
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

fn ops(history: &History, pieces: &[Piece]) -> (Vec<u8>, String) {
    let (mut out, mut content) = (Vec::new(), String::new());
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
            content.push_str(history.ops.text(&op));
        }
    }
    (out, content)
}

/// The length, then an LZ4 block or the bytes themselves.
fn pack(bytes: &[u8], dictionary: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, bytes.len() as u64);
    let packed = if dictionary.is_empty() {
        lz4_flex::block::compress(bytes)
    } else {
        lz4_flex::block::compress_with_dict(bytes, dictionary)
    };
    out.extend_from_slice(if packed.len() < bytes.len() { &packed } else { bytes });
    out
}
