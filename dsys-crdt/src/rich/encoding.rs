//! The saved form of a rich text, and of changes for a peer: version 1.
//!
//! ```text
//! "dsysrch" 1       magic and version
//! text              its length, then a saved text or changes (`dsystxt`)
//! marks             the length of the rest unpacked, then it, as an LZ4 block, or as it is if that is not shorter
//!   names           how many; per name: length, name
//!   keys            how many; per key: length, key
//!   per mark        agent, number among the agent's, time; what + 2 × expand + 8 × start + 32 × end; key; per anchor that is
//!                   beside a character its agent and number; the value's length and the value, if it has one
//! CRC-32 of everything before it, 4 bytes, the lowest first
//! ```
//!
//! Numbers are LEB128. `what` is 1 if there is a value, `expand` 0 after, 1 neither, 2 before, 3 both; an anchor is 0 at the
//! start of the text, 1 at its end, 2 behind a character, 3 in front of one.

use std::collections::BTreeMap;

use super::marks::{Expand, Mark};
use crate::agent::Agent;
use crate::edit::Side;
use crate::encoding::bytes::{Reader, put, put_bytes};
use crate::encoding::{self, DecodeError};
use crate::places::Anchor;

const MAGIC: &[u8; 8] = b"dsysrch\x01";

pub(super) fn write<'a>(text: &[u8], marks: impl IntoIterator<Item = &'a Mark>) -> Vec<u8> {
    let (mut names, mut keys) = (Table::default(), Table::default());
    let mut rows = Vec::new();
    for mark in marks {
        let mut name = |agent: &'a Agent| names.number(agent.as_bytes());
        put(&mut rows, name(&mark.agent));
        put(&mut rows, u64::from(mark.seq));
        put(&mut rows, u64::from(mark.time));
        let expand = match mark.expand {
            Expand::After => 0,
            Expand::Neither => 1,
            Expand::Before => 2,
            Expand::Both => 3,
        };
        let kind = |anchor: &Anchor| match anchor {
            Anchor::Start => 0,
            Anchor::End => 1,
            Anchor::Beside { side: Side::Left, .. } => 2,
            Anchor::Beside { side: Side::Right, .. } => 3,
        };
        let what = u64::from(mark.value.is_some());
        put(&mut rows, what | expand << 1 | kind(&mark.start) << 3 | kind(&mark.end) << 5);
        put(&mut rows, keys.number(mark.key.as_bytes()));
        for anchor in [&mark.start, &mark.end] {
            if let Anchor::Beside { agent, seq, .. } = anchor {
                put(&mut rows, name(agent));
                put(&mut rows, u64::from(*seq));
            }
        }
        if let Some(value) = &mark.value {
            put_bytes(&mut rows, value.as_bytes());
        }
    }
    let mut section = Vec::new();
    names.write(&mut section);
    keys.write(&mut section);
    section.extend(rows);
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, text);
    out.extend(encoding::packed(&section));
    encoding::sealed(out)
}

/// Bytes get numbers in the order in which they are mentioned.
#[derive(Default)]
struct Table<'a> {
    numbers: BTreeMap<&'a [u8], u64>,
    all: Vec<&'a [u8]>,
}

impl<'a> Table<'a> {
    fn number(&mut self, bytes: &'a [u8]) -> u64 {
        *self.numbers.entry(bytes).or_insert_with(|| {
            self.all.push(bytes);
            self.all.len() as u64 - 1
        })
    }

    fn write(&self, to: &mut Vec<u8>) {
        put(to, self.all.len() as u64);
        self.all.iter().for_each(|each| put_bytes(to, each));
    }
}

/// The text's bytes, and the marks, of which there must not be more than that.
pub(super) fn read(bytes: &[u8], most: u32) -> Result<(&[u8], Vec<Mark>), DecodeError> {
    let mut reader = Reader(encoding::checked(bytes, MAGIC)?);
    let text = reader.bytes()?;
    let section = encoding::unpacked(reader.0)?;
    let mut reader = Reader(&section);
    // Each name and each key was mentioned by a mark.
    let names = table(&mut reader, most.saturating_mul(3), |name| {
        Agent::new(name).map_err(|_| DecodeError::Malformed("an agent's name is empty or too long"))
    })?;
    let keys = table(&mut reader, most, |key| string(key.to_vec()))?;
    let name = |number: u32| {
        names.get(number as usize).cloned().ok_or(DecodeError::Malformed("an agent that is not named"))
    };
    let mut marks = Vec::new();
    while !reader.is_empty() {
        if marks.len() >= most as usize {
            return Err(DecodeError::Limit("marks"));
        }
        let (agent, seq, time) = (name(reader.small()?)?, reader.small()?, reader.small()?);
        let (what, key) = (reader.number()?, reader.small()?);
        let expand = match what >> 1 & 3 {
            0 => Expand::After,
            1 => Expand::Neither,
            2 => Expand::Before,
            _ => Expand::Both,
        };
        let mut anchor = |kind: u64| {
            let side = match kind & 3 {
                0 => return Ok(Anchor::Start),
                1 => return Ok(Anchor::End),
                2 => Side::Left,
                _ => Side::Right,
            };
            Ok::<_, DecodeError>(Anchor::Beside { agent: name(reader.small()?)?, seq: reader.small()?, side })
        };
        let (start, end) = (anchor(what >> 3)?, anchor(what >> 5)?);
        if what >> 7 != 0 {
            return Err(DecodeError::Malformed("a mark of a kind that is not known"));
        }
        let key = keys.get(key as usize).cloned().ok_or(DecodeError::Malformed("a key that is not there"))?;
        let value = if what & 1 == 1 { Some(string(reader.bytes()?.to_vec())?) } else { None };
        marks.push(Mark { time, agent, seq, start, end, expand, key, value });
    }
    Ok((text, marks))
}

fn table<T>(
    reader: &mut Reader<'_>,
    most: u32,
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = reader.small()?;
    if count > most {
        return Err(DecodeError::Limit("marks"));
    }
    (0..count).map(|_| read(reader.bytes()?)).collect()
}

fn string(bytes: Vec<u8>) -> Result<String, DecodeError> {
    String::from_utf8(bytes).map_err(|_| DecodeError::Malformed("a key or a value is not UTF-8"))
}
