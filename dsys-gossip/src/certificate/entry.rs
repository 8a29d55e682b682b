//! What is known of a key.

use std::collections::BTreeSet;

use bytes::Bytes;
use dsys_core::NodeId;
use serde::{Deserialize, Serialize};

use super::Config;
use crate::Timestamp;

/// When something was written and by whom: no two writes have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// When.
    pub time: Timestamp,
    /// By whom.
    pub by: NodeId,
}

/// What is known of a key: the later stamp wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written.
    pub stamp: Stamp,
    /// What.
    pub what: What,
}

/// An item, or the certificate of its death.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The item's value.
    Item(Bytes),
    /// It was deleted.
    Dead {
        /// When the certificate was last awakened (§2.2); first the time of the deletion.
        activated: Timestamp,
        /// Who keeps it for longer.
        sites: BTreeSet<NodeId>,
        /// Which of them are known to have it.
        held: BTreeSet<NodeId>,
    },
}

/// How a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It spreads.
    Active,
    /// It is kept and does not spread.
    Dormant,
    /// It may go.
    Over,
}

impl Entry {
    /// The item's value; `None` of a certificate.
    pub fn value(&self) -> Option<&Bytes> {
        match &self.what {
            What::Item(value) => Some(value),
            What::Dead { .. } => None,
        }
    }

    /// What a node does with it now. Items are active for ever.
    pub(super) fn age(&self, me: NodeId, now: Timestamp, config: &Config) -> Age {
        let What::Dead { activated, sites, held } = &self.what else { return Age::Active };
        let since = now.since(*activated);
        // A certificate without sites is a plain tombstone, and gets no help.
        if since <= config.t1 || (held.is_empty() && !sites.is_empty()) {
            Age::Active
        } else if sites.contains(&me) && since <= config.t1.saturating_add(config.t2) {
            Age::Dormant
        } else {
            Age::Over
        }
    }

    /// §2.2: a dormant certificate has met what should be dead. `true` if it was dormant.
    pub(super) fn awake(&mut self, me: NodeId, now: Timestamp, config: &Config) -> bool {
        let dormant = self.age(me, now, config) == Age::Dormant;
        if let What::Dead { activated, .. } = &mut self.what
            && dormant
        {
            *activated = now.max(*activated);
        }
        dormant
    }

    /// Takes in what another has of the same key. `true` if that changed anything.
    pub(super) fn merge(&mut self, other: Entry) -> bool {
        if other.stamp != self.stamp {
            let newer = other.stamp > self.stamp;
            if newer {
                *self = other;
            }
            return newer;
        }
        let (What::Dead { activated, held, sites }, What::Dead { activated: theirs, held: also, .. }) =
            (&mut self.what, other.what)
        else {
            return false;
        };
        let before = (*activated, held.len());
        *activated = theirs.max(*activated);
        held.extend(also.intersection(sites));
        before != (*activated, held.len())
    }

    /// What two nodes must have alike not to talk about the key.
    pub(super) fn version(&self) -> (Stamp, Timestamp, usize) {
        match &self.what {
            What::Item(_) => (self.stamp, self.stamp.time, 0),
            What::Dead { activated, held, .. } => (self.stamp, *activated, held.len()),
        }
    }
}
