//! From names to places and back, without touching memory in the common case.

use std::collections::BTreeMap;

use dsys_core::NodeId;

use crate::math::mix;

/// The name of the `index`-th node that a simulation with this seed makes: 28 pseudo-random bytes and the index, so
/// names sort in random order, as keys do. No key belongs to it.
///
/// The place is read from the last four bytes and checked by making the name again, which costs four
/// multiplications and no memory access.
#[inline]
pub fn generated_id(seed: u64, index: u32) -> NodeId {
    let start = mix(seed ^ 0xbb67_ae85_84ca_a73b) ^ u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 32];
    for (word, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let word = mix(start.wrapping_add((word as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03)));
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let [a, b, c, d] = index.to_be_bytes();
    [bytes[28], bytes[29], bytes[30], bytes[31]] = [a, b, c, d];
    NodeId::from_bytes(bytes)
}

/// Which node has which name. Places are given in order, from 0.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    count: u32,
    /// Only the names that the user chose.
    places: BTreeMap<NodeId, u32>,
    names: BTreeMap<u32, NodeId>,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Ids { seed, count: 0, places: BTreeMap::new(), names: BTreeMap::new() }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn generate(&mut self) -> (u32, NodeId) {
        let place = self.count;
        self.count += 1;
        (place, generated_id(self.seed, place))
    }

    /// `None` if the name is taken.
    pub(crate) fn insert(&mut self, id: NodeId) -> Option<u32> {
        if self.place(id).is_some() {
            return None;
        }
        let place = self.count;
        self.count += 1;
        self.places.insert(id, place);
        self.names.insert(place, id);
        Some(place)
    }

    #[inline]
    pub(crate) fn place(&self, id: NodeId) -> Option<u32> {
        let &[.., a, b, c, d] = id.as_bytes();
        let place = u32::from_be_bytes([a, b, c, d]);
        if place < self.count && generated_id(self.seed, place) == id {
            // A user may have chosen the name that a later place would have had.
            return (self.names.is_empty() || !self.names.contains_key(&place)).then_some(place);
        }
        if self.places.is_empty() { None } else { self.places.get(&id).copied() }
    }

    #[inline]
    pub(crate) fn name(&self, place: u32) -> NodeId {
        if !self.names.is_empty()
            && let Some(name) = self.names.get(&place)
        {
            return *name;
        }
        generated_id(self.seed, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_agree() {
        let mut ids = Ids::new(5);
        let (first, a) = ids.generate();
        let chosen = NodeId::from_number(0);
        let second = ids.insert(chosen);
        let (third, b) = ids.generate();
        assert_eq!((first, second, third), (0, Some(1), 2));
        assert_eq!(ids.insert(chosen), None);
        for (place, id) in [(0, a), (1, chosen), (2, b)] {
            assert_eq!(ids.place(id), Some(place));
            assert_eq!(ids.name(place), id);
        }
        assert_eq!(ids.place(generated_id(5, 3)), None, "not made yet");
        assert_eq!(ids.place(generated_id(5, 1)), None, "that place has another name");
        assert_eq!(ids.place(generated_id(6, 0)), None, "another simulation's name");
    }
}
