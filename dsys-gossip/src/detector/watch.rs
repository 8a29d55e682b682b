//! Many nodes, each with a detector of its own.

use std::collections::BTreeMap;

use dsys_core::{NodeId, Time};

use super::Detector;

/// A detector for each of many nodes, and our own heartbeat.
///
/// [`beats`](Watch::beats) is what to tell others and [`hear`](Watch::hear) takes it in, so a heartbeat may come by any
/// number of nodes. Heartbeats are not signed: whoever passes them on can keep a dead node alive for others, not the other
/// way round.
#[derive(Clone, Debug)]
pub struct Watch<D> {
    me: NodeId,
    beat: u64,
    most: usize,
    nodes: BTreeMap<NodeId, D>,
    refused: u64,
}

impl<D: Detector> Watch<D> {
    /// Watches nobody yet, and at most so many.
    pub fn new(me: NodeId, most: usize) -> Self {
        Watch { me, beat: 0, most, nodes: BTreeMap::new(), refused: 0 }
    }

    /// Our own next heartbeat, to be told to others.
    pub fn beat(&mut self) -> u64 {
        self.beat += 1;
        self.beat
    }

    /// The number of our last heartbeat.
    pub fn number(&self) -> u64 {
        self.beat
    }

    /// A heartbeat came, of the node itself or passed on. `detector` makes one for a node that is not watched yet; `false` if
    /// there are too many.
    pub fn hear(&mut self, node: NodeId, beat: u64, now: Time, detector: impl FnOnce() -> D) -> bool {
        if node == self.me {
            return true;
        }
        if !self.nodes.contains_key(&node) && self.nodes.len() >= self.most {
            self.refused += 1;
            return false;
        }
        self.nodes.entry(node).or_insert_with(detector).heard(beat, now);
        true
    }

    /// All heartbeats we know of, our own included: what is told to others.
    pub fn beats(&self) -> impl Iterator<Item = (NodeId, u64)> + '_ {
        let others = self.nodes.iter().filter_map(|(node, detector)| Some((*node, detector.beat()?)));
        std::iter::once((self.me, self.beat)).chain(others)
    }

    /// How much each is suspected.
    pub fn suspicions(&self, now: Time) -> impl Iterator<Item = (NodeId, f64)> + '_ {
        self.nodes.iter().map(move |(node, detector)| (*node, detector.suspicion(now)))
    }

    /// Watches this one no more.
    pub fn remove(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Forgets those that were suspected so much. A node that is heard of later is new: wait long enough that nobody passes its
    /// last heartbeat on any more (twice the time of a suspicion, van Renesse et al. §2).
    pub fn forget(&mut self, least: f64, now: Time) {
        self.nodes.retain(|_, detector| detector.suspicion(now) < least);
    }

    /// Heartbeats not taken because there were too many nodes.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
