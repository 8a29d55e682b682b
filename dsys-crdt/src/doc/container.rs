//! What a document is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::op::{Item, Name};
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
    List(List),
    Text(Box<TextField>),
    Counter(i128),
    /// Whose nodes are maps, each under the name of the operation that made it.
    Tree(Box<Tree>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) by: u32,
    pub(super) item: Item,
}

/// The children of a tree's root, and what stands in them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct List {
    pub(super) tree: Tree,
    pub(super) elements: BTreeMap<Stamp, Element>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Element {
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
            Item::List => Some(Kind::List(List::default())),
            Item::Text => Some(Kind::Text(Box::new(TextField::new(agent.clone())))),
            Item::Counter => Some(Kind::Counter(0)),
            Item::Tree => Some(Kind::Tree(Box::default())),
            _ => None,
        }
    }
}

impl List {
    pub(super) fn insert(&mut self, by: u32, stamp: Stamp, item: Item) {
        self.elements.insert(stamp, Element { by, item });
    }

    pub(super) fn element(
        &self,
        name: Name,
        agents: &[Agent],
        here: &dyn Fn(u32) -> Stamp,
        sees: &dyn Fn(u32) -> bool,
    ) -> Option<Stamp> {
        let known = |stamp: &Stamp| self.elements.get(stamp).is_some_and(|element| sees(element.by));
        match name {
            Name::Root => None,
            Name::Here(at) => Some(here(at)).filter(known),
            Name::Other(agent, time) => {
                let agent = agents.get(agent as usize)?;
                resolve(agent, time, known, |from| {
                    let later = self.elements.range(from..).map(|(stamp, _)| stamp);
                    later.take_while(|stamp| stamp.time == time).cloned().collect()
                })
            }
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
