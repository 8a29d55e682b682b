//! What a document contains, built of the changes that count.
//!
//! A change is applied as a whole or not at all: if one of its operations makes no sense where its author stood, the change
//! says nothing, at every replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsys_core::NodeId;

use super::container::{Container, Entry, Id, Kind};
use super::op::Item;
use super::stage::Staged;
use crate::Agent;
use crate::change::{Log, Policy};
use crate::rich::field::Marking;
use crate::types::{Move, Stamp};

/// Containers are nested so deep at most, and no deeper: whoever walks them needs no more stack.
pub(super) const MAX_DEPTH: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) containers: BTreeMap<Id, Container>,
    /// For each change, the first Lamport time behind its operations; 0 for those that do not count.
    pub(super) ends: Vec<u64>,
    /// Changes that said nothing that makes sense.
    pub(super) void: BTreeSet<u32>,
    /// The agents of authors, and of changes behind an author's first fork.
    pub(super) keys: BTreeMap<NodeId, Agent>,
    pub(super) branches: BTreeMap<u32, Agent>,
    /// A part that was kept on the disk could not be read: all is to be built again.
    pub(super) broken: bool,
    /// Another for every time that it is built, after which events of texts have other numbers.
    pub(super) life: Arc<()>,
}

/// An operation that makes sense, with its names resolved.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) number: u32,
    pub(super) stamp: Stamp,
    pub(super) at: Id,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Set(String, Item),
    Unset(String),
    Place(Move),
    Edit,
    Add(i64),
    Mark(Marking),
}

/// When a mark was made, for [`RichText`](crate::RichText): nobody makes so many operations.
pub(super) fn time(stamp: &Stamp) -> u32 {
    stamp.time.try_into().unwrap_or(u32::MAX)
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
            broken: false,
            life: Arc::default(),
        }
    }
}

impl State {
    /// Applies changes, what they follow first; gives the operations that were done.
    pub(super) fn apply<P: Policy>(&mut self, log: &Log<P>, changes: &[u32]) -> Vec<Sound> {
        let mut staged = Staged::default();
        let made_sense = changes.iter().try_for_each(|&number| self.stage(log, number, &mut staged));
        if made_sense.and_then(|()| self.show(&staged.fields)).is_some() {
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
            (What::Place(to), Kind::Tree(tree)) => drop(tree.apply_all([to.clone()])),
            (What::Add(by), Kind::Counter(sum)) => *sum += i128::from(*by),
            (What::Mark(marking), Kind::Text(field)) => {
                field.rich.append_mark(op.stamp.agent.clone(), time(&op.stamp), marking.clone());
            }
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
