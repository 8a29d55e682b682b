//! What a document is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::list_field::ListField;
use super::op::Item;
use super::text_field::TextField;
use crate::Agent;
use crate::types::{Stamp, Tree};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Id {
    Root,
    Made(Stamp),
}

#[derive(Clone, Debug)]
pub(super) struct Container {
    /// The change that made it.
    pub(super) by: u32,
    pub(super) depth: u32,
    /// Where it stands: the container, and the key if that is a map.
    pub(super) parent: Option<(Id, Option<String>)>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// For each key the values that no later change has seen, the greatest stamp first.
    Map(BTreeMap<String, Vec<Entry>>),
    List(Box<ListField>),
    Text(Box<TextField>),
    Counter(i128),
    /// Whose nodes are maps, each under the name of the operation that made it.
    Tree(Box<Tree>),
}

/// What stands in an entry of a map, or in an element of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) by: u32,
    pub(super) item: Item,
}

impl Id {
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        match self {
            Id::Root => None,
            Id::Made(stamp) => Some(stamp),
        }
    }
}

impl Kind {
    /// An empty container, if the item is one.
    pub(super) fn of(item: &Item, agent: &Agent) -> Option<Kind> {
        match item {
            Item::Map => Some(Kind::Map(BTreeMap::new())),
            Item::List => Some(Kind::List(Box::new(ListField::new(agent.clone())))),
            Item::Text => Some(Kind::Text(Box::new(TextField::new(agent.clone())))),
            Item::Counter => Some(Kind::Counter(0)),
            Item::Tree => Some(Kind::Tree(Box::default())),
            _ => None,
        }
    }
}

/// The stamp that an agent's name and a time mean. An author that has forked has other names by now: then it is the one
/// of that author which the change had seen.
pub(super) fn resolve(
    agent: &Agent,
    time: u64,
    known: impl Fn(&Stamp) -> bool,
    at_that_time: impl FnOnce(Stamp) -> Vec<Stamp>,
) -> Option<Stamp> {
    let named = Stamp { time, agent: agent.clone() };
    if known(&named) {
        return Some(named);
    }
    let key = agent.as_bytes().get(..32)?;
    let first = Stamp { time, agent: Agent::new(key).ok()? };
    at_that_time(first).into_iter().find(|stamp| stamp.agent.as_bytes().starts_with(key) && known(stamp))
}
