//! Overlays for broadcasts, and how one went.

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::{NodeId, Rng};

/// A connected graph: for each node its neighbours, in both directions.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    pub(crate) neighbours: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

impl Overlay {
    /// A random tree and so many random links more.
    pub(crate) fn random(nodes: &[NodeId], more: usize, seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let mut neighbours: BTreeMap<NodeId, BTreeSet<NodeId>> =
            nodes.iter().map(|node| (*node, BTreeSet::new())).collect();
        let mut link = |a: NodeId, b: NodeId| {
            if a != b {
                neighbours.get_mut(&a).unwrap().insert(b);
                neighbours.get_mut(&b).unwrap().insert(a);
            }
        };
        for at in 1..nodes.len() {
            link(nodes[at], nodes[rng.index(at)]);
        }
        for _ in 0..more {
            link(nodes[rng.index(nodes.len())], nodes[rng.index(nodes.len())]);
        }
        Overlay { neighbours }
    }

    /// How many links there are.
    pub(crate) fn links(&self) -> usize {
        self.neighbours.values().map(BTreeSet::len).sum::<usize>() / 2
    }

    /// Whether those that are not `gone` reach each other.
    pub(crate) fn connected_without(&self, gone: &BTreeSet<NodeId>) -> bool {
        let alive: Vec<NodeId> =
            self.neighbours.keys().filter(|node| !gone.contains(*node)).copied().collect();
        let Some(first) = alive.first() else { return true };
        let mut reached = BTreeSet::from([*first]);
        let mut next = vec![*first];
        while let Some(node) = next.pop() {
            for peer in &self.neighbours[&node] {
                if !gone.contains(peer) && reached.insert(*peer) {
                    next.push(*peer);
                }
            }
        }
        reached.len() == alive.len()
    }
}
