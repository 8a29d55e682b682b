//! z-base-32, the text in which node ids and tickets are written: lower case, no `0`, `2`, `l` or `v`, so that a
//! person can read it aloud (O'Whielacronx 2002, "human-oriented base-32 encoding").

const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// What stopped the decoder. State is not concerned: decoding is pure.
#[cfg(any(feature = "keys", test))]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A character outside the alphabet, and its position counted in characters.
    Character(char, usize),
    /// The length is impossible, or the unused last bits are not zero.
    Length,
}

/// The text of `bytes`, `ceil(8 * len / 5)` characters.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut held) = (0u16, 0u32);
    for &byte in bytes {
        bits = bits << 8 | u16::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(symbol(bits >> held));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(symbol(bits << (5 - held)));
    }
    text
}

/// The bytes of `text`; upper case is taken as lower case.
#[cfg(any(feature = "keys", test))]
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Wrong> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut held) = (0u16, 0u32);
    for (position, character) in text.chars().enumerate() {
        let value = value(character).ok_or(Wrong::Character(character, position))?;
        bits = bits << 5 | value;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // One text per value: no superfluous character, and the padding bits are zero.
    if held >= 5 || bits != 0 { Err(Wrong::Length) } else { Ok(bytes) }
}

fn symbol(five_bits: u16) -> char {
    char::from(ALPHABET.get(usize::from(five_bits & 31)).copied().unwrap_or(b'y'))
}

#[cfg(any(feature = "keys", test))]
fn value(character: char) -> Option<u16> {
    let lower = character.to_ascii_lowercase();
    ALPHABET.iter().position(|&known| char::from(known) == lower).map(|at| at as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_examples() {
        // From the specification's appendix and the `zbase32` test suites: whole octets only.
        for (bytes, text) in [
            (&[][..], ""),
            (&[0xf0, 0xbf, 0xc7], "6n9hq"),
            (&[0xd4, 0x7a, 0x04], "4t7ye"),
            (b"foobar", "c3zs6aubqe"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).unwrap(), bytes);
        }
    }

    #[test]
    fn each_value_has_one_text() {
        assert_eq!(decode("yb"), Err(Wrong::Length)); // padding bits set
        assert_eq!(decode("yyy"), Err(Wrong::Length)); // superfluous character
        assert_eq!(decode("y2"), Err(Wrong::Character('2', 1)));
        assert_eq!(decode("é"), Err(Wrong::Character('é', 0)));
    }

    proptest::proptest! {
        #[test]
        fn every_value_returns(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_refused_or_is_the_one_text(text: String) {
            if let Ok(bytes) = decode(&text) {
                proptest::prop_assert_eq!(encode(&bytes), text.to_ascii_lowercase());
            }
        }
    }
}
