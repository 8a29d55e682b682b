//! Whom a node may contact.

use std::sync::Arc;

use dsys_core::{NodeId, Rng};

/// Those given at the start, which all nodes of a simulation share, and those that came up since.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    me: NodeId,
    given: Arc<[NodeId]>,
    /// In order, none of them given.
    learned: Vec<NodeId>,
    most: usize,
}

impl Peers {
    /// `given` may contain `me`; at most `most` are learned.
    pub(crate) fn new(me: NodeId, given: Arc<[NodeId]>, most: usize) -> Self {
        Peers { me, given, learned: Vec::new(), most }
    }

    /// `false` if there is no room for another.
    pub(crate) fn up(&mut self, peer: NodeId) -> bool {
        let Err(at) = self.learned.binary_search(&peer) else { return true };
        if peer == self.me || self.given.contains(&peer) {
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
        let count = self.given.len() + self.learned.len();
        // Drawing ourselves is rare unless we are alone; then there is nobody to find.
        for _ in 0..8 {
            let at = rng.index(count);
            let peer =
                self.given.get(at).or_else(|| self.learned.get(at.saturating_sub(self.given.len())))?;
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
        let mut peers = Peers::new(ids[0], ids[..2].into(), 2);
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
