//! The tree whose nodes move: Kleppmann, Mulligan, Gomes, Beresford, "A highly-available move operation for replicated
//! trees", IEEE TPDS 2021.

mod encoding;
mod position;
mod replay;

use std::collections::BTreeMap;

pub use position::Position;

use super::{Full, Merge, Replicated, Stamp};
use crate::Agent;

/// A tree with ordered children, whose nodes are created, moved and deleted at several places at once, and which never has
/// a cycle: of the moves in the order of their stamps, one that would put a node below itself is skipped, everywhere (§3.2).
///
/// A deleted node goes to the [trash](TreeId::Trash) with all below it; a concurrent move out of there restores it. What a
/// node carries stands elsewhere, in a map under the node's name.
///
/// A move that comes late costs as much as those with later stamps: they are undone and done again. Many moves are best
/// given at once, to [`Tree::apply_all`]. All moves are kept.
///
/// ```
/// use dsys_crdt::Agent;
/// use dsys_crdt::types::{Merge, Spot, Tree, TreeId};
///
/// let (anna, ben) = (Agent::new("anna")?, Agent::new("ben")?);
/// let mut here = Tree::default();
/// let a = here.create(&anna, &TreeId::Root, Spot::Last)?.id();
/// let b = here.create(&anna, &TreeId::Root, Spot::Last)?.id();
/// let mut there = here.clone();
/// here.move_to(&anna, &a, &b, Spot::Last)?;
/// there.move_to(&ben, &b, &a, Spot::Last)?;
/// here.merge(&there);
/// there.merge(&here);
/// assert_eq!((here.parent(&b), here.parent(&a)), (Some(TreeId::Root), Some(b)));
/// assert_eq!(here, there);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tree {
    /// The numbers here of all names that ever occurred.
    numbers: BTreeMap<Stamp, u32>,
    nodes: Vec<Node>,
    /// In the order of the stamps.
    log: Vec<Entry>,
}

/// A node's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TreeId {
    /// The node that is always there and has no parent.
    Root,
    /// Where deleted nodes are.
    Trash,
    /// The node that the move of this stamp created.
    Made(Stamp),
}

/// A change of the tree: `node` becomes a child of `parent`. The first move of a node creates it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Move {
    /// When: a Lamport time, above all that the author had seen.
    pub stamp: Stamp,
    /// The node, by the stamp of its creation.
    pub node: Stamp,
    /// Its new parent.
    pub parent: TreeId,
    /// Where among the children.
    pub position: Position,
}

impl Move {
    /// The node's name.
    pub fn id(&self) -> TreeId {
        TreeId::Made(self.node.clone())
    }
}

/// A place among the children of a node; those that are not there make the change fail. A node that moves among its own
/// siblings does not count as one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot<'a> {
    /// Before all.
    First,
    /// Behind all.
    Last,
    /// Before this one.
    Before(&'a TreeId),
    /// Behind this one.
    After(&'a TreeId),
    /// Behind so many; takes time in proportion to that.
    At(usize),
}

/// Why a change was not made. The tree is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A node that is meant is not in the tree, or not among the children.
    #[error("there is no such node in the tree, or not among those children: it may have been deleted")]
    Missing,
    /// The node would become its own ancestor.
    #[error("a node cannot be moved below itself")]
    Cycle,
    /// The root and the trash stay where they are.
    #[error("the root and the trash cannot be moved")]
    Fixed,
    /// There are fewer children.
    #[error("there are only {0} children")]
    OutOfRange(usize),
    /// Too many nodes were put between two siblings, one in between the last two each time.
    #[error("there is no room between these siblings: move one of them")]
    NoRoom,
    /// A stamp stands at the end of time, or there are 2³² - 1 nodes.
    #[error(transparent)]
    Full(#[from] Full),
}

const ROOT: u32 = 0;
const TRASH: u32 = 1;

#[derive(Clone, Debug)]
struct Node {
    id: TreeId,
    /// None for the root, the trash, and a node that others named before its creation was known.
    place: Option<Place>,
    /// How many nodes have a place below this one.
    below: u32,
    /// By position, and by name for equal positions, which only a liar makes.
    children: BTreeMap<(Position, TreeId), u32>,
}

#[derive(Clone, Debug, PartialEq)]
struct Place {
    parent: u32,
    position: Position,
}

#[derive(Clone, Debug)]
struct Entry {
    op: Move,
    node: u32,
    parent: u32,
    /// Where the node was before; for undoing.
    old: Option<Place>,
}

impl Default for Tree {
    fn default() -> Self {
        let fixed = |id| Node { id, place: None, below: 0, children: BTreeMap::new() };
        let nodes = vec![fixed(TreeId::Root), fixed(TreeId::Trash)];
        Tree { numbers: BTreeMap::new(), nodes, log: Vec::new() }
    }
}

impl PartialEq for Tree {
    /// Whether both have the same moves, and so the same nodes at the same places.
    fn eq(&self, other: &Self) -> bool {
        self.moves().eq(other.moves())
    }
}

impl Eq for Tree {}

impl Tree {
    /// Creates a node as `agent`.
    ///
    /// # Errors
    /// If the parent or the spot is not there, or the tree is full.
    pub fn create(&mut self, agent: &Agent, parent: &TreeId, spot: Spot<'_>) -> Result<Move, TreeError> {
        let stamp = self.next(agent)?;
        let to = self.present(parent)?;
        self.change(stamp.clone(), stamp, None, to, spot)
    }

    /// Moves a node, with all below it, to another place.
    ///
    /// # Errors
    /// If any of them is not there, or the node would be below itself.
    pub fn move_to(
        &mut self,
        agent: &Agent,
        node: &TreeId,
        parent: &TreeId,
        spot: Spot<'_>,
    ) -> Result<Move, TreeError> {
        let TreeId::Made(name) = node else { return Err(TreeError::Fixed) };
        let (number, to) = (self.present(node)?, self.present(parent)?);
        if number == to || self.is_above(number, to) {
            return Err(TreeError::Cycle);
        }
        let stamp = self.next(agent)?;
        self.change(stamp, name.clone(), Some(number), to, spot)
    }

    /// Moves a node, with all below it, to the trash.
    ///
    /// # Errors
    /// If it is not there, or fixed.
    pub fn delete(&mut self, agent: &Agent, node: &TreeId) -> Result<Move, TreeError> {
        self.move_to(agent, node, &TreeId::Trash, Spot::Last)
    }

    /// Takes in moves of others, in any order; known ones are skipped. Gives how many were new.
    pub fn apply_all(&mut self, moves: impl IntoIterator<Item = Move>) -> usize {
        self.replay(moves.into_iter().collect())
    }

    /// Whether a node is below the root, or is the root.
    pub fn contains(&self, node: &TreeId) -> bool {
        self.number(node).is_some_and(|number| number == ROOT || self.is_above(ROOT, number))
    }

    /// The parent of a node; none for the root, the trash, and nodes that never were.
    pub fn parent(&self, node: &TreeId) -> Option<TreeId> {
        let place = self.node(self.number(node)?)?.place.as_ref()?;
        Some(self.node(place.parent)?.id.clone())
    }

    /// The children of a node in their order; none for one that is not there.
    pub fn children(&self, node: &TreeId) -> impl DoubleEndedIterator<Item = &TreeId> {
        let node = self.number(node).and_then(|number| self.node(number));
        node.into_iter().flat_map(|node| node.children.keys().map(|(_, id)| id))
    }

    /// How many children a node has.
    pub fn count(&self, node: &TreeId) -> usize {
        self.number(node).and_then(|number| self.node(number)).map_or(0, |node| node.children.len())
    }

    /// All moves, in the order of their stamps.
    pub fn moves(&self) -> impl DoubleEndedIterator<Item = &Move> + ExactSizeIterator {
        self.log.iter().map(|entry| &entry.op)
    }

    /// The latest stamp's time: what [`Stamp::check`] should be given as `now`, before moves of others are taken in.
    pub fn time(&self) -> u64 {
        self.log.last().map_or(0, |entry| entry.op.stamp.time)
    }

    /// A position among the children of a node, where `node` may be one of them already.
    #[cfg(feature = "keys")]
    pub(crate) fn place(
        &self,
        parent: &TreeId,
        node: Option<&TreeId>,
        spot: Spot<'_>,
        stamp: &Stamp,
    ) -> Result<Position, TreeError> {
        let parent = self.number(parent).and_then(|parent| self.node(parent)).ok_or(TreeError::Missing)?;
        self.position(parent, node.and_then(|node| self.number(node)), spot, stamp)
    }

    fn change(
        &mut self,
        stamp: Stamp,
        node: Stamp,
        number: Option<u32>,
        to: u32,
        spot: Spot<'_>,
    ) -> Result<Move, TreeError> {
        let parent = self.node(to).ok_or(TreeError::Missing)?;
        let position = self.position(parent, number, spot, &stamp)?;
        let op = Move { stamp, node, parent: parent.id.clone(), position };
        self.replay(vec![op.clone()]);
        Ok(op)
    }

    /// A stamp above all.
    fn next(&self, agent: &Agent) -> Result<Stamp, Full> {
        if self.nodes.len() >= u32::MAX as usize {
            return Err(Full);
        }
        Stamp::after(self.log.last().map(|entry| &entry.op.stamp), 0, agent)
    }

    fn present(&self, id: &TreeId) -> Result<u32, TreeError> {
        let known =
            |number: &u32| *number <= TRASH || self.node(*number).is_some_and(|node| node.place.is_some());
        self.number(id).filter(known).ok_or(TreeError::Missing)
    }

    fn number(&self, id: &TreeId) -> Option<u32> {
        match id {
            TreeId::Root => Some(ROOT),
            TreeId::Trash => Some(TRASH),
            TreeId::Made(stamp) => self.numbers.get(stamp).copied(),
        }
    }

    fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    /// Whether `ancestor` is above `node`, which there is no cycle to hide.
    fn is_above(&self, ancestor: u32, node: u32) -> bool {
        let mut at = node;
        while let Some(place) = self.node(at).and_then(|node| node.place.as_ref()) {
            if place.parent == ancestor {
                return true;
            }
            at = place.parent;
        }
        false
    }
}

impl Merge for Tree {
    fn merge(&mut self, other: &Self) {
        self.apply_all(other.moves().cloned());
    }
}

impl Replicated for Tree {
    type Op = Move;

    fn apply(&mut self, op: &Move) {
        self.replay(vec![op.clone()]);
    }

    fn delta(op: &Move) -> Self {
        let mut delta = Tree::default();
        delta.apply(op);
        delta
    }
}
