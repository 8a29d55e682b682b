//! A change's body as bytes.
//!
//! ```text
//! 4             version
//! agents        how many are named beside the author, LEB128; then for each
//!                 2 * the rank of its key among those of the authors whom the change has seen, in ascending order, LEB128
//!                 + 1, and 8 bytes more, for a branch of one who has forked
//! rows          2 * how many there are, LEB128, + 1 if by columns
//! table         the rows, plain or by columns (`column.rs`), whichever takes less
//! zeros         so that the body has no fewer bytes than rows, nor than digits of positions
//! ```
//!
//! A row is an operation, or a further edit of the text that the operation before edits. Its entries, in this order, by the
//! number of their columns:
//!
//! | columns | entries |
//! |---|---|
//! | 0 | which operation, as [`SET`] and so on |
//! | 1, 2 | the container. Who: 0 the root, 1 an operation of this change, 2 the author, then the agents; but for the root, when: how many operations back, or the Lamport time |
//! | 3, 4 | the same of a node, an element, or the character at which a mark begins |
//! | 5, 6 | the same of a parent, a value, or the character at which a mark ends |
//! | 7 | keys |
//! | 8 to 12 | what stands there: its kind; whole numbers (zigzag); strings; fractions (8 bytes) and bytes; lengths of these |
//! | 13, 14, 15 | a slot or place; how many are deleted; what is inserted |
//! | 16 | what is added to a counter (zigzag) |
//! | 17, 18 | positions: 2 * the number of digits, + 1 if these are all, or else the last two follow from the operation's time and author ([`Position::tail`]); digits |
//! | 19, 20 | marks: `start + 4 * end + 16 * expand + 64 * has a value`; numbers of the characters at the ends |

use dsys_core::NodeId;

use crate::Agent;
use crate::blob::Blob;
use crate::column::{Reader, Shape, Writer, number};
use crate::encoding::bytes::{put, unzigzag, zigzag};
use crate::types::{Position, Stamp};

use super::op::{Body, Edge, Item, ListOp, Mark, Name, Op, TextEdit};

/// The first byte of every body. Earlier ones were never released.
const VERSION: u8 = 4;

/// An author has other names behind a fork: the key, and so many bytes of the name of the change that began the branch.
const BRANCH: usize = 8;

/// Which operation a row is.
const SET: u64 = 0;
const UNSET: u64 = 1;
const ADD: u64 = 2;
const EDIT: u64 = 3;
const EDIT_ON: u64 = 4;
const MARK: u64 = 5;
const GROW: u64 = 6;
const CARRY: u64 = 7;
const FELL: u64 = 8;
const INSERT: u64 = 9;
const DELETE: u64 = 10;
const MOVE: u64 = 11;
const SET_ELEMENT: u64 = 12;
const SET_AGAIN: u64 = 13;

/// Columns. Of names it is the first of two.
const KIND: usize = 0;
const AT: usize = 1;
const OF: usize = 3;
const TO: usize = 5;
const KEY: usize = 7;
const ITEM: usize = 8;
const INT: usize = 9;
const STRING: usize = 10;
const BYTES: usize = 11;
const LENGTH: usize = 12;
const PLACE: usize = 13;
const COUNT: usize = 14;
const TEXT: usize = 15;
const SUM: usize = 16;
const POSITION: usize = 17;
const DIGIT: usize = 18;
const ENDS: usize = 19;
const CHARACTER: usize = 20;

const LAYOUT: [Shape; 21] = {
    let mut layout = [Shape::Numbers; 21];
    (layout[KEY], layout[STRING], layout[TEXT]) = (Shape::Strings, Shape::Strings, Shape::Strings);
    layout[BYTES] = Shape::Raw;
    layout
};

impl Body {
    /// As bytes, of a change that begins at that time and has seen these authors, in the order of their keys. None if it names
    /// another one.
    pub(super) fn encode(&self, start: u64, seen: impl FnOnce() -> Vec<NodeId>) -> Option<Vec<u8>> {
        let (own, others) = self.agents.split_first()?;
        let mut bytes = vec![VERSION];
        put(&mut bytes, others.len() as u64);
        let seen = if others.is_empty() { Vec::new() } else { seen() };
        for agent in others {
            let (key, branch) = agent.as_bytes().split_first_chunk::<32>()?;
            let rank = seen.binary_search_by(|author| author.as_bytes().cmp(key)).ok()?;
            put(&mut bytes, 2 * rank as u64 + u64::from(!branch.is_empty()));
            bytes.extend_from_slice(branch);
        }
        let mut rows = Rows { to: Writer::new(LAYOUT.len()), rows: 0, digits: 0, at: 0 };
        for (op, at) in self.ops.iter().zip(0..) {
            rows.at = at;
            rows.op(op, &Stamp { time: start + u64::from(at), agent: own.clone() });
        }
        let (count, digits) = (rows.rows, rows.digits);
        let (table, by_columns) = rows.to.finish();
        put(&mut bytes, 2 * count as u64 + u64::from(by_columns));
        bytes.extend(table);
        bytes.resize(bytes.len().max(count).max(digits), 0);
        Some(bytes)
    }

    /// Reads a body of an author's change that begins at that time and has seen these authors. None if it is none such.
    pub(super) fn decode(
        bytes: &[u8],
        author: &Agent,
        start: u64,
        seen: impl FnOnce() -> Vec<NodeId>,
    ) -> Option<Body> {
        let mut body = Body::of(author.clone());
        // Grants and revocations alone.
        let Some((version, mut rest)) = bytes.split_first() else { return Some(body) };
        (*version == VERSION).then_some(())?;
        let others = number(&mut rest)?;
        let seen = if others == 0 { Vec::new() } else { seen() };
        for _ in 0..others {
            let rank = number(&mut rest)?;
            let author = seen.get(usize::try_from(rank >> 1).ok()?)?;
            let (branch, after) = rest.split_at_checked(if rank & 1 == 1 { BRANCH } else { 0 })?;
            rest = after;
            body.agents.push(Agent::new([author.as_bytes(), branch].concat()).ok()?);
        }
        let form = number(&mut rest)?;
        let rows = usize::try_from(form >> 1).ok().filter(|rows| *rows <= bytes.len())?;
        let from = Reader::new(rest, form & 1 == 1, &LAYOUT)?;
        let mut table = Table { from, agents: body.agents.len(), digits: bytes.len(), at: 0 };
        for _ in 0..rows {
            match table.from.number(KIND)? {
                EDIT_ON => match body.ops.last_mut()? {
                    Op::Edit(_, edits) => edits.push(table.edit()?),
                    _ => return None,
                },
                kind => {
                    table.at = u32::try_from(body.ops.len()).ok()?;
                    let stamp = Stamp { time: start.checked_add(table.at.into())?, agent: author.clone() };
                    body.ops.push(table.op(kind, &stamp)?);
                }
            }
        }
        Some(body)
    }
}

/// Rows on their way into a table.
struct Rows {
    to: Writer,
    rows: usize,
    digits: usize,
    /// The place of the operation.
    at: u32,
}

impl Rows {
    fn begin(&mut self, kind: u64, container: &Name) {
        self.rows += 1;
        self.to.number(KIND, kind);
        self.name(AT, container);
    }

    fn op(&mut self, op: &Op, stamp: &Stamp) {
        match op {
            Op::Set(at, key, item) => {
                self.begin(SET, at);
                self.to.string(KEY, key.as_bytes());
                self.item(item);
            }
            Op::Unset(at, key) => {
                self.begin(UNSET, at);
                self.to.string(KEY, key.as_bytes());
            }
            Op::Add(at, by) => {
                self.begin(ADD, at);
                self.to.number(SUM, zigzag(*by));
            }
            Op::Edit(at, edits) => {
                self.begin(EDIT, at);
                for (edit, number) in edits.iter().zip(0..) {
                    if number > 0 {
                        self.rows += 1;
                        self.to.number(KIND, EDIT_ON);
                    }
                    self.to.number(PLACE, edit.at.into());
                    self.to.number(COUNT, edit.delete.into());
                    self.to.string(TEXT, edit.insert.as_bytes());
                }
            }
            Op::Mark(at, mark) => {
                self.begin(MARK, at);
                self.mark(mark);
            }
            Op::Grow(at, parent, position) => {
                self.begin(GROW, at);
                self.name(TO, parent.as_ref().unwrap_or(&Name::Root));
                self.position(position, stamp);
            }
            Op::Carry(at, node, parent, position) => {
                self.begin(CARRY, at);
                self.name(OF, node);
                self.name(TO, parent.as_ref().unwrap_or(&Name::Root));
                self.position(position, stamp);
            }
            Op::Fell(at, node) => {
                self.begin(FELL, at);
                self.name(OF, node);
            }
            Op::List(at, slot, op) => self.list(at, *slot, op),
        }
    }

    fn list(&mut self, at: &Name, slot: u32, op: &ListOp) {
        let kind = match op {
            ListOp::Insert(_) => INSERT,
            ListOp::Delete(_) => DELETE,
            ListOp::Move(_) => MOVE,
            ListOp::Set(..) => SET_ELEMENT,
            ListOp::SetAgain(..) => SET_AGAIN,
        };
        self.begin(kind, at);
        self.to.number(PLACE, slot.into());
        match op {
            ListOp::Insert(item) => self.item(item),
            ListOp::Delete(count) => self.to.number(COUNT, (*count).into()),
            ListOp::Move(element) => self.name(OF, element),
            ListOp::Set(element, item) => {
                self.name(OF, element);
                self.item(item);
            }
            ListOp::SetAgain(element, value) => {
                self.name(OF, element);
                self.name(TO, value);
            }
        }
    }

    fn name(&mut self, column: usize, name: &Name) {
        let (who, when) = match name {
            Name::Root => (0, None),
            // What is ahead is in no honest body.
            Name::Here(at) => (1, Some(self.at.saturating_sub(*at).into())),
            Name::Other(agent, time) => (2 + u64::from(*agent), Some(*time)),
        };
        self.to.number(column, who);
        when.into_iter().for_each(|when| self.to.number(column + 1, when));
    }

    fn item(&mut self, item: &Item) {
        let kind = match item {
            Item::Null => 0,
            Item::Bool(no_or_yes) => 1 + u64::from(*no_or_yes),
            Item::Int(_) => 3,
            Item::Float(_) => 4,
            Item::String(_) => 5,
            Item::Bytes(_) => 6,
            Item::Map => 7,
            Item::List => 8,
            Item::Text => 9,
            Item::Counter => 10,
            Item::Tree => 11,
            Item::Blob(_) => 12,
        };
        self.to.number(ITEM, kind);
        match item {
            Item::Int(value) => self.to.number(INT, zigzag(*value)),
            Item::Float(value) => self.to.raw(BYTES, &value.to_le_bytes()),
            Item::String(value) => self.to.string(STRING, value.as_bytes()),
            Item::Bytes(value) => {
                self.to.number(LENGTH, value.len() as u64);
                self.to.raw(BYTES, value);
            }
            Item::Blob(Blob { hash, length }) => {
                self.to.number(LENGTH, *length);
                self.to.raw(BYTES, hash);
            }
            _ => {}
        }
    }

    fn position(&mut self, position: &Position, stamp: &Stamp) {
        self.digits += position.write(&mut self.to, POSITION, DIGIT, stamp);
    }

    fn mark(&mut self, mark: &Mark) {
        let Mark { start, end, expand, key, value } = mark;
        let kind = |edge: &Edge| match edge {
            Edge::Start => 0,
            Edge::End => 1,
            Edge::Behind(..) => 2,
            Edge::Before(..) => 3,
        };
        let ends = kind(start) + 4 * kind(end) + 16 * u64::from(expand & 3);
        self.to.number(ENDS, ends + 64 * u64::from(value.is_some()));
        for (edge, column) in [(start, OF), (end, TO)] {
            if let Edge::Behind(name, character) | Edge::Before(name, character) = edge {
                self.name(column, name);
                self.to.number(CHARACTER, (*character).into());
            }
        }
        self.to.string(KEY, key.as_bytes());
        value.iter().for_each(|value| self.to.string(STRING, value.as_bytes()));
    }
}

/// Rows on their way out of a table.
struct Table<'a> {
    from: Reader<'a>,
    agents: usize,
    /// So many digits of positions may come yet.
    digits: usize,
    at: u32,
}

impl Table<'_> {
    fn op(&mut self, kind: u64, stamp: &Stamp) -> Option<Op> {
        let at = self.name(AT)?;
        Some(match kind {
            SET => Op::Set(at, self.from.string(KEY)?, self.item()?),
            UNSET => Op::Unset(at, self.from.string(KEY)?),
            ADD => Op::Add(at, unzigzag(self.from.number(SUM)?)),
            EDIT => Op::Edit(at, vec![self.edit()?]),
            MARK => Op::Mark(at, self.mark()?),
            GROW => Op::Grow(at, self.parent()?, self.position(stamp)?),
            CARRY => Op::Carry(at, self.name(OF)?, self.parent()?, self.position(stamp)?),
            FELL => Op::Fell(at, self.name(OF)?),
            _ => {
                let slot = self.from.small(PLACE)?;
                let op = match kind {
                    INSERT => ListOp::Insert(self.item()?),
                    DELETE => ListOp::Delete(self.from.small(COUNT)?),
                    MOVE => ListOp::Move(self.name(OF)?),
                    SET_ELEMENT => ListOp::Set(self.name(OF)?, self.item()?),
                    SET_AGAIN => ListOp::SetAgain(self.name(OF)?, self.name(TO)?),
                    _ => return None,
                };
                Op::List(at, slot, op)
            }
        })
    }

    fn edit(&mut self) -> Option<TextEdit> {
        let (at, delete) = (self.from.small(PLACE)?, self.from.small(COUNT)?);
        Some(TextEdit { at, delete, insert: self.from.string(TEXT)? })
    }

    fn name(&mut self, column: usize) -> Option<Name> {
        Some(match self.from.number(column)? {
            0 => Name::Root,
            1 => Name::Here(self.at.checked_sub(self.from.small(column + 1)?)?),
            agent => {
                let agent = u32::try_from(agent - 2).ok().filter(|agent| (*agent as usize) < self.agents)?;
                Name::Other(agent, self.from.number(column + 1)?)
            }
        })
    }

    fn parent(&mut self) -> Option<Option<Name>> {
        Some(Some(self.name(TO)?).filter(|name| *name != Name::Root))
    }

    fn item(&mut self) -> Option<Item> {
        let from = &mut self.from;
        Some(match from.number(ITEM)? {
            0 => Item::Null,
            1 => Item::Bool(false),
            2 => Item::Bool(true),
            3 => Item::Int(unzigzag(from.number(INT)?)),
            4 => Item::Float(f64::from_le_bytes(from.raw(BYTES, 8)?.try_into().ok()?)),
            5 => Item::String(from.string(STRING)?),
            6 => {
                let length = from.number(LENGTH)?;
                Item::Bytes(from.raw(BYTES, length)?.to_vec())
            }
            7 => Item::Map,
            8 => Item::List,
            9 => Item::Text,
            10 => Item::Counter,
            11 => Item::Tree,
            12 => {
                let length = from.number(LENGTH)?;
                Item::Blob(Blob { hash: from.raw(BYTES, 32)?.try_into().ok()?, length })
            }
            _ => return None,
        })
    }

    fn position(&mut self, stamp: &Stamp) -> Option<Position> {
        Position::read(&mut self.from, POSITION, DIGIT, stamp, &mut self.digits)
    }

    fn mark(&mut self) -> Option<Mark> {
        let ends = self.from.number(ENDS)?;
        let mut edge = |kind: u64, column| {
            Some(match kind & 3 {
                0 => Edge::Start,
                1 => Edge::End,
                2 => Edge::Behind(self.name(column)?, self.from.small(CHARACTER)?),
                _ => Edge::Before(self.name(column)?, self.from.small(CHARACTER)?),
            })
        };
        let (start, end) = (edge(ends, OF)?, edge(ends >> 2, TO)?);
        let key = self.from.string(KEY)?;
        let value = match ends >> 6 {
            0 => None,
            1 => Some(self.from.string(STRING)?),
            _ => return None,
        };
        Some(Mark { start, end, expand: (ends >> 4) as u8 & 3, key, value })
    }
}

#[cfg(test)]
mod tests;
