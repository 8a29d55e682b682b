//! Who may write.

use std::fmt::Debug;

use dsys_core::NodeId;

use super::graph::Sight;
use super::log::Known;
use super::{Access, Change, ChangeId};

/// Decides which changes are taken. A pure function of the change and of what it follows, so that all replicas decide
/// alike; it must look at nothing else: no clock, no state of its own that changes.
pub trait Policy: Clone + Debug {
    /// Whether the change may enter the log.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, change: &Change, past: &Past<'_>) -> Result<(), Denied>;
}

/// Why a policy has refused a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(
    /// For people to read.
    pub &'static str,
);

/// Lets everybody write, and nobody grant or revoke.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Policy for Open {
    fn check(&self, change: &Change, _: &Past<'_>) -> Result<(), Denied> {
        match change.header.access.is_empty() {
            true => Ok(()),
            false => Err(Denied("here nobody can grant or revoke")),
        }
    }
}

/// Lets an owner write, and those to whom the owner has granted it. Nobody else grants or revokes, and the owner cannot be
/// revoked.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    owner: NodeId,
}

impl Members {
    /// A document of this owner, who is its only member at first.
    pub fn owned_by(owner: NodeId) -> Members {
        Members { owner }
    }
}

impl Policy for Members {
    fn check(&self, change: &Change, past: &Past<'_>) -> Result<(), Denied> {
        let header = &change.header;
        if header.author == self.owner {
            let revoked = header.access.contains(&Access::Revoke(self.owner));
            return if revoked { Err(Denied("the owner cannot be revoked")) } else { Ok(()) };
        }
        if !header.access.is_empty() {
            return Err(Denied("only the owner grants and revokes"));
        }
        match past.is_granted(&header.author) {
            true => Ok(()),
            false => Err(Denied("the author was not a member when this was written")),
        }
    }
}

/// What a change has seen, for a [`Policy`] to look at.
#[derive(Debug)]
pub struct Past<'a> {
    pub(super) known: &'a Known,
    pub(super) sight: &'a Sight,
}

impl Past<'_> {
    /// Whether the change has seen another.
    pub fn contains(&self, id: &ChangeId) -> bool {
        self.known.names.get(id).is_some_and(|number| self.known.graph.seen_by(self.sight, number))
    }

    /// Whether the change has seen a grant for a key that no revocation it has seen had seen.
    pub fn is_granted(&self, key: &NodeId) -> bool {
        let graph = &self.known.graph;
        let seen = || self.known.access.iter().filter(|(number, _)| graph.seen_by(self.sight, *number));
        let mut grants = seen().filter(|(_, access)| *access == Access::Grant(*key));
        grants.any(|(grant, _)| {
            !seen().any(|(number, access)| *access == Access::Revoke(*key) && graph.has_seen(*number, *grant))
        })
    }
}
