//! Bytes that travel in records, refused by the decoder when they are too many.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

/// At most `MOST` bytes; cheap to clone.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Short<const MOST: usize>(Bytes);

/// What a record says: at most 64 KiB.
pub type Value = Short<65_536>;
/// What tells the records of one publisher apart: at most 64 bytes.
pub type Salt = Short<64>;

/// Too many bytes. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes are more than the {most} that fit; store large things elsewhere and their hash here")]
pub struct TooLong {
    /// How many there were.
    pub length: usize,
    /// How many fit.
    pub most: usize,
}

impl<const MOST: usize> Short<MOST> {
    /// Takes the bytes.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, TooLong> {
        let bytes = bytes.into();
        if bytes.len() > MOST {
            return Err(TooLong { length: bytes.len(), most: MOST });
        }
        Ok(Short(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Short<MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // A format holds its input in memory, so a length that is only claimed allocates nothing.
        let bytes = Bytes::deserialize(from)?;
        Short::new(bytes).map_err(serde::de::Error::custom)
    }
}

impl<const MOST: usize> fmt::Debug for Short<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: Vec<u8> = self.0.iter().take(16).copied().collect();
        write!(f, "{} bytes \"{}\"", self.0.len(), start.escape_ascii())
    }
}
