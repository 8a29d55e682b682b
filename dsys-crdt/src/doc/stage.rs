//! Looking at changes before anything of them is done that could not be taken back.

use std::collections::BTreeSet;

use super::container::{Container, Id, Kind, resolve};
use super::op::{Body, Item, ListOp, Name, Op};
use super::state::{MAX_DEPTH, Sound, State, What};
use crate::Agent;
use crate::change::{Log, Policy};
use crate::types::{Move, Stamp, TreeId};

/// What is to be taken back if one of the changes makes no sense.
#[derive(Default)]
pub(super) struct Staged {
    made: Vec<Id>,
    entries: Vec<(Id, Stamp)>,
    /// Texts and lists with new events.
    pub(super) fields: BTreeSet<Id>,
    pub(super) sound: Vec<Sound>,
}

impl State {
    /// Looks at a change's operations, makes its containers and elements, and appends its edits of texts and lists.
    pub(super) fn stage<P: Policy>(&mut self, log: &Log<P>, number: u32, staged: &mut Staged) -> Option<()> {
        // Also of a change that says nothing that makes sense, for the author's next one.
        let own = self.agent_of(log, number)?;
        let change = log.at(number)?;
        let (parents, author) = (log.graph().parents(number), change.header.author.as_bytes());
        // Under its key, as the author did not know of its forks.
        let author = Agent::new(author).ok()?;
        let seen = || log.graph().authors_seen(parents);
        let Body { agents, ops } = Body::decode(&change.body, &author, self.start(parents), seen)?;
        let start = self.end(log, number, ops.len());
        let stamp = |at: u32| Stamp { time: start + u64::from(at), agent: own.clone() };
        for (at, op) in (0..).zip(ops) {
            let id = self.named(log, number, &agents, op.name(), &stamp)?;
            // Named by what this change has seen, or made itself.
            let container = self.containers.get_mut(&id)?;
            let depth = container.depth + 1;
            let mut made = None;
            let what = match (op, &mut container.kind) {
                (Op::Set(_, key, item), Kind::Map(_)) => {
                    made = Some((item.clone(), Some(key.clone())));
                    What::Set(key, item)
                }
                (Op::Unset(_, key), Kind::Map(_)) => What::Unset(key),
                (Op::List(_, slot, op), Kind::List(field)) => {
                    if let ListOp::Insert(item) | ListOp::Set(_, item) = &op {
                        made = Some((item.clone(), None));
                    }
                    staged.fields.insert(id.clone());
                    let op = (slot, op);
                    if field.push(log.graph(), (number, &own, stamp(at)), op, &agents, &stamp)? {
                        staged.entries.push((id.clone(), stamp(at)));
                    }
                    What::Edit
                }
                (Op::Edit(_, edits), Kind::Text(field)) => {
                    staged.fields.insert(id.clone());
                    let pushed = field.push(log.graph(), number, &own, &edits);
                    self.broken |= field.broken;
                    pushed?;
                    What::Edit
                }
                (Op::Add(_, by), Kind::Counter(_)) => What::Add(by),
                (op @ (Op::Grow(..) | Op::Carry(..) | Op::Fell(..)), Kind::Tree(_)) => {
                    let node = |name: Name| {
                        let node = self.named(log, number, &agents, name, &stamp)?;
                        let parent = self.containers.get(&node)?.parent.as_ref()?;
                        node.stamp().filter(|_| parent.0 == id).cloned()
                    };
                    let below = |parent: Option<Name>| match parent {
                        None => Some(TreeId::Root),
                        Some(name) => node(name).map(TreeId::Made),
                    };
                    let stamp = stamp(at);
                    What::Place(match op {
                        Op::Grow(_, parent, position) => {
                            made = Some((Item::Map, None));
                            Move { stamp: stamp.clone(), node: stamp, parent: below(parent)?, position }
                        }
                        Op::Carry(_, it, parent, position) => {
                            Move { stamp, node: node(it)?, parent: below(parent)?, position }
                        }
                        Op::Fell(_, it) => super::removal(stamp, node(it)?),
                        _ => return None,
                    })
                }
                (Op::Mark(_, mark), Kind::Text(_)) => {
                    What::Mark(self.marking(log, number, &agents, &id, mark)?)
                }
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

    /// The container that an operation of a change names, as its author has seen it.
    fn named<P: Policy>(
        &self,
        log: &Log<P>,
        number: u32,
        agents: &[Agent],
        name: Name,
        here: &dyn Fn(u32) -> Stamp,
    ) -> Option<Id> {
        let made = |id: &Id| {
            self.containers.get(id).is_some_and(|container| log.graph().has_seen(number, container.by))
        };
        match name {
            Name::Root => Some(Id::Root),
            Name::Here(op) => Some(Id::Made(here(op))),
            Name::Other(agent, time) => {
                let agent = agents.get(agent as usize)?;
                let found = resolve(
                    agent,
                    time,
                    |stamp| made(&Id::Made(stamp.clone())),
                    |from| {
                        let later = self.containers.range(Id::Made(from)..).map_while(|(id, _)| id.stamp());
                        later.take_while(|stamp| stamp.time == time).cloned().collect()
                    },
                );
                Some(Id::Made(found?))
            }
        }
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

    /// Shows the new edits of texts and lists, all or none.
    pub(super) fn show(&mut self, fields: &BTreeSet<Id>) -> Option<()> {
        let mut walked = Vec::new();
        for id in fields {
            walked.push(match &mut self.containers.get_mut(id)?.kind {
                Kind::Text(field) => {
                    let walked = field.walk();
                    self.broken |= field.broken;
                    Some(walked?)
                }
                Kind::List(field) => field.makes_sense().then_some(None)?,
                _ => None,
            });
        }
        for (id, walked) in fields.iter().zip(walked) {
            match (self.containers.get_mut(id).map(|it| &mut it.kind), walked) {
                (Some(Kind::Text(field)), Some(walked)) => field.show(walked),
                (Some(Kind::List(field)), _) => field.show(),
                _ => {}
            }
        }
        Some(())
    }

    pub(super) fn take_back(&mut self, staged: Staged) {
        for id in &staged.fields {
            match self.containers.get_mut(id).map(|it| &mut it.kind) {
                Some(Kind::Text(field)) => field.forget(),
                Some(Kind::List(field)) => field.forget(),
                _ => {}
            }
        }
        for (id, entry) in staged.entries {
            if let Some(Container { kind: Kind::List(field), .. }) = self.containers.get_mut(&id) {
                field.drop_entry(&entry);
            }
        }
        staged.made.iter().for_each(|id| drop(self.containers.remove(id)));
    }
}

impl Op {
    fn name(&self) -> Name {
        match self {
            Op::Set(name, ..)
            | Op::Unset(name, _)
            | Op::List(name, ..)
            | Op::Edit(name, _)
            | Op::Add(name, _)
            | Op::Mark(name, _)
            | Op::Grow(name, ..)
            | Op::Carry(name, ..)
            | Op::Fell(name, _) => *name,
        }
    }
}
