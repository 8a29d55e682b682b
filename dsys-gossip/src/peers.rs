//! Whom a node may contact.

use std::sync::Arc;

use dsys_core::{NodeId, Rng};

/// Nodes that a node is given at the start, in order, each once. Clones share one list: the nodes of a large simulation all
/// have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites(Arc<[NodeId]>);

impl FromIterator<NodeId> for Sites {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
        nodes.sort_unstable();
        nodes.dedup();
        Sites(nodes.into())
    }
}

impl From<&[NodeId]> for Sites {
    fn from(nodes: &[NodeId]) -> Self {
        nodes.iter().copied().collect()
    }
}

impl From<Vec<NodeId>> for Sites {
    fn from(nodes: Vec<NodeId>) -> Self {
        nodes.into_iter().collect()
    }
}

impl<const N: usize> From<[NodeId; N]> for Sites {
    fn from(nodes: [NodeId; N]) -> Self {
        nodes.into_iter().collect()
    }
}

/// Those given at the start and those that came up since.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    me: NodeId,
    given: Sites,
    /// In order, none of them given.
    learned: Vec<NodeId>,
    most: usize,
}

impl Peers {
    /// `given` may contain `me`; at most `most` are learned.
    pub(crate) fn new(me: NodeId, given: Sites, most: usize) -> Self {
        Peers { me, given, learned: Vec::new(), most }
    }

    /// `false` if there is no room for another.
    pub(crate) fn up(&mut self, peer: NodeId) -> bool {
        let Err(at) = self.learned.binary_search(&peer) else { return true };
        if peer == self.me || self.given.0.binary_search(&peer).is_ok() {
            return true;
        }
        if self.learned.len() >= self.most {
            return false;
        }
        self.learned.insert(at, peer);
        true
    }

    /// Those given stay: they may come back.
    pub(crate) fn down(&mut self, peer: NodeId) {
        if let Ok(at) = self.learned.binary_search(&peer) {
            self.learned.remove(at);
        }
    }

    /// One of them at random, never ourselves.
    pub(crate) fn pick(&self, rng: &mut Rng) -> Option<NodeId> {
        let given = &self.given.0;
        let count = given.len() + self.learned.len();
        // Drawing ourselves is rare unless we are alone; then there is nobody to find.
        for _ in 0..8 {
            let at = rng.index(count);
            let peer = given.get(at).or_else(|| self.learned.get(at.saturating_sub(given.len())))?;
            if *peer != self.me {
                return Some(*peer);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_but_ourselves_is_picked_and_the_bound_holds() {
        let ids: Vec<NodeId> = (0..5).map(NodeId::from_number).collect();
        let mut peers = Peers::new(ids[0], Sites::from(&ids[..2]), 2);
        assert!(peers.up(ids[2]) && peers.up(ids[3]) && peers.up(ids[3]) && !peers.up(ids[4]));
        let mut rng = Rng::from_seed(1);
        let picked = |peers: &Peers, rng: &mut Rng| {
            let mut all: Vec<NodeId> = (0..200).filter_map(|_| peers.pick(rng)).collect();
            all.sort();
            all.dedup();
            all
        };
        let mut expected = vec![ids[1], ids[2], ids[3]];
        expected.sort();
        assert_eq!(picked(&peers, &mut rng), expected);
        for id in &ids {
            peers.down(*id);
        }
        assert_eq!(picked(&peers, &mut rng), [ids[1]]);
        assert_eq!(Peers::new(ids[0], [ids[0]].into(), 1).pick(&mut rng), None);
    }
}
