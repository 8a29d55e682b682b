//! The name and version of a protocol on a connection.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a protocol with its version, such as `dsys/kad/1`: the first bytes of each of its streams.
///
/// 1 to 63 characters of `a-z 0-9 / . _ -`. On the wire: one byte of length, then the characters. A protocol whose
/// bytes change takes another tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    length: u8,
    bytes: [u8; Tag::MAX],
}

/// A text that is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no protocol tag: 1 to 63 characters of a-z, 0-9 and / . _ -")]
pub struct BadTag(String);

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX: usize = 63;

    /// Parses a tag.
    ///
    /// # Errors
    /// [`BadTag`] says what a tag looks like.
    pub fn new(text: &str) -> Result<Tag, BadTag> {
        Self::from_slice(text.as_bytes()).ok_or_else(|| BadTag(text.chars().take(80).collect()))
    }

    /// A tag that the program itself names, as a constant.
    ///
    /// ```
    /// # use dsys_transport::Tag;
    /// const GREET: Tag = Tag::from_static("greet/1");
    /// assert_eq!(GREET.as_str(), "greet/1");
    /// ```
    ///
    /// # Panics
    /// If the text is no tag; in a constant, that is an error of compilation.
    #[allow(clippy::panic, clippy::indexing_slicing)] // Meant for constants: what fails, fails to compile.
    pub const fn from_static(text: &'static str) -> Tag {
        let text = text.as_bytes();
        let mut bytes = [0; Self::MAX];
        let mut at = 0;
        while at < text.len() {
            if at == Self::MAX || !allowed(text[at]) {
                panic!("a tag has 1 to 63 characters of a-z, 0-9 and / . _ -");
            }
            bytes[at] = text[at];
            at += 1;
        }
        if at == 0 {
            panic!("a tag has at least one character");
        }
        Tag { length: at as u8, bytes }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only ASCII passes `from_slice`.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    pub(crate) fn from_slice(text: &[u8]) -> Option<Tag> {
        if text.is_empty() || !text.iter().copied().all(allowed) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Tag { length: text.len() as u8, bytes })
    }

    /// The tag as a stream begins with it.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(self.prefix_len());
        self.write_prefix(&mut prefix);
        prefix
    }

    /// The length of [`prefix`](Self::prefix), in bytes.
    pub(crate) fn prefix_len(&self) -> usize {
        1 + usize::from(self.length)
    }

    pub(crate) fn write_prefix(&self, to: &mut Vec<u8>) {
        to.push(self.length);
        to.extend_from_slice(self.as_bytes());
    }

    /// Takes a tag off the front of `bytes`; gives its length with the length byte.
    pub(crate) fn read_prefix(bytes: &[u8]) -> Prefix {
        let Some((&length, rest)) = bytes.split_first() else {
            return Prefix::Incomplete;
        };
        if length == 0 || usize::from(length) > Self::MAX {
            return Prefix::Malformed;
        }
        match rest.get(..usize::from(length)) {
            None => Prefix::Incomplete,
            Some(text) => Self::from_slice(text)
                .map_or(Prefix::Malformed, |tag| Prefix::Tag(tag, usize::from(length) + 1)),
        }
    }
}

const fn allowed(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-')
}

/// What the first bytes of a stream hold.
#[derive(Debug, PartialEq)]
pub(crate) enum Prefix {
    /// A whole tag, and the number of bytes it took.
    Tag(Tag, usize),
    /// More bytes are needed.
    Incomplete,
    /// No tag can begin so.
    Malformed,
}

impl TryFrom<&str> for Tag {
    type Error = BadTag;

    fn try_from(text: &str) -> Result<Self, BadTag> {
        Tag::new(text)
    }
}

// Unused bytes are zero, so hashing the used ones agrees with `Eq`.
impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.as_str())
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        Tag::new(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_read_whole_or_not_at_all() {
        let tag = Tag::new("dsys/kad/1").unwrap();
        let mut bytes = tag.prefix();
        assert_eq!(bytes, b"\x0adsys/kad/1");
        bytes.extend(b"payload");
        assert_eq!(Tag::read_prefix(&bytes), Prefix::Tag(tag, 11));
        for cut in 0..11 {
            assert_eq!(Tag::read_prefix(&bytes[..cut]), Prefix::Incomplete);
        }
        assert_eq!(Tag::read_prefix(b"\x00"), Prefix::Malformed);
        assert_eq!(Tag::read_prefix(b"\x40aaaa"), Prefix::Malformed);
        assert_eq!(Tag::read_prefix(b"\x02A!"), Prefix::Malformed);
    }

    #[test]
    fn only_short_lower_case_names_are_tags() {
        assert!(Tag::new("").is_err());
        assert!(Tag::new("Dsys").is_err());
        assert!(Tag::new(&"a".repeat(63)).is_ok());
        assert!(Tag::new(&"a".repeat(64)).is_err());
    }
}
