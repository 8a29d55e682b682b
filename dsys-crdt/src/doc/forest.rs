//! Trees within a document: nodes that move, each of which carries a map.

use std::collections::BTreeMap;

use super::container::{Id, Kind};
use super::edit::Edit;
use super::op::Op;
use super::read::tokens;
use super::state::{State, What};
use super::value::{TreeNode, Value};
use super::{Doc, DocError};
use crate::Agent;
use crate::change::Policy;
use crate::types::{Move, Spot, Stamp, Tree, TreeError, TreeId};

/// A node's name in pointers: when it was made, and by whom.
pub(super) fn name_of(stamp: &Stamp) -> String {
    let agent: String = stamp.agent.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{agent}", stamp.time)
}

pub(super) fn node_of(name: &str) -> Option<Stamp> {
    let (time, agent) = name.split_once('-')?;
    let digits = agent.as_bytes();
    if digits.len() > 2 * Agent::MAX || !digits.len().is_multiple_of(2) || !agent.is_ascii() {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    Some(Stamp { time: time.parse().ok()?, agent: Agent::new(bytes).ok()? })
}

impl State {
    /// The nodes of a tree, each before those below it. A tree may be deeper than a stack.
    pub(super) fn nodes(&self, tree: &Tree) -> Vec<TreeNode> {
        let mut nodes = Vec::new();
        let mut due: Vec<(&TreeId, Option<String>)> =
            tree.children(&TreeId::Root).rev().map(|id| (id, None)).collect();
        while let Some((id, parent)) = due.pop() {
            let TreeId::Made(stamp) = id else { continue };
            let name = name_of(stamp);
            due.extend(tree.children(id).rev().map(|child| (child, Some(name.clone()))));
            let value = match self.contents(&Id::Made(stamp.clone())) {
                Value::Map(value) => value,
                _ => BTreeMap::new(),
            };
            nodes.push(TreeNode { id: name, parent, value });
        }
        nodes
    }

    /// The tree that a pointer leads to, and a node of it: its root, if none is named.
    fn tree(&self, pointer: &str, node: Option<&str>) -> Result<(Id, &Tree, TreeId), DocError> {
        let id = self.find(&tokens(pointer)?)?;
        let Kind::Tree(tree) = self.kind(&id)? else { return Err(DocError::WrongKind) };
        let node = match node {
            None => TreeId::Root,
            Some(name) => TreeId::Made(node_of(name).ok_or(DocError::NotFound)?),
        };
        if !tree.contains(&node) {
            return Err(DocError::NotFound);
        }
        Ok((id, tree, node))
    }

    fn children(&self, pointer: &str, node: Option<&str>) -> Result<Vec<String>, DocError> {
        let (_, tree, node) = self.tree(pointer, node)?;
        Ok(tree.children(&node).filter_map(stamp_of).map(|stamp| name_of(&stamp)).collect())
    }
}

impl<P: Policy> Doc<P> {
    /// The names of the nodes right below one of a tree, or at its root, in their order.
    ///
    /// # Errors
    /// If there is no such tree or node.
    pub fn children(&self, tree: &str, node: Option<&str>) -> Result<Vec<String>, DocError> {
        self.state.children(tree, node)
    }
}

impl Edit<'_> {
    /// As [`Doc::children`].
    ///
    /// # Errors
    /// As there.
    pub fn children(&self, tree: &str, node: Option<&str>) -> Result<Vec<String>, DocError> {
        self.state.children(tree, node)
    }

    /// Puts a new node into a tree: below another or at the root, behind `at` others or behind all. Gives its name, by which
    /// pointers lead to what it carries, a map: `/tree/NAME/title`.
    ///
    /// # Errors
    /// If there is no such tree, parent or place.
    pub fn create_node(
        &mut self,
        tree: &str,
        parent: Option<&str>,
        at: Option<usize>,
    ) -> Result<String, DocError> {
        let (id, _, parent) = self.state.tree(tree, parent)?;
        Ok(name_of(&self.grow(&id, &parent, spot(at))?))
    }

    /// Moves a node of a tree, with all below it; `at` is how many siblings stand before it afterwards, else all.
    ///
    /// # Errors
    /// If one of them is not there, or the node would stand below itself.
    pub fn move_node(
        &mut self,
        tree: &str,
        node: &str,
        parent: Option<&str>,
        at: Option<usize>,
    ) -> Result<(), DocError> {
        let (id, forest, to) = self.state.tree(tree, parent)?;
        let (_, _, node) = self.state.tree(tree, Some(node))?;
        let mut above = Some(to.clone());
        while let Some(it) = above {
            if it == node {
                return Err(TreeError::Cycle.into());
            }
            above = forest.parent(&it);
        }
        let position = forest.place(&to, Some(&node), spot(at), &self.next())?;
        let Some(stamp) = stamp_of(&node) else { return Err(DocError::NotFound) };
        let (name, below) = (self.name(&id), stamp_of(&to).map(|to| self.name(&Id::Made(to))));
        let moved = self.name(&Id::Made(stamp.clone()));
        let place = Move { stamp: self.next(), node: stamp, parent: to, position: position.clone() };
        self.push(Op::Carry(name, moved, below, position), &id, What::Place(place));
        Ok(())
    }

    fn grow(&mut self, tree: &Id, parent: &TreeId, spot: Spot<'_>) -> Result<Stamp, DocError> {
        let Kind::Tree(forest) = self.state.kind(tree)? else { return Err(DocError::WrongKind) };
        let stamp = self.next();
        let position = forest.place(parent, None, spot, &stamp)?;
        self.make(&stamp, &super::op::Item::Map, (tree.clone(), None))?;
        let (name, below) = (self.name(tree), stamp_of(parent).map(|it| self.name(&Id::Made(it))));
        let (node, parent) = (stamp.clone(), parent.clone());
        let place = Move { stamp: stamp.clone(), node, parent, position: position.clone() };
        self.push(Op::Grow(name, below, position), tree, What::Place(place));
        Ok(stamp)
    }

    /// Fills an empty tree.
    pub(super) fn plant(&mut self, tree: &Id, nodes: Vec<TreeNode>) -> Result<(), DocError> {
        let mut made: BTreeMap<String, Stamp> = BTreeMap::new();
        for TreeNode { id, parent, value } in nodes {
            let parent = match parent {
                None => TreeId::Root,
                Some(name) => TreeId::Made(made.get(&name).ok_or(DocError::NotFound)?.clone()),
            };
            let stamp = self.grow(tree, &parent, Spot::Last)?;
            let node = Id::Made(stamp.clone());
            made.insert(id, stamp);
            value.into_iter().try_for_each(|(key, value)| self.fill(&node, Some(key), value))?;
        }
        Ok(())
    }
}

fn spot(at: Option<usize>) -> Spot<'static> {
    at.map_or(Spot::Last, Spot::At)
}

fn stamp_of(node: &TreeId) -> Option<Stamp> {
    match node {
        TreeId::Made(stamp) => Some(stamp.clone()),
        _ => None,
    }
}
