//! The space in which nodes and keys have their places, and its two metrics.

use std::fmt;
use std::str::FromStr;

use dsys_core::{NodeId, Rng};
use serde::{Deserialize, Serialize};

/// A place in the 256-bit space that nodes and keys share, big-endian.
///
/// A node's place is its id, unhashed: an Ed25519 public key is as evenly spread as a hash of it, and as cheap to
/// grind, so hashing would cost time and give nothing.
///
/// ```
/// use dsys_dht::Key;
///
/// let (a, b) = (Key::from_bytes([0x80; 32]), Key::from_bytes([0x81; 32]));
/// assert_eq!(a.common_prefix(b), 7);
/// assert!(a.xor(b) < a.xor(Key::from_bytes([0; 32])));
/// assert_eq!(a.xor(b), b.xor(a));
/// assert_ne!(a.clockwise(b), b.clockwise(a));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key([u8; 32]);

/// How far two places are apart, in either metric; 256 bits. The default is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u64; 4]);

impl Key {
    /// How many bits a place has.
    pub const BITS: usize = 256;

    /// The place with these bytes, the most significant first.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Key(bytes)
    }

    /// The 32 bytes, the most significant first.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Where a node stands.
    pub const fn of_node(node: NodeId) -> Self {
        Key(*node.as_bytes())
    }

    /// The symmetric metric of Kademlia §2.1: the exclusive or, read as a number.
    pub fn xor(self, other: Key) -> Distance {
        let ([a, b, c, d], [e, f, g, h]) = (self.words(), other.words());
        Distance([a ^ e, b ^ f, c ^ g, d ^ h])
    }

    /// The one-way metric of Chord §IV: how far to go from here to `to`, upwards and around the ring.
    pub fn clockwise(self, to: Key) -> Distance {
        let mut out = [0; 4];
        let mut borrow = false;
        for ((out, to), from) in out.iter_mut().zip(to.words()).zip(self.words()).rev() {
            let (less, first) = to.overflowing_sub(from);
            let (less, second) = less.overflowing_sub(u64::from(borrow));
            *out = less;
            borrow = first || second;
        }
        Distance(out)
    }

    /// The place 2^`exponent` farther up, around the ring. The same place for 256 and more.
    pub fn plus_power_of_two(self, exponent: u16) -> Key {
        let mut bytes = self.0;
        let mut carry = 1_u16 << (exponent % 8);
        let at = usize::from(exponent / 8);
        for byte in bytes.iter_mut().rev().skip(at) {
            let sum = u16::from(*byte) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        Key(bytes)
    }

    /// How many leading bits are the same, 0 to 256.
    pub fn common_prefix(self, other: Key) -> usize {
        self.xor(other).leading_zeros()
    }

    /// A random place that has exactly the first `bits` bits in common with this one; for 256 and more, this one.
    pub fn random_at(self, bits: usize, rng: &mut Rng) -> Key {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        for (at, (byte, own)) in bytes.iter_mut().zip(self.0).enumerate() {
            let same = bits.saturating_sub(at * 8);
            if same >= 8 {
                *byte = own;
            } else if at * 8 <= bits {
                // The first `same` bits are ours, the next one is not, the rest stay random.
                let mask = (0x7f_u8) >> same;
                *byte = ((own ^ (0x80 >> same)) & !mask) | (*byte & mask);
            }
        }
        Key(bytes)
    }

    fn words(self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(self.0.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*chunk);
        }
        words
    }
}

impl Distance {
    /// The farthest that two places can be apart.
    pub const MAX: Distance = Distance([u64::MAX; 4]);

    /// How many leading bits are zero, 0 to 256.
    pub fn leading_zeros(self) -> usize {
        let mut zeros = 0;
        for word in self.0 {
            zeros += word.leading_zeros() as usize;
            if word != 0 {
                break;
            }
        }
        zeros
    }
}

impl From<NodeId> for Key {
    fn from(node: NodeId) -> Self {
        Key::of_node(node)
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text is no key. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 64 hexadecimal digits: was a part of it not copied?")]
pub struct ParseKeyError;

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let digits: Vec<u8> = text.chars().map_while(|digit| Some(digit.to_digit(16)? as u8)).collect();
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() || digits.len() != text.chars().count() {
            return Err(ParseKeyError);
        }
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        bytes.try_into().map(Key).map_err(|_| ParseKeyError)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Key({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use dsys_core::Rng;
    use proptest::{prop_assert_eq, proptest};

    use super::{Distance, Key};

    proptest! {
        #[test]
        fn the_metrics_keep_their_laws(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
            let (a, b, c) = (Key(a), Key(b), Key(c));
            // Kademlia §2.1: symmetric, zero only at home, and for each distance just one place.
            prop_assert_eq!(a.xor(b), b.xor(a));
            prop_assert_eq!(a.xor(b) == Distance::default(), a == b);
            prop_assert_eq!(a.xor(b) == a.xor(c), b == c);
            // Walking from a to b and on to a is once around, that is 0.
            prop_assert_eq!(sum(a.clockwise(b), b.clockwise(a)), Distance::default());
            prop_assert_eq!(sum(a.clockwise(b), b.clockwise(c)), a.clockwise(c));
        }

        #[test]
        fn powers_of_two_go_up_the_ring(a: [u8; 32], exponent in 0..256_u16) {
            let gone = Key(a).clockwise(Key(a).plus_power_of_two(exponent));
            prop_assert_eq!(gone.leading_zeros(), 255 - usize::from(exponent));
            prop_assert_eq!(gone.0.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
        }

        #[test]
        fn a_random_place_parts_where_it_should(own: [u8; 32], bits in 0..=256_usize, seed: u64) {
            let place = Key(own).random_at(bits, &mut Rng::from_seed(seed));
            prop_assert_eq!(Key(own).common_prefix(place), bits);
        }
    }

    /// Addition modulo 2^256.
    fn sum(a: Distance, b: Distance) -> Distance {
        let (mut out, mut carry) = ([0; 4], 0);
        for at in (0..4).rev() {
            let sum = u128::from(a.0[at]) + u128::from(b.0[at]) + carry;
            out[at] = sum as u64;
            carry = sum >> 64;
        }
        Distance(out)
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key::from_bytes(std::array::from_fn(|at| (at * 37) as u8));
        assert_eq!(key.to_string().parse(), Ok(key));
        let text = key.to_string();
        for bad in [&text[1..], &text[..62], &format!("{text}00"), &text.replace('0', "g"), "", "é"] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ring_closes() {
        let (last, first) = (Key([0xff; 32]), Key([0; 32]));
        assert_eq!(last.clockwise(first), Distance([0, 0, 0, 1]));
        assert_eq!(first.clockwise(last), Distance([u64::MAX; 4]));
    }
}
