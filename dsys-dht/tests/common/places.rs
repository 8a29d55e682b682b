//! Where nodes of Kademlia lie, and whom they know.

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::Key;

/// Whom a long life would have put into the buckets of `me`: `k` of those that belong into each, at random.
pub(crate) fn known(me: NodeId, ids: &[NodeId], k: usize, rng: &mut Rng) -> Vec<NodeAddr> {
    let here = Key::of_node(me);
    let mut others = ids.to_vec();
    rng.shuffle(&mut others);
    let mut room = vec![k; Key::BITS + 1];
    others.retain(|other| {
        let room = &mut room[here.common_prefix(Key::of_node(*other))];
        *room = room.saturating_sub(1);
        *room > 0
    });
    others.into_iter().map(NodeAddr::new).collect()
}

/// The `count` nodes of these that are nearest to `key`, the nearest first.
pub(crate) fn nearest(nodes: impl IntoIterator<Item = NodeId>, key: Key, count: usize) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
    nodes.sort_by_key(|node| Key::of_node(*node).xor(key));
    nodes.truncate(count);
    nodes
}
