//! The trace of a simulation, in the format that live nodes share ([`dsys_core::trace`]), and its hash
//! ([`Network::trace_hash`](crate::Network::trace_hash)), taken over the same records in the same order.

pub use dsys_core::trace::{Kind, Record};

use crate::math::mix;

/// A 64-bit hash of everything that happened, in order. Finds differences between runs; no defence against malice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const START: Hash = Hash(0x243f_6a88_85a3_08d3);

    /// Two folded multiplications, as in wyhash.
    #[inline]
    pub(crate) fn add(&mut self, time: u64, kind: Kind, node: u32, peer: u32, weight: u64) {
        let who = u64::from(node) << 32 | u64::from(peer);
        let what = weight << 4 ^ kind as u64;
        let state = fold(self.0 ^ time, 0xa076_1d64_78bd_642f ^ who.rotate_left(17));
        self.0 = fold(state ^ what, 0xe703_7ed1_a0b4_28db) ^ who;
    }

    pub(crate) fn get(self) -> u64 {
        mix(self.0)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_sees_every_field_and_the_order() {
        let hash = |items: &[(u64, Kind, u32, u32, u64)]| {
            let mut hash = Hash::START;
            items
                .iter()
                .for_each(|&(time, kind, node, peer, weight)| hash.add(time, kind, node, peer, weight));
            hash.get()
        };
        let base = (1, Kind::Send, 2, 3, 4);
        let mut seen: Vec<u64> = [
            base,
            (9, Kind::Send, 2, 3, 4),
            (1, Kind::Lost, 2, 3, 4),
            (1, Kind::Send, 9, 3, 4),
            (1, Kind::Send, 2, 9, 4),
            (1, Kind::Send, 2, 3, 9),
        ]
        .iter()
        .flat_map(|&other| [hash(&[base, other]), hash(&[other, base])])
        .collect();
        seen.sort_unstable();
        seen.dedup();
        // Twelve, but for the pair of twice `base`.
        assert_eq!(seen.len(), 11);
    }
}
