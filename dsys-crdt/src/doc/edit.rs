//! Editing: what the closure of [`Doc::change`](super::Doc::change) is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::DocError;
use super::container::{Id, Kind};
use super::op::{Body, Item, Name, Op};
use super::read::tokens;
use super::state::{MAX_DEPTH, Sound, State, What};
use super::value::Value;
use crate::Agent;
use crate::change::graph::Graph;
use crate::types::Stamp;

/// A change in the making. Places are JSON Pointers (RFC 6901): `/lists/0/title`; in a list, `-` is behind the last.
/// Each edit is seen by the next.
#[derive(Debug)]
pub struct Edit<'a> {
    pub(super) state: &'a mut State,
    pub(super) graph: &'a Graph,
    /// The number that the change will have.
    pub(super) number: u32,
    pub(super) start: u64,
    pub(super) agent: Agent,
    pub(super) body: Body,
    /// Texts and lists that have new events.
    pub(super) fields: BTreeSet<Id>,
    pub(super) done: Vec<Sound>,
    /// Set when it is made.
    pub(super) made: Arc<OnceLock<()>>,
}

impl<'a> Edit<'a> {
    pub(super) fn new(state: &'a mut State, graph: &'a Graph, number: u32, start: u64, agent: Agent) -> Self {
        let (body, (fields, done)) = (Body::of(agent.clone()), Default::default());
        Edit { state, graph, number, start, agent, body, fields, done, made: Arc::default() }
    }

    /// Sets an entry of a map, or an element of a list, in place of whatever stood there. An element stays where it is, and
    /// goes with it if somebody else moves it meanwhile.
    ///
    /// # Errors
    /// If there is no such map or element, or it would be nested too deep.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) -> Result<(), DocError> {
        let (parent, token) = self.parent(pointer)?;
        match self.state.kind(&parent)? {
            Kind::Map(_) => self.fill(&parent, Some(token), value.into()),
            Kind::List(_) => self.set_element(&parent, index(&token)?, value.into()),
            _ => Err(DocError::WrongKind),
        }
    }

    /// Sets entries of the document's root, in place of whatever stood there: what `serde_json` reads of an object, say.
    ///
    /// # Errors
    /// As [`Edit::set`].
    pub fn set_all(&mut self, values: BTreeMap<String, Value>) -> Result<(), DocError> {
        values.into_iter().try_for_each(|(key, value)| self.fill(&Id::Root, Some(key), value))
    }

    /// Inserts an element into a list, before the one that the pointer leads to.
    ///
    /// # Errors
    /// If there is no such list or element, or it would be nested too deep.
    pub fn insert(&mut self, pointer: &str, value: impl Into<Value>) -> Result<(), DocError> {
        let (list, token) = self.parent(pointer)?;
        let Kind::List(field) = self.state.kind(&list)? else { return Err(DocError::WrongKind) };
        let at = if token == "-" { field.list.len() } else { index(&token)? };
        self.insert_element(&list, at, value.into())
    }

    /// Removes an entry of a map, an element of a list, or a node of a tree with all below it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove(&mut self, pointer: &str) -> Result<(), DocError> {
        let (parent, token) = self.parent(pointer)?;
        let stamp = self.state.child(&parent, &token)?.0.clone();
        let name = self.name(&parent);
        match self.state.kind(&parent)? {
            Kind::Map(_) => self.push(Op::Unset(name, token.clone()), &parent, What::Unset(token)),
            Kind::Tree(_) => {
                let node = self.name(&Id::Made(stamp.clone()));
                let removal = super::removal(self.next(), stamp);
                self.push(Op::Fell(name, node), &parent, What::Place(removal));
            }
            _ => {
                let at = index(&token)?;
                self.edit_list(&parent, |list| Ok(list.delete(at..at + 1)?))?;
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
        self.state.child(&list, &token)?;
        let from = index(&token)?;
        self.edit_list(&list, |list| Ok(list.move_to(from, to)?))
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

    /// As [`Doc::count`](super::Doc::count).
    pub fn count(&self, pointer: &str) -> Option<usize> {
        self.state.count(pointer)
    }

    /// What a pointer leads to, as it is now.
    pub fn get(&self, pointer: &str) -> Option<Value> {
        super::get(self.state, pointer)
    }

    /// Puts a value where the next operation makes it, and then what is in it.
    pub(super) fn fill(&mut self, map: &Id, key: Option<String>, value: Value) -> Result<(), DocError> {
        let key = key.ok_or(DocError::NotFound)?;
        let (item, inner) = split(value);
        let (stamp, name) = (self.next(), self.name(map));
        self.make(&stamp, &item, (map.clone(), Some(key.clone())))?;
        self.push(Op::Set(name, key.clone(), item.clone()), map, What::Set(key, item));
        self.fill_inner(&Id::Made(stamp), inner)
    }

    pub(super) fn fill_inner(&mut self, id: &Id, inner: Value) -> Result<(), DocError> {
        match inner {
            Value::Map(values) => {
                values.into_iter().try_for_each(|(key, value)| self.fill(id, Some(key), value))
            }
            Value::List(values) => {
                let mut values = values.into_iter().enumerate();
                values.try_for_each(|(at, value)| self.insert_element(id, at, value))
            }
            Value::Text(text) => self.type_text(id, 0..0, &text),
            Value::Marked(spans) => self.type_marked(id, &spans),
            Value::Tree(nodes) => self.plant(id, nodes),
            Value::Counter(by) if by != 0 => {
                let name = self.name(id);
                self.push(Op::Add(name, by), id, What::Add(by));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn make(
        &mut self,
        stamp: &Stamp,
        item: &Item,
        parent: (Id, Option<String>),
    ) -> Result<(), DocError> {
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
    pub(super) fn next(&self) -> Stamp {
        Stamp { time: self.start + self.body.ops.len() as u64, agent: self.agent.clone() }
    }

    pub(super) fn name(&mut self, id: &Id) -> Name {
        let own = (self.agent.clone(), self.start);
        id.stamp().map_or(Name::Root, |stamp| self.body.name(stamp, &own))
    }

    /// Does an operation, and notes it.
    pub(super) fn push(&mut self, op: Op, at: &Id, what: What) {
        self.note(op, at, what);
        if let Some(op) = self.done.last() {
            // Here everything is known to the author.
            self.state.run_one(op, &|_| true);
        }
    }

    /// Notes an operation that was done.
    pub(super) fn note(&mut self, op: Op, at: &Id, what: What) {
        self.done.push(Sound { number: self.number, stamp: self.next(), at: at.clone(), what });
        self.body.ops.push(op);
    }
}

fn index(token: &str) -> Result<usize, DocError> {
    token.parse().map_err(|_| DocError::NotFound)
}

/// What an operation carries, and what is filled in behind it.
pub(super) fn split(value: Value) -> (Item, Value) {
    match value {
        Value::Null => (Item::Null, Value::Null),
        Value::Bool(value) => (Item::Bool(value), Value::Null),
        Value::Int(value) => (Item::Int(value), Value::Null),
        Value::Float(value) => (Item::Float(value), Value::Null),
        Value::String(value) => (Item::String(value), Value::Null),
        Value::Bytes(value) => (Item::Bytes(value), Value::Null),
        Value::Blob(blob) => (Item::Blob(blob), Value::Null),
        inner @ Value::Map(_) => (Item::Map, inner),
        inner @ Value::List(_) => (Item::List, inner),
        inner @ (Value::Text(_) | Value::Marked(_)) => (Item::Text, inner),
        inner @ Value::Counter(_) => (Item::Counter, inner),
        inner @ Value::Tree(_) => (Item::Tree, inner),
    }
}
