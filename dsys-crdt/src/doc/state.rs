//! What a document contains, built of the changes that count.
//!
//! A change is applied as a whole or not at all: if one of its operations makes no sense where its author stood, the change
//! says nothing, at every replica.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::NodeId;

use super::op::{Body, Item, Name, Op};
use super::text_field::TextField;
use crate::Agent;
use crate::change::{Log, Policy};
use crate::types::{Move, Stamp, Tree, TreeId};

/// Containers are nested so deep at most, and no deeper: whoever walks them needs no more stack.
pub(super) const MAX_DEPTH: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) containers: BTreeMap<Id, Container>,
    /// For each change, the first Lamport time behind its operations; 0 for those that do not count.
    ends: Vec<u64>,
    /// Changes that said nothing that makes sense.
    pub(super) void: BTreeSet<u32>,
    /// The agents of authors, and of changes behind an author's first fork.
    keys: BTreeMap<NodeId, Agent>,
    branches: BTreeMap<u32, Agent>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Root,
    Made(Stamp),
}

#[derive(Clone, Debug)]
pub(super) struct Container {
    /// The change that made it.
    by: u32,
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
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    by: u32,
    pub(super) item: Item,
}

/// The children of a tree's root, and what stands in them.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) tree: Tree,
    pub(super) elements: BTreeMap<Stamp, Element>,
}

#[derive(Clone, Debug)]
pub(super) struct Element {
    by: u32,
    pub(super) item: Item,
}

/// An operation that makes sense, with its names resolved.
pub(super) struct Sound {
    pub(super) number: u32,
    pub(super) stamp: Stamp,
    pub(super) at: Id,
    pub(super) what: What,
}

pub(super) enum What {
    Set(String, Item),
    Unset(String),
    Place(Move),
    Edit,
    Add(i64),
}

/// What is to be taken back if one of the changes makes no sense.
#[derive(Default)]
struct Staged {
    made: Vec<Id>,
    elements: Vec<(Id, Stamp)>,
    texts: BTreeSet<Id>,
    sound: Vec<Sound>,
}

impl Default for State {
    fn default() -> Self {
        let root = Container { by: 0, depth: 0, parent: None, kind: Kind::Map(BTreeMap::new()) };
        State {
            containers: [(Id::Root, root)].into(),
            ends: Vec::new(),
            void: BTreeSet::new(),
            keys: BTreeMap::new(),
            branches: BTreeMap::new(),
        }
    }
}

impl State {
    /// Applies changes, what they follow first; gives the operations that were done.
    pub(super) fn apply<P: Policy>(&mut self, log: &Log<P>, changes: &[u32]) -> Vec<Sound> {
        let mut staged = Staged::default();
        let made_sense = changes.iter().try_for_each(|&number| self.stage(log, number, &mut staged));
        if made_sense.and_then(|()| self.show(&staged.texts)).is_some() {
            staged.sound.iter().for_each(|op| self.run(log, op));
            return staged.sound;
        }
        self.take_back(staged);
        match changes {
            [number] => {
                self.void.insert(*number);
                self.end(log, *number, 0);
                Vec::new()
            }
            _ => {
                let (first, rest) = changes.split_at(changes.len() / 2);
                let mut done = self.apply(log, first);
                done.extend(self.apply(log, rest));
                done
            }
        }
    }

    /// The Lamport time of the first operation of a change that follows these.
    pub(super) fn start(&self, parents: &[u32]) -> u64 {
        parents.iter().filter_map(|&parent| self.ends.get(parent as usize)).copied().max().unwrap_or(0)
    }

    /// Notes how many operations a change has; gives the time of the first.
    pub(super) fn end<P: Policy>(&mut self, log: &Log<P>, number: u32, ops: usize) -> u64 {
        let start = self.start(log.graph().parents(number));
        let at = number as usize;
        self.ends.resize(self.ends.len().max(at + 1), 0);
        if let Some(end) = self.ends.get_mut(at) {
            *end = start + ops as u64;
        }
        start
    }

    /// Looks at a change's operations, makes its containers and elements, and appends its edits of texts.
    fn stage<P: Policy>(&mut self, log: &Log<P>, number: u32, staged: &mut Staged) -> Option<()> {
        // Also of a change that says nothing that makes sense, for the author's next one.
        let own = self.agent_of(log, number)?;
        let Body { agents, ops } = Body::decode(&log.at(number)?.body)?;
        let start = self.end(log, number, ops.len());
        let stamp = |at: u32| Stamp { time: start + u64::from(at), agent: own.clone() };
        for (at, op) in (0..).zip(ops) {
            let sees = |by: u32| log.graph().has_seen(number, by);
            let id = match op.name() {
                Name::Root => Id::Root,
                Name::Here(op) => Id::Made(stamp(op)),
                Name::Other(agent, time) => {
                    let made = |id: &Id| self.containers.get(id).is_some_and(|container| sees(container.by));
                    let agent = agents.get(agent as usize)?;
                    let found = resolve(
                        agent,
                        time,
                        |stamp| made(&Id::Made(stamp.clone())),
                        |from| {
                            let later =
                                self.containers.range(Id::Made(from)..).map_while(|(id, _)| id.stamp());
                            later.take_while(|stamp| stamp.time == time).cloned().collect()
                        },
                    );
                    Id::Made(found?)
                }
            };
            let container = self.containers.get_mut(&id).filter(|container| sees(container.by))?;
            let depth = container.depth + 1;
            let mut made = None;
            let what = match (op, &mut container.kind) {
                (Op::Set(_, key, item), Kind::Map(_)) => {
                    made = Some((item.clone(), Some(key.clone())));
                    What::Set(key, item)
                }
                (Op::Unset(_, key), Kind::Map(_)) => What::Unset(key),
                (Op::Insert(_, position, item), Kind::List(list)) => {
                    made = Some((item.clone(), None));
                    list.elements.insert(stamp(at), Element { by: number, item });
                    staged.elements.push((id.clone(), stamp(at)));
                    let node = stamp(at);
                    What::Place(Move { stamp: stamp(at), node, parent: TreeId::Root, position })
                }
                (Op::Move(_, element, position), Kind::List(list)) => {
                    let node = list.element(element, &agents, &stamp, &sees)?;
                    What::Place(Move { stamp: stamp(at), node, parent: TreeId::Root, position })
                }
                (Op::Remove(_, element), Kind::List(list)) => {
                    let node = list.element(element, &agents, &stamp, &sees)?;
                    What::Place(super::removal(stamp(at), node))
                }
                (Op::Edit(_, edits), Kind::Text(field)) => {
                    staged.texts.insert(id.clone());
                    field.push(log.graph(), number, &own, &edits)?;
                    What::Edit
                }
                (Op::Add(_, by), Kind::Counter(_)) => What::Add(by),
                _ => return None,
            };
            if let Some((item, key)) = made
                && let Some(kind) = Kind::of(&item, &own)
            {
                if depth > MAX_DEPTH {
                    return None;
                }
                let made = Id::Made(stamp(at));
                let parent = Some((id.clone(), key));
                self.containers.insert(made.clone(), Container { by: number, depth, parent, kind });
                staged.made.push(made);
            }
            staged.sound.push(Sound { number, stamp: stamp(at), at: id, what });
        }
        Some(())
    }

    /// The agent under which a change's author works: the key, and behind a fork the key and the branch.
    fn agent_of<P: Policy>(&mut self, log: &Log<P>, number: u32) -> Option<Agent> {
        let header = &log.at(number)?.header;
        let key = header.author.as_bytes();
        if log.forked_at(&header.author).is_none_or(|first| header.seq < first) {
            let agent = self.keys.entry(header.author);
            return Some(agent.or_insert(Agent::new(key).ok()?).clone());
        }
        let previous = header.previous.and_then(|previous| log.number(&previous));
        let agent = match previous.filter(|_| !log.begins_branch(number)) {
            Some(previous) => self.branches.get(&previous)?.clone(),
            None => Agent::new([key.as_slice(), header.id().as_bytes().get(..8)?].concat()).ok()?,
        };
        self.branches.insert(number, agent.clone());
        Some(agent)
    }

    /// Shows the new edits of texts, all or none.
    fn show(&mut self, texts: &BTreeSet<Id>) -> Option<()> {
        // One text takes back what makes no sense; several are kept as they were.
        let field =
            |containers: &BTreeMap<Id, Container>, id: &Id| match containers.get(id).map(|it| &it.kind) {
                Some(Kind::Text(field)) => {
                    let mut field = field.clone();
                    field.forget();
                    Some((id.clone(), field))
                }
                _ => None,
            };
        let kept: Vec<(Id, Box<TextField>)> = match texts.len() {
            0 | 1 => Vec::new(),
            _ => texts.iter().filter_map(|id| field(&self.containers, id)).collect(),
        };
        let shown =
            texts.iter().try_for_each(|id| match self.containers.get_mut(id).map(|it| &mut it.kind) {
                Some(Kind::Text(field)) => field.show(),
                _ => None,
            });
        if shown.is_none() {
            for (id, field) in kept {
                if let Some(Container { kind, .. }) = self.containers.get_mut(&id) {
                    *kind = Kind::Text(field);
                }
            }
        }
        shown
    }

    fn take_back(&mut self, staged: Staged) {
        for id in &staged.texts {
            if let Some(Container { kind: Kind::Text(field), .. }) = self.containers.get_mut(id) {
                field.forget();
            }
        }
        for (id, element) in staged.elements {
            if let Some(Container { kind: Kind::List(list), .. }) = self.containers.get_mut(&id) {
                list.elements.remove(&element);
            }
        }
        staged.made.iter().for_each(|id| drop(self.containers.remove(id)));
    }

    fn run<P: Policy>(&mut self, log: &Log<P>, op: &Sound) {
        self.run_one(op, &|by| log.graph().has_seen(op.number, by));
    }

    /// Does an operation that makes sense; `sees` says which changes its author had seen.
    pub(super) fn run_one(&mut self, op: &Sound, sees: &dyn Fn(u32) -> bool) {
        let Some(container) = self.containers.get_mut(&op.at) else { return };
        match (&op.what, &mut container.kind) {
            (What::Set(key, item), Kind::Map(map)) => {
                let entries = map.entry(key.clone()).or_default();
                entries.retain(|entry| !sees(entry.by));
                let at = entries.partition_point(|entry| entry.stamp > op.stamp);
                entries.insert(at, Entry { stamp: op.stamp.clone(), by: op.number, item: item.clone() });
            }
            (What::Unset(key), Kind::Map(map)) => {
                if let Some(entries) = map.get_mut(key) {
                    entries.retain(|entry| !sees(entry.by));
                    if entries.is_empty() {
                        map.remove(key);
                    }
                }
            }
            (What::Place(to), Kind::List(list)) => drop(list.tree.apply_all([to.clone()])),
            (What::Add(by), Kind::Counter(sum)) => *sum += i128::from(*by),
            _ => {}
        }
    }

    /// Makes the container of an operation made here.
    pub(super) fn make(
        &mut self,
        number: u32,
        stamp: &Stamp,
        item: &Item,
        parent: (Id, Option<String>),
        depth: u32,
    ) {
        if let Some(kind) = Kind::of(item, &stamp.agent) {
            let container = Container { by: number, depth, parent: Some(parent), kind };
            self.containers.insert(Id::Made(stamp.clone()), container);
        }
    }
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
    fn of(item: &Item, agent: &Agent) -> Option<Kind> {
        match item {
            Item::Map => Some(Kind::Map(BTreeMap::new())),
            Item::List => Some(Kind::List(List::default())),
            Item::Text => Some(Kind::Text(Box::new(TextField::new(agent.clone())))),
            Item::Counter => Some(Kind::Counter(0)),
            _ => None,
        }
    }
}

impl List {
    pub(super) fn insert(&mut self, by: u32, stamp: Stamp, item: Item) {
        self.elements.insert(stamp, Element { by, item });
    }

    fn element(
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
fn resolve(
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

impl Op {
    fn name(&self) -> Name {
        match self {
            Op::Set(name, ..)
            | Op::Unset(name, _)
            | Op::Insert(name, ..)
            | Op::Move(name, ..)
            | Op::Remove(name, _)
            | Op::Edit(name, _)
            | Op::Add(name, _) => *name,
        }
    }
}
