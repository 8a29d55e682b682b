//! Keyed hashes of names.

use crate::MessageId;

/// The key of a sketch: 128 random bits. Whoever does not know it cannot make names that meet in the same cells or whose
/// hashes cancel, so each node draws its own and tells it with its cells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u64, pub u64);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// SipHash-2-4 (Aumasson and Bernstein 2012) of the sixteen bytes.
    pub(super) fn hash(self, id: MessageId) -> u64 {
        let (words, []) = id.0.as_chunks::<8>() else { return 0 };
        let mut state = [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ];
        // Two words, and one with the length in its highest byte.
        for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([16 << 56]) {
            state[3] ^= word;
            round(&mut state);
            round(&mut state);
            state[0] ^= word;
        }
        state[2] ^= 0xff;
        (0..4).for_each(|_| round(&mut state));
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_published_value() {
        // The reference implementation's vectors.h, entry 16: key 00..0f, message 00..0f.
        let key = Key(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let id = MessageId(std::array::from_fn(|at| at as u8));
        assert_eq!(key.hash(id).to_le_bytes(), [0xdb, 0x9b, 0xc2, 0x57, 0x7f, 0xcc, 0x2a, 0x3f]);
    }
}
