//! What operations give back when they went well.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use dsys_core::NodeAddr;

use crate::records::{BulkReport, GetError, Got, Mutable, PutReport, Record};
use crate::{Key, QueryReport};

/// A record is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Put {
    /// Where it lies.
    pub key: Key,
    /// What it cost and how far it went.
    pub report: PutReport,
}

/// The nodes responsible for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Those that answered, the nearest first.
    pub nodes: Vec<NodeAddr>,
    /// What it cost.
    pub report: QueryReport,
}

/// Those of many records that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchedMany {
    /// The bytes under each key.
    pub found: BTreeMap<Key, Bytes>,
    /// Keys of which nobody responsible has anything, or nobody answered.
    pub missing: Vec<Key>,
    /// What it cost; without the gets of those that were not found at first.
    pub report: BulkReport,
}

/// Bytes that were found, and what that cost. It is used like the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    bytes: Bytes,
    /// The record and the costs.
    pub report: Got,
}

impl Fetched {
    pub(super) fn new(report: Got) -> Self {
        let bytes = match &report.record {
            Record::Immutable(value) | Record::Custom { value, .. } => value.clone().into_bytes(),
            Record::Mutable(mutable) => mutable.value.clone().into_bytes(),
            Record::Provider(_) => Bytes::new(),
        };
        Fetched { bytes, report }
    }

    /// The bytes.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Deref for Fetched {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq<[u8]> for Fetched {
    fn eq(&self, other: &[u8]) -> bool {
        *self.bytes == *other
    }
}

impl PartialEq<&[u8]> for Fetched {
    fn eq(&self, other: &&[u8]) -> bool {
        *self.bytes == **other
    }
}

/// A mutable record that was found, and what that cost. It is used like the record.
#[derive(Clone, PartialEq, Eq)]
pub struct Resolved {
    record: Mutable,
    /// The record and the costs.
    pub report: Got,
}

impl Resolved {
    pub(super) fn new(report: Got) -> Result<Self, GetError> {
        match report.record.clone() {
            Record::Mutable(record) => Ok(Resolved { record, report }),
            // The machine gives what was asked for.
            _ => Err(GetError::NotFound { queried: report.queried, timeouts: report.timeouts }),
        }
    }
}

impl Deref for Resolved {
    type Target = Mutable;

    fn deref(&self) -> &Mutable {
        &self.record
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}
