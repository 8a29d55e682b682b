//! Editing: what the closure of [`Doc::change`](super::Doc::change) is given.

use std::collections::BTreeSet;
use std::ops::Range;

use super::DocError;
use super::container::{Id, Kind};
use super::op::{Body, Item, Name, Op, TextEdit};
use super::read::tokens;
use super::state::{MAX_DEPTH, Sound, State, What};
use super::value::Value;
use crate::Agent;
use crate::types::{Move, Position, Spot, Stamp, TreeId};

/// A change in the making. Places are JSON Pointers (RFC 6901): `/lists/0/title`; in a list, `-` is behind the last.
/// Each edit is seen by the next.
#[derive(Debug)]
pub struct Edit<'a> {
    pub(super) state: &'a mut State,
    /// The number that the change will have.
    number: u32,
    start: u64,
    agent: Agent,
    pub(super) body: Body,
    pub(super) texts: BTreeSet<Id>,
    pub(super) done: Vec<Sound>,
}

impl<'a> Edit<'a> {
    pub(super) fn new(state: &'a mut State, number: u32, start: u64, agent: Agent) -> Self {
        Edit { state, number, start, agent, body: Body::default(), texts: BTreeSet::new(), done: Vec::new() }
    }

    /// Sets an entry of a map, in place of whatever stood there.
    ///
    /// # Errors
    /// If there is no such map, or it would be nested too deep.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) -> Result<(), DocError> {
        let (map, key) = self.parent(pointer)?;
        match self.state.kind(&map)? {
            Kind::Map(_) => self.fill(&map, Some(key), value.into()),
            _ => Err(DocError::WrongKind),
        }
    }

    /// Inserts an element into a list, before the one that the pointer leads to.
    ///
    /// # Errors
    /// If there is no such list or element, or it would be nested too deep.
    pub fn insert(&mut self, pointer: &str, value: impl Into<Value>) -> Result<(), DocError> {
        let (list, index) = self.parent(pointer)?;
        let Kind::List(elements) = self.state.kind(&list)? else { return Err(DocError::WrongKind) };
        let spot = match index.as_str() {
            "-" => Spot::Last,
            index => Spot::At(index.parse().map_err(|_| DocError::NotFound)?),
        };
        let position = elements.tree.place(None, spot, &self.next())?;
        self.fill_at(&list, position, value.into())
    }

    /// Removes an entry of a map, or an element of a list.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove(&mut self, pointer: &str) -> Result<(), DocError> {
        let (parent, token) = self.parent(pointer)?;
        let stamp = self.state.child(&parent, &token)?.0.clone();
        let name = self.name(&parent);
        match self.state.kind(&parent)? {
            Kind::Map(_) => self.push(Op::Unset(name, token.clone()), &parent, What::Unset(token)),
            _ => {
                let element = self.name(&Id::Made(stamp.clone()));
                let removal = super::removal(self.next(), stamp);
                self.push(Op::Remove(name, element), &parent, What::Place(removal));
            }
        }
        Ok(())
    }

    /// Moves an element within its list; `to` is its index afterwards.
    ///
    /// # Errors
    /// If it is not there, or the list is shorter.
    pub fn move_to(&mut self, pointer: &str, to: usize) -> Result<(), DocError> {
        let (list, token) = self.parent(pointer)?;
        let stamp = self.state.child(&list, &token)?.0.clone();
        let Kind::List(elements) = self.state.kind(&list)? else { return Err(DocError::WrongKind) };
        let node = TreeId::Made(stamp.clone());
        let position = elements.tree.place(Some(&node), Spot::At(to), &self.next())?;
        let (name, element) = (self.name(&list), self.name(&Id::Made(stamp.clone())));
        let to = Move { stamp: self.next(), node: stamp, parent: TreeId::Root, position: position.clone() };
        self.push(Op::Move(name, element, position), &list, What::Place(to));
        Ok(())
    }

    /// Inserts into a text, before the character (code point) at `position`.
    ///
    /// # Errors
    /// If there is no such text, or it is shorter.
    pub fn insert_text(&mut self, pointer: &str, position: usize, text: &str) -> Result<(), DocError> {
        let id = self.state.find(&tokens(pointer)?)?;
        self.edit_text(&id, position..position, text)
    }

    /// Deletes characters of a text.
    ///
    /// # Errors
    /// If there is no such text, or it is shorter.
    pub fn delete_text(&mut self, pointer: &str, range: Range<usize>) -> Result<(), DocError> {
        let id = self.state.find(&tokens(pointer)?)?;
        self.edit_text(&id, range, "")
    }

    /// Adds to a counter.
    ///
    /// # Errors
    /// If there is no such counter.
    pub fn add(&mut self, pointer: &str, by: i64) -> Result<(), DocError> {
        let id = self.state.find(&tokens(pointer)?)?;
        let Kind::Counter(_) = self.state.kind(&id)? else { return Err(DocError::WrongKind) };
        let name = self.name(&id);
        self.push(Op::Add(name, by), &id, What::Add(by));
        Ok(())
    }

    /// What a pointer leads to, as it is now.
    pub fn get(&self, pointer: &str) -> Option<Value> {
        super::get(self.state, pointer)
    }

    fn edit_text(&mut self, id: &Id, range: Range<usize>, insert: &str) -> Result<(), DocError> {
        let container = self.state.containers.get_mut(id).ok_or(DocError::NotFound)?;
        let Kind::Text(field) = &mut container.kind else { return Err(DocError::WrongKind) };
        let delete = range.end.saturating_sub(range.start);
        if delete == 0 && insert.is_empty() {
            return Ok(());
        }
        if field.text.agent() != &self.agent {
            field.text.set_agent(self.agent.clone());
        }
        field.text.delete(range.clone())?;
        self.texts.insert(id.clone());
        field.text.insert(range.start, insert)?;
        let edit = TextEdit { at: range.start as u32, delete: delete as u32, insert: insert.into() };
        let name = self.name(id);
        // Typing is one operation, as long as it stays in one text.
        if let Some(Op::Edit(last, edits)) = self.body.ops.last_mut()
            && *last == name
        {
            match edits.last_mut() {
                Some(last) if delete == 0 && last.follows(&edit) => last.insert.push_str(insert),
                _ => edits.push(edit),
            }
            return Ok(());
        }
        self.push(Op::Edit(name, vec![edit]), id, What::Edit);
        Ok(())
    }

    /// Puts a value where the next operation makes it, and then what is in it.
    fn fill(&mut self, map: &Id, key: Option<String>, value: Value) -> Result<(), DocError> {
        let key = key.ok_or(DocError::NotFound)?;
        let (item, inner) = split(value);
        let (stamp, name) = (self.next(), self.name(map));
        self.make(&stamp, &item, (map.clone(), Some(key.clone())))?;
        self.push(Op::Set(name, key.clone(), item.clone()), map, What::Set(key, item));
        self.fill_inner(&Id::Made(stamp), inner)
    }

    fn fill_at(&mut self, list: &Id, position: Position, value: Value) -> Result<(), DocError> {
        let (item, inner) = split(value);
        let (stamp, name) = (self.next(), self.name(list));
        self.make(&stamp, &item, (list.clone(), None))?;
        if let Some(Kind::List(elements)) = self.state.containers.get_mut(list).map(|list| &mut list.kind) {
            elements.insert(self.number, stamp.clone(), item.clone());
        }
        let (node, parent) = (stamp.clone(), TreeId::Root);
        let place = Move { stamp: stamp.clone(), node, parent, position: position.clone() };
        self.push(Op::Insert(name, position, item), list, What::Place(place));
        self.fill_inner(&Id::Made(stamp), inner)
    }

    fn fill_inner(&mut self, id: &Id, inner: Value) -> Result<(), DocError> {
        match inner {
            Value::Map(values) => {
                values.into_iter().try_for_each(|(key, value)| self.fill(id, Some(key), value))
            }
            Value::List(values) => values.into_iter().try_for_each(|value| {
                let Kind::List(list) = self.state.kind(id)? else { return Err(DocError::WrongKind) };
                let position = list.tree.place(None, Spot::Last, &self.next())?;
                self.fill_at(id, position, value)
            }),
            Value::Text(text) => self.edit_text(id, 0..0, &text),
            Value::Counter(by) if by != 0 => {
                let name = self.name(id);
                self.push(Op::Add(name, by), id, What::Add(by));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn make(&mut self, stamp: &Stamp, item: &Item, parent: (Id, Option<String>)) -> Result<(), DocError> {
        let depth = self.state.container(&parent.0)?.depth + 1;
        if depth > MAX_DEPTH {
            return Err(DocError::TooDeep);
        }
        self.state.make(self.number, stamp, item, parent, depth);
        Ok(())
    }

    fn parent(&self, pointer: &str) -> Result<(Id, String), DocError> {
        let mut tokens = tokens(pointer)?;
        let last = tokens.pop().ok_or(DocError::NotFound)?;
        Ok((self.state.find(&tokens)?, last))
    }

    /// The stamp of the next operation.
    fn next(&self) -> Stamp {
        Stamp { time: self.start + self.body.ops.len() as u64, agent: self.agent.clone() }
    }

    fn name(&mut self, id: &Id) -> Name {
        let Some(Stamp { time, agent }) = id.stamp() else { return Name::Root };
        if *agent == self.agent && *time >= self.start {
            return Name::Here((time - self.start) as u32);
        }
        let at = self.body.agents.iter().position(|known| known == agent).unwrap_or_else(|| {
            self.body.agents.push(agent.clone());
            self.body.agents.len() - 1
        });
        Name::Other(at as u32, *time)
    }

    /// Does an operation, and notes it.
    fn push(&mut self, op: Op, at: &Id, what: What) {
        let op_here = Sound { number: self.number, stamp: self.next(), at: at.clone(), what };
        self.body.ops.push(op);
        // Here everything is known to the author.
        self.state.run_one(&op_here, &|_| true);
        self.done.push(op_here);
    }
}

impl TextEdit {
    /// Whether an insertion goes on where this one ends.
    fn follows(&self, next: &TextEdit) -> bool {
        self.at as usize + self.insert.chars().count() == next.at as usize
    }
}

/// What an operation carries, and what is filled in behind it.
fn split(value: Value) -> (Item, Value) {
    match value {
        Value::Null => (Item::Null, Value::Null),
        Value::Bool(value) => (Item::Bool(value), Value::Null),
        Value::Int(value) => (Item::Int(value), Value::Null),
        Value::Float(value) => (Item::Float(value), Value::Null),
        Value::String(value) => (Item::String(value), Value::Null),
        Value::Bytes(value) => (Item::Bytes(value), Value::Null),
        inner @ Value::Map(_) => (Item::Map, inner),
        inner @ Value::List(_) => (Item::List, inner),
        inner @ Value::Text(_) => (Item::Text, inner),
        inner @ Value::Counter(_) => (Item::Counter, inner),
    }
}
