//! Moves as bytes, by columns.
//!
//! ```text
//! "dsystre" 1   magic and version
//! agents        how many, and each behind its length, LEB128
//! rows          2 * how many there are, LEB128, + 1 if by columns
//! table         the rows, plain or by columns (`column.rs`), whichever takes less
//! zeros         so that there are no fewer bytes than rows, nor than digits of positions
//! CRC-32        of everything before it
//! ```
//!
//! A row is a move. Its entries, in this order, by the number of their columns:
//!
//! | columns | entries |
//! |---|---|
//! | 0, 1 | the stamp: which agent, what time |
//! | 2, 3 | the node: 0 if this move creates it, else 1 + which agent, and what time |
//! | 4, 5 | the parent: 0 the root, 1 the trash, else 2 + which agent, and what time |
//! | 6, 7 | the position: 2 * the number of digits, + 1 if these are all, or else the last two follow from the stamp; digits |

use std::collections::BTreeMap;

use super::{Move, Position, Tree, TreeId};
use crate::column::{Reader, Shape, Writer, number};
use crate::encoding::bytes::{put, put_bytes};
use crate::encoding::{checked, sealed};
use crate::types::Stamp;
use crate::{Agent, DecodeError};

const MAGIC: &[u8; 8] = b"dsystre\x01";

const STAMP: usize = 0;
const NODE: usize = 2;
const PARENT: usize = 4;
const POSITION: usize = 6;
const DIGIT: usize = 7;

const LAYOUT: [Shape; 8] = [Shape::Numbers; 8];

impl Tree {
    /// Moves as bytes: to be sent to [`Tree::apply_all`] elsewhere, or, as all [`Tree::moves`], to be kept.
    pub fn encode_moves<'a>(moves: impl IntoIterator<Item = &'a Move>) -> Vec<u8> {
        let mut rows = Rows { to: Writer::new(LAYOUT.len()), agents: BTreeMap::new(), names: Vec::new() };
        let (mut count, mut digits) = (0, 0);
        for op in moves {
            count += 1;
            rows.stamp(STAMP, 0, &op.stamp);
            match op.node == op.stamp {
                true => rows.to.number(NODE, 0),
                false => rows.stamp(NODE, 1, &op.node),
            }
            match &op.parent {
                TreeId::Root => rows.to.number(PARENT, 0),
                TreeId::Trash => rows.to.number(PARENT, 1),
                TreeId::Made(parent) => rows.stamp(PARENT, 2, parent),
            }
            digits += op.position.write(&mut rows.to, POSITION, DIGIT, &op.stamp);
        }
        let mut bytes = MAGIC.to_vec();
        put(&mut bytes, rows.names.len() as u64);
        rows.names.iter().for_each(|agent| put_bytes(&mut bytes, agent.as_bytes()));
        let (table, by_columns) = rows.to.finish();
        put(&mut bytes, 2 * count as u64 + u64::from(by_columns));
        bytes.extend(table);
        bytes.resize(bytes.len().max(count).max(digits), 0);
        sealed(bytes)
    }

    /// Reads what [`Tree::encode_moves`] gave. What comes from others should be [checked](Stamp::check) before it is applied.
    ///
    /// # Errors
    /// If the bytes are none such.
    pub fn decode_moves(bytes: &[u8]) -> Result<Vec<Move>, DecodeError> {
        let content = checked(bytes, MAGIC)?;
        moves(content, bytes.len()).ok_or(DecodeError::Malformed("these are no moves of a tree"))
    }
}

/// Rows on their way into a table.
struct Rows<'a> {
    to: Writer,
    agents: BTreeMap<&'a Agent, u64>,
    names: Vec<&'a Agent>,
}

impl<'a> Rows<'a> {
    fn stamp(&mut self, column: usize, above: u64, stamp: &'a Stamp) {
        let next = self.names.len() as u64;
        let agent = *self.agents.entry(&stamp.agent).or_insert(next);
        if agent == next {
            self.names.push(&stamp.agent);
        }
        self.to.number(column, above + agent);
        self.to.number(column + 1, stamp.time);
    }
}

fn moves(mut rest: &[u8], length: usize) -> Option<Vec<Move>> {
    let mut agents = Vec::new();
    for _ in 0..number(&mut rest)? {
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        agents.push(Agent::new(name).ok()?);
    }
    let form = number(&mut rest)?;
    let rows = usize::try_from(form >> 1).ok().filter(|rows| *rows <= length)?;
    let mut from = Reader::new(rest, form & 1 == 1, &LAYOUT)?;
    let mut digits = length;
    let mut moves = Vec::with_capacity(rows.min(1 << 12));
    for _ in 0..rows {
        let agent = from.number(STAMP)?;
        let stamp = stamp(&mut from, STAMP, &agents, agent)?;
        let node = match from.number(NODE)? {
            0 => stamp.clone(),
            agent => self::stamp(&mut from, NODE, &agents, agent - 1)?,
        };
        let parent = match from.number(PARENT)? {
            0 => TreeId::Root,
            1 => TreeId::Trash,
            agent => TreeId::Made(self::stamp(&mut from, PARENT, &agents, agent - 2)?),
        };
        let position = Position::read(&mut from, POSITION, DIGIT, &stamp, &mut digits)?;
        moves.push(Move { stamp, node, parent, position });
    }
    Some(moves)
}

fn stamp(from: &mut Reader<'_>, column: usize, agents: &[Agent], agent: u64) -> Option<Stamp> {
    let agent = agents.get(usize::try_from(agent).ok()?)?.clone();
    Some(Stamp { time: from.number(column + 1)?, agent })
}

/// In a table whose rows have a stamp.
impl Position {
    /// Writes 2 * the number of digits, + 1 if these are all, or else the last two follow from the stamp; then the digits. Gives
    /// how many it wrote.
    pub(crate) fn write(&self, to: &mut Writer, length: usize, digit: usize, stamp: &Stamp) -> usize {
        let (digits, all) = match self.digits().strip_suffix(&Position::tail(stamp)) {
            Some(digits) => (digits, 0),
            None => (self.digits(), 1),
        };
        to.number(length, 2 * digits.len() as u64 + all);
        digits.iter().for_each(|it| to.number(digit, (*it).into()));
        digits.len()
    }

    /// Reads what [`Position::write`] wrote; so many digits may come yet in all.
    pub(crate) fn read(
        from: &mut Reader<'_>,
        length: usize,
        digit: usize,
        stamp: &Stamp,
        left: &mut usize,
    ) -> Option<Position> {
        let length = usize::try_from(from.number(length)?).ok()?;
        *left = left.checked_sub(length >> 1)?;
        let one = |_| from.number(digit)?.try_into().ok();
        let mut digits = (0..length >> 1).map(one).collect::<Option<Vec<u16>>>()?;
        if length & 1 == 0 {
            digits.extend(Position::tail(stamp));
        }
        Position::from_digits(&digits)
    }
}
