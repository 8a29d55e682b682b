//! The random source that a driver lends to a machine.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};

/// A seeded random source: ChaCha with 8 rounds.
///
/// The same seed gives the same numbers on every platform and in every build. A live driver seeds it from the
/// operating system, and then nobody who sees the numbers can tell the next ones, so a machine may draw nonces and
/// hash keys from it. Long-lived secrets come from [`SecretKey::generate`](crate::SecretKey::generate) all the same.
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A source for the simulator and for tests; 64 bits of seed are too few for secrets.
    pub fn from_seed(seed: u64) -> Self {
        let mut wide = [0; 32];
        let mut state = seed;
        for chunk in wide.chunks_exact_mut(8) {
            chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        Self::from_entropy(wide)
    }

    /// A source from 32 bytes that nobody else knows.
    pub fn from_entropy(seed: [u8; 32]) -> Self {
        Rng(ChaCha8Rng::from_seed(seed))
    }

    /// A source seeded by the operating system: what a live driver lends.
    ///
    /// # Errors
    /// The operating system has no randomness to give, which a working machine does not do.
    #[cfg(feature = "keys")]
    pub fn from_os() -> std::io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::from_entropy(seed))
    }

    /// Uniform in all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..bound`; 0 if `bound` is 0.
    ///
    /// Lemire 2019, "Fast random integer generation in an interval", §4: a multiplication, and a rejection that is
    /// rarer the smaller the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// Uniform index into a slice of length `len`; 0 if `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Uniform in `[0, 1)`, 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with the given probability; never for 0 or less, always for 1 or more.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An element chosen uniformly; `None` of an empty slice.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// Puts `items` in uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014, figure 17): spreads a small seed over a wide one.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha8_of_the_zero_key_gives_the_published_keystream() {
        // ChaCha8, 256-bit key of zeros, zero nonce: draft-strombergson-chacha-test-vectors-00, TC1.
        let mut bytes = [0; 16];
        Rng::from_entropy([0; 32]).fill(&mut bytes);
        assert_eq!(
            bytes,
            [0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6, 0x7f, 0x5b, 0xb8, 0xe8, 0x1f, 0x09, 0xa5, 0xa1]
        );
    }

    #[test]
    fn split_mix_gives_the_published_sequence() {
        // Seed 1234567: the sequence Rosetta Code lists for SplitMix64.
        let mut state = 1_234_567;
        let first: Vec<u64> = (0..3).map(|_| split_mix(&mut state)).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn below_is_uniform_and_in_range() {
        let mut rng = Rng::from_seed(1);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[rng.index(6)] += 1;
        }
        // Chi-square with 5 degrees of freedom: 20.5 is exceeded once in 1,000.
        let chi: f64 = seen.iter().map(|&n| (f64::from(n) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 20.5, "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::from_seed(2).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
