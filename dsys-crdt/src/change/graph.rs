//! Which change has seen which.
//!
//! The changes of one author form a *line*; after a fork each further branch is a line of its own. What a change has seen is
//! a count for each line. It is stored where a line takes in another one; between two such places only the line's own count
//! grows.
#![allow(clippy::indexing_slicing)] // Numbers of changes and lines are given out here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsys_core::NodeId;

#[derive(Clone, Debug)]
struct Node {
    line: u32,
    /// Its place in the line.
    at: u32,
    /// How many of each line's it has seen, but for its own; lines that are missing: none.
    seen: Arc<[u32]>,
    /// Its own previous one first, if there is one.
    parents: Parents,
}

/// Few changes follow more than one.
#[derive(Clone, Debug)]
enum Parents {
    None,
    One([u32; 1]),
    Many(Box<[u32]>),
}

#[derive(Clone, Debug)]
struct Line {
    author: NodeId,
    changes: Vec<u32>,
}

/// Changes are numbered in the order of their arrival here, what they follow first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    lines: Vec<Line>,
    of_author: BTreeMap<NodeId, Vec<u32>>,
}

impl Graph {
    pub(super) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    pub(crate) fn parents(&self, change: u32) -> &[u32] {
        self.nodes[change as usize].parents.all()
    }

    /// The changes that begin or continue a line right behind `previous`: more than one after a fork.
    pub(super) fn next_of(&self, author: &NodeId, previous: Option<u32>) -> impl Iterator<Item = u32> {
        let lines = self.of_author.get(author).into_iter().flatten().map(|&line| &self.lines[line as usize]);
        let follows =
            move |change: &u32| self.nodes[*change as usize].parents.all().first().copied() == previous;
        let within = previous.and_then(|previous| self.after(previous));
        let first =
            lines.filter_map(|line| line.changes.first().copied()).filter(move |first| match previous {
                Some(_) => follows(first),
                None => !self.has_previous(*first),
            });
        within.into_iter().chain(first)
    }

    /// The author's change before it.
    pub(super) fn previous(&self, change: u32) -> Option<u32> {
        self.parents(change).first().copied().filter(|_| self.has_previous(change))
    }

    /// A change's number among its author's.
    pub(super) fn seq(&self, change: u32) -> u64 {
        let (line, at) = self.place(change);
        let first = self.lines[line as usize].changes[0];
        // A branch begins behind one of another line; an author has few.
        u64::from(at) + self.previous(first).map_or(0, |previous| self.seq(previous) + 1)
    }

    /// Those that no other follows.
    pub(super) fn tips(&self) -> BTreeSet<u32> {
        let mut followed = vec![false; self.nodes.len()];
        for parent in self.nodes.iter().flat_map(|node| node.parents.all()) {
            followed[*parent as usize] = true;
        }
        (0..self.len()).filter(|&number| !followed[number as usize]).collect()
    }

    /// Whose change it is.
    pub(crate) fn author(&self, change: u32) -> &NodeId {
        &self.lines[self.nodes[change as usize].line as usize].author
    }

    /// The last changes of an author's lines.
    pub(super) fn last_of(&self, author: &NodeId) -> impl Iterator<Item = u32> {
        let lines = self.of_author.get(author).into_iter().flatten().map(|&line| &self.lines[line as usize]);
        lines.filter_map(|line| line.changes.last().copied())
    }

    /// The changes of each line, in their order.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u32]> {
        self.lines.iter().map(|line| line.changes.as_slice())
    }

    /// The changes of each of an author's lines, in their order.
    pub(crate) fn lines_by(&self, author: &NodeId) -> impl Iterator<Item = &[u32]> {
        let lines = self.of_author.get(author).into_iter().flatten();
        lines.map(|&line| self.lines[line as usize].changes.as_slice())
    }

    /// The change at a place of a line.
    pub(crate) fn change_at(&self, line: u32, at: u32) -> Option<u32> {
        self.lines.get(line as usize)?.changes.get(at as usize).copied()
    }

    /// The change after this one in its line.
    pub(super) fn after(&self, change: u32) -> Option<u32> {
        let Node { line, at, .. } = self.nodes[change as usize];
        self.lines[line as usize].changes.get(at as usize + 1).copied()
    }

    /// Whether `change` has seen `other`, or is it.
    pub(crate) fn has_seen(&self, change: u32, other: u32) -> bool {
        let (Node { line, at, .. }, seen) = (&self.nodes[other as usize], &self.nodes[change as usize]);
        if seen.line == *line {
            seen.at >= *at
        } else {
            seen.seen.get(*line as usize).is_some_and(|count| count > at)
        }
    }

    /// Whether a sight includes a change.
    pub(super) fn seen_by(&self, sight: &Sight, other: u32) -> bool {
        let Node { line, at, .. } = self.nodes[other as usize];
        sight.count(line) > at
    }

    /// [`Graph::has_seen`] of changes by their lines and places there.
    pub(crate) fn has_seen_place(&self, change: (u32, u32), other: (u32, u32)) -> bool {
        let at = |(line, at): (u32, u32)| self.lines[line as usize].changes[at as usize];
        self.has_seen(at(change), at(other))
    }

    /// A change's line, and its place there.
    pub(crate) fn place(&self, change: u32) -> (u32, u32) {
        let Node { line, at, .. } = self.nodes[change as usize];
        (line, at)
    }

    /// What a change sees that follows these.
    pub(crate) fn sight(&self, parents: &[u32]) -> Sight {
        match parents {
            [] => Sight { line: u32::MAX, own: 0, seen: Arc::new([]) },
            [only] => self.sight_of(*only),
            _ => {
                let sights: Vec<Sight> = parents.iter().map(|parent| self.sight_of(*parent)).collect();
                let lines = (0..self.lines.len() as u32)
                    .map(|line| sights.iter().map(|sight| sight.count(line)).max().unwrap_or(0));
                Sight { line: u32::MAX, own: 0, seen: lines.collect() }
            }
        }
    }

    fn sight_of(&self, change: u32) -> Sight {
        let Node { line, at, seen, .. } = &self.nodes[change as usize];
        Sight { line: *line, own: at + 1, seen: seen.clone() }
    }

    /// The authors whom changes have seen that follow these, in the order of their keys.
    pub(crate) fn authors_seen(&self, parents: &[u32]) -> Vec<NodeId> {
        let sight = self.sight(parents);
        let seen = |(_, lines): &(&NodeId, &Vec<u32>)| lines.iter().any(|&line| sight.count(line) > 0);
        self.of_author.iter().filter(seen).map(|(author, _)| *author).collect()
    }

    /// Adds a change that follows `previous` of its own author and `others`; gives its number.
    pub(super) fn push(&mut self, author: NodeId, previous: Option<u32>, others: &[u32]) -> u32 {
        let number = self.len();
        let parents = match (previous, others) {
            (Some(previous), []) => Parents::One([previous]),
            _ => previous.into_iter().chain(others.iter().copied()).collect::<Vec<_>>().into(),
        };
        let continued = previous.filter(|previous| self.after(*previous).is_none());
        let line = match continued {
            Some(previous) => self.nodes[previous as usize].line,
            None => {
                let line = self.lines.len() as u32;
                self.lines.push(Line { author, changes: Vec::new() });
                self.of_author.entry(author).or_default().push(line);
                line
            }
        };
        let seen = match (continued, others) {
            (Some(previous), []) => self.nodes[previous as usize].seen.clone(),
            _ => self.sight(parents.all()).counts(),
        };
        let at = self.lines[line as usize].changes.len() as u32;
        self.lines[line as usize].changes.push(number);
        self.nodes.push(Node { line, at, seen, parents });
        number
    }

    /// Removes the change that was added last.
    pub(super) fn pop(&mut self) {
        let Some(Node { line, .. }) = self.nodes.pop() else { return };
        let changes = &mut self.lines[line as usize].changes;
        changes.pop();
        if changes.is_empty() {
            // Lines are numbered in the order of their first changes, so this one is the last.
            let author = self.lines[line as usize].author;
            self.lines.pop();
            if let Some(lines) = self.of_author.get_mut(&author) {
                lines.pop();
            }
        }
    }

    /// How many lines an author has: one more than forks.
    pub(super) fn lines_of(&self, author: &NodeId) -> usize {
        self.of_author.get(author).map_or(0, Vec::len)
    }

    fn has_previous(&self, change: u32) -> bool {
        let node = &self.nodes[change as usize];
        let author = |change: u32| self.lines[self.nodes[change as usize].line as usize].author;
        node.at > 0 || node.parents.all().first().is_some_and(|&parent| author(parent) == author(change))
    }
}

impl Parents {
    fn all(&self) -> &[u32] {
        match self {
            Parents::None => &[],
            Parents::One(one) => one,
            Parents::Many(many) => many,
        }
    }
}

impl From<Vec<u32>> for Parents {
    fn from(parents: Vec<u32>) -> Parents {
        match parents.as_slice() {
            [] => Parents::None,
            [one] => Parents::One([*one]),
            _ => Parents::Many(parents.into()),
        }
    }
}

/// What a change has seen.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    line: u32,
    own: u32,
    seen: Arc<[u32]>,
}

impl Sight {
    pub(crate) fn count(&self, line: u32) -> u32 {
        let count = self.seen.get(line as usize).copied().unwrap_or(0);
        if line == self.line { self.own.max(count) } else { count }
    }

    fn counts(self) -> Arc<[u32]> {
        if self.line == u32::MAX {
            return self.seen;
        }
        let lines = self.seen.len().max(self.line as usize + 1) as u32;
        (0..lines).map(|line| self.count(line)).collect()
    }
}
