//! Moves in the order of their stamps, whatever the order in which they come (Kleppmann et al. 2021, §3.3): those with later
//! stamps are undone, and done again behind the new ones. The lists of children are brought up to date once, at the end.

use std::collections::BTreeMap;

use super::{Entry, Move, Node, Place, ROOT, TRASH, Tree, TreeId};
use crate::types::Stamp;

impl Tree {
    /// Takes in moves; gives how many were new.
    pub(super) fn replay(&mut self, mut moves: Vec<Move>) -> usize {
        moves.sort_unstable();
        // Two moves under one stamp are a liar's; the greater one holds, everywhere.
        moves.dedup_by(|later, kept| {
            let same = later.stamp == kept.stamp;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        moves.retain(|op| self.find(&op.stamp).is_none_or(|known| known < op));
        let Some(first) = moves.first() else { return 0 };
        let from = self.log.partition_point(|entry| entry.op.stamp < first.stamp);
        let mut touched = BTreeMap::new();
        let later = self.log.split_off(from);
        for entry in later.iter().rev() {
            self.put(entry.node, entry.old.clone(), &mut touched);
        }
        let new = moves.len();
        let mut later =
            later.into_iter().map(|entry| (entry.op, Some((entry.node, entry.parent)))).peekable();
        let mut moves = moves.into_iter().peekable();
        loop {
            let (op, known) = match (later.peek(), moves.peek()) {
                (Some((known, _)), Some(op)) if known.stamp == op.stamp => {
                    later.next();
                    continue;
                }
                (Some((known, _)), Some(op)) if known.stamp > op.stamp => (moves.next(), None),
                (Some(_), _) => match later.next() {
                    Some((op, known)) => (Some(op), known),
                    None => break,
                },
                (None, _) => (moves.next(), None),
            };
            let Some(op) = op else { break };
            let (node, parent) = match known {
                Some(known) => known,
                None => (self.intern(TreeId::Made(op.node.clone())), self.intern(op.parent.clone())),
            };
            self.run(op, node, parent, &mut touched);
        }
        self.refresh(touched);
        new
    }

    fn find(&self, stamp: &Stamp) -> Option<&Move> {
        // New moves mostly come last.
        if self.log.last().is_none_or(|last| last.op.stamp < *stamp) {
            return None;
        }
        let at = self.log.binary_search_by(|entry| entry.op.stamp.cmp(stamp)).ok()?;
        self.log.get(at).map(|entry| &entry.op)
    }

    /// Does one move (§3.2): not if it would make a cycle.
    fn run(&mut self, op: Move, node: u32, parent: u32, touched: &mut BTreeMap<u32, Option<Place>>) {
        let old = self.node(node).and_then(|node| node.place.clone());
        // Nothing is above a node that has nothing below it.
        let leaf = self.node(node).is_some_and(|node| node.below == 0);
        if node != parent && (leaf || !self.is_above(node, parent)) {
            self.put(node, Some(Place { parent, position: op.position.clone() }), touched);
        }
        self.log.push(Entry { op, node, parent, old });
    }

    fn put(&mut self, node: u32, place: Option<Place>, touched: &mut BTreeMap<u32, Option<Place>>) {
        let Some(changed) = self.nodes.get_mut(node as usize) else { return };
        let (from, to) = (changed.place.as_ref().map(|old| old.parent), place.as_ref().map(|new| new.parent));
        let old = std::mem::replace(&mut changed.place, place);
        touched.entry(node).or_insert(old);
        if from != to {
            if let Some(parent) = from.and_then(|parent| self.nodes.get_mut(parent as usize)) {
                parent.below -= 1;
            }
            if let Some(parent) = to.and_then(|parent| self.nodes.get_mut(parent as usize)) {
                parent.below += 1;
            }
        }
    }

    /// Brings the lists of children in line with the places; `touched` has where each node was listed.
    fn refresh(&mut self, touched: BTreeMap<u32, Option<Place>>) {
        for (number, listed) in touched {
            let Some(node) = self.nodes.get(number as usize) else { continue };
            if node.place == listed {
                continue;
            }
            let (id, place) = (node.id.clone(), node.place.clone());
            if let Some(Place { parent, position }) = listed
                && let Some(parent) = self.nodes.get_mut(parent as usize)
            {
                parent.children.remove(&(position, id.clone()));
            }
            if let Some(Place { parent, position }) = place
                && let Some(parent) = self.nodes.get_mut(parent as usize)
            {
                parent.children.insert((position, id), number);
            }
        }
    }

    fn intern(&mut self, id: TreeId) -> u32 {
        let stamp = match &id {
            TreeId::Root => return ROOT,
            TreeId::Trash => return TRASH,
            TreeId::Made(stamp) => stamp,
        };
        if let Some(&number) = self.numbers.get(stamp) {
            return number;
        }
        let number = self.nodes.len() as u32;
        self.numbers.insert(stamp.clone(), number);
        self.nodes.push(Node { id, place: None, below: 0, children: BTreeMap::new() });
        number
    }
}
