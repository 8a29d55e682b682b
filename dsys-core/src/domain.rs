//! What a signature is for.

use std::fmt;

/// What a signature is for: a constant of the program such as `dsys/gossip/envelope/1`, which goes into the
/// signature, so that what was signed for one purpose never verifies for another.
///
/// 1 to 255 printable ASCII characters: RFC 8032 §5.1 gives a context at most 255 octets, and leaves the empty one
/// to signatures without a purpose. A format whose bytes change takes another domain. What varies from signature to
/// signature, such as a topic or a peer, belongs into the message.
///
/// ```
/// use dsys_core::{Domain, SecretKey};
///
/// const ENVELOPE: Domain = Domain::from_static("dsys/gossip/envelope/1");
/// let key = SecretKey::generate()?;
/// let signature = key.sign(ENVELOPE, b"message");
/// assert!(key.public().verify(ENVELOPE, b"message", &signature).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(&'static str);

impl Domain {
    /// The longest domain, in bytes.
    pub const MAX: usize = 255;

    /// A domain that the program itself names, as a constant.
    ///
    /// ```compile_fail,E0080
    /// # use dsys_core::Domain;
    /// const NOTHING: Domain = Domain::from_static("");
    /// ```
    ///
    /// # Panics
    /// If the text is no domain; in a constant, that is an error of compilation.
    #[allow(clippy::panic, clippy::indexing_slicing)] // Meant for constants: what fails, fails to compile.
    pub const fn from_static(text: &'static str) -> Domain {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > Self::MAX {
            panic!("a domain has 1 to 255 characters");
        }
        let mut at = 0;
        while at < bytes.len() {
            if !matches!(bytes[at], b' '..=b'~') {
                panic!("a domain has only printable ASCII characters");
            }
            at += 1;
        }
        Domain(text)
    }

    /// The text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeId, SecretKey, Signature};

    #[test]
    fn only_short_printable_texts_are_domains() {
        for bad in ["", "é", "a\nb", "\u{7f}", &"a".repeat(256)] {
            let bad: &'static str = String::from(bad).leak();
            assert!(std::panic::catch_unwind(|| Domain::from_static(bad)).is_err(), "{bad:?}");
        }
        let longest: &'static str = "a".repeat(255).leak();
        assert_eq!(Domain::from_static(longest).as_str(), longest);
    }

    #[test]
    fn the_last_byte_of_the_longest_domain_counts() {
        let [one, other] = ["a", "b"].map(|last| Domain::from_static(("x".repeat(254) + last).leak()));
        let key = SecretKey::from_bytes([1; 32]);
        let signature = key.sign(one, b"m");
        assert!(key.public().verify(one, b"m", &signature).is_ok());
        assert!(key.public().verify(other, b"m", &signature).is_err());
    }

    #[test]
    fn signs_as_rfc_8032_section_7_3_does() {
        // Ed25519ph, TEST abc: an empty context, which is no domain of ours.
        let none = Domain("");
        let key =
            SecretKey::from_bytes(hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"));
        let public = hex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf");
        assert_eq!(key.public(), NodeId::from_bytes(public));
        let signature = key.sign(none, b"abc");
        let expected = hex(concat!(
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41",
            "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
        ));
        assert_eq!(signature, Signature::from_bytes(expected));
        key.public().verify(none, b"abc", &signature).unwrap();
    }

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }
}
