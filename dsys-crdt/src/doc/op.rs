//! What a change's body says; as bytes: `doc/body.rs`.

use serde::{Deserialize, Serialize};

use crate::Agent;
use crate::blob::Blob;
use crate::types::{Position, Stamp};

/// The operations of one change. The Lamport time of each is one above the last; the first one's is above all that the
/// change has seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    /// Whose containers and elements are named: first the author's own, by its key.
    pub(super) agents: Vec<Agent>,
    pub(super) ops: Vec<Op>,
}

/// A container or an element, by the operation that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Root,
    /// An operation of this change, by its place.
    Here(u32),
    /// An agent of the table, and a time.
    Other(u32, u64),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    /// Sets a map's entry in place of all that were seen.
    Set(Name, String, Item),
    /// Removes a map's entry: all that were seen.
    Unset(Name, String),
    /// Edits a list at a slot. Positions count the slots that are not deleted where the operation before has been done.
    List(Name, u32, ListOp),
    /// Edits a text.
    Edit(Name, Vec<TextEdit>),
    /// Adds to a counter.
    Add(Name, i64),
    /// Marks a stretch of a text.
    Mark(Name, Mark),
    /// Puts a new node into a tree, below another or at its root. The node is a map.
    Grow(Name, Option<Name>, Position),
    /// Moves a node of a tree, with all below it.
    Carry(Name, Name, Option<Name>, Position),
    /// Removes a node of a tree, with all below it.
    Fell(Name, Name),
}

/// What is done at a slot of a list. To move an element is to delete the slots in which it stands, and to give it another one;
/// to set it, to give it a slot with its new entry, and to delete those with older ones (`list/moves.rs`, `list/sets.rs`).
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ListOp {
    /// A new element.
    Insert(Item),
    /// So many slots go.
    Delete(u32),
    /// An element, by the operation that inserted it, stands here too.
    Move(Name),
    /// What stands in an element.
    Set(Name, Item),
    /// The same, of what stood there before: the operation that put it there.
    SetAgain(Name, Name),
}

/// What stands in an entry or an element: a value, or a new container that the operation names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Item {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Bytes(Vec<u8>),
    Map,
    List,
    Text,
    Counter,
    Tree,
    Blob(Blob),
}

/// Characters deleted, and others inserted in their place, in the text as it is behind the edit before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextEdit {
    pub(super) at: u32,
    pub(super) delete: u32,
    pub(super) insert: String,
}

/// From `start` to `end`, `key` has the value, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) start: Edge,
    pub(super) end: Edge,
    /// 0 after, 1 neither, 2 before, 3 both: where it grows.
    pub(super) expand: u8,
    pub(super) key: String,
    pub(super) value: Option<String>,
}

/// An end of a mark. A character is named by an operation of the change that inserted it, and its number among the characters
/// that the change inserted into this text and deleted from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start,
    End,
    Behind(Name, u32),
    Before(Name, u32),
}

impl Body {
    pub(super) fn of(author: Agent) -> Body {
        Body { agents: vec![author], ops: Vec::new() }
    }

    /// The name of what an operation has made, in a change of `own` that begins at that time.
    pub(super) fn name(&mut self, made: &Stamp, own: &(Agent, u64)) -> Name {
        match made.time.checked_sub(own.1).filter(|_| made.agent == own.0) {
            Some(at) => Name::Here(at as u32),
            None => self.other(&made.agent, made.time),
        }
    }

    /// The name of what another change has made.
    pub(super) fn other(&mut self, agent: &Agent, time: u64) -> Name {
        let at = self.agents.iter().position(|known| known == agent).unwrap_or_else(|| {
            self.agents.push(agent.clone());
            self.agents.len() - 1
        });
        Name::Other(at as u32, time)
    }
}
