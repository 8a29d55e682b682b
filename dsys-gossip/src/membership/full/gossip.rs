//! What rides on messages (SWIM §4.1: the infection-style component).

use std::collections::{BTreeMap, BTreeSet};

use dsys_core::NodeId;

use super::Update;

/// The updates to be passed on, one for each node: what was said of it last. Those that were passed on least go first, each
/// only so often.
#[derive(Clone, Debug, Default)]
pub(super) struct Gossip {
    updates: BTreeMap<NodeId, (u32, Update)>,
    order: BTreeSet<(u32, NodeId)>,
}

impl Gossip {
    pub(super) fn add(&mut self, update: Update) {
        let id = update.id;
        if let Some((sent, _)) = self.updates.insert(id, (0, update)) {
            self.order.remove(&(sent, id));
        }
        self.order.insert((0, id));
    }

    /// Up to `most` updates for one message; each is given `times`.
    pub(super) fn take(&mut self, most: usize, times: u32) -> Vec<Update> {
        let chosen: Vec<(u32, NodeId)> = self.order.iter().take(most).copied().collect();
        let mut updates = Vec::with_capacity(chosen.len());
        for (sent, id) in chosen {
            self.order.remove(&(sent, id));
            let Some((count, update)) = self.updates.get_mut(&id) else { continue };
            updates.push(update.clone());
            *count = sent + 1;
            if *count >= times {
                self.updates.remove(&id);
            } else {
                self.order.insert((sent + 1, id));
            }
        }
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::full::Claim;

    #[test]
    fn each_is_given_so_often_and_what_is_new_goes_first() {
        let mut gossip = Gossip::default();
        let update =
            |number, incarnation| Update { id: NodeId::from_number(number), incarnation, claim: Claim::Down };
        (1..=3).for_each(|number| gossip.add(update(number, 0)));
        assert_eq!(gossip.take(2, 2), [update(1, 0), update(2, 0)]);
        gossip.add(update(1, 7));
        assert_eq!(gossip.take(2, 2), [update(1, 7), update(3, 0)], "the later word replaces the earlier");
        assert_eq!(gossip.take(9, 2).len(), 3);
        assert!(gossip.take(9, 2).is_empty() && gossip.updates.is_empty() && gossip.order.is_empty());
    }
}
