//! What nodes send each other: wire version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Entry, Stamp};
use crate::Timestamp;

/// One message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// "These I have from this key on, up to and without that": answered by what differs.
    Compare {
        /// The first key that may be among them.
        from: Bytes,
        /// The first behind them; `None`: there is none.
        to: Option<Bytes>,
        /// In the order of their keys. Without dormant certificates.
        have: Vec<Seen>,
    },
    /// "This is what I have and you lack, and these I want."
    Differ {
        /// With their keys.
        entries: Vec<(Bytes, Entry)>,
        /// Keys.
        want: Vec<Bytes>,
    },
}

/// The version of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of which key.
    pub key: Bytes,
    /// When it was written.
    pub stamp: Stamp,
    /// When it was activated, if it is a certificate; that of the stamp otherwise.
    pub activated: Timestamp,
    /// By how many retention sites it is known to be held.
    pub held: u32,
}
